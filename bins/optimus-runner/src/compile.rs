//! Second phase: the compile step, once for all tests.

use std::{collections::HashSet, fs, io::ErrorKind, os::unix::fs::PermissionsExt, path::Path};

use anyhow::{Context, bail};
use optimus_cell::{
    CellFactory, Event, GuestId, Input, OutputFlow, StartResult, Supervisor, WorkdirPolicy, seal_artefacts,
};
use optimus_common::{
    box_layout::BOX_DIR,
    facts::{RunEnd, RunFacts},
};
use optimus_protocol::{
    COMPILE_OUTPUT_KEPT, CommandSpec, CompileDone, FileHeader, FrameKind, JobStep, MOST_ENTRIES, OutputTag,
    Product, Stream,
};
use rustix::{
    event::{PollFd, PollFlags},
    process::{getpid, set_child_subreaper},
};

use crate::{
    channel::{self, Outbox},
    job_state::JobState,
    next::Next,
};

pub(crate) fn run(outbox: &mut Outbox, cells: Option<&CellFactory>) -> anyhow::Result<Next> {
    let state = JobState::load()?;
    let facts = match &state.job.compile {
        Some(command) => {
            let guest = state.guests(cells)?.compile();
            Some(compile(command, guest, cells, outbox)?)
        }
        None => None,
    };
    let ended_well = facts
        .as_ref()
        .is_none_or(|facts| facts.end == RunEnd::Exited { code: 0 });
    let program = state.job.program.as_deref();
    let is_made = program.is_none_or(is_program) && is_product(&state.job.product, &state.job.files);
    let ended_well_here = ended_well && facts.is_some();
    let done = CompileDone {
        facts,
        program_missing: ended_well_here && !is_made,
        too_many_entries: ended_well_here && leaves_too_much(state.job.files.len())?,
    };
    outbox.push_message(FrameKind::CompileDone, &done)?;
    outbox.flush_all()?;
    let compiled = ended_well && !done.program_missing && !done.too_many_entries;
    Ok(if compiled { Next::GoOn } else { Next::Stop })
}

/// Whether there is more at the top of the work directory than so many sources, the folder for programs, and what may be
/// beside them.
fn leaves_too_much(sources: usize) -> anyhow::Result<bool> {
    let may_be = sources + 1 + MOST_ENTRIES;
    let entries = fs::read_dir(BOX_DIR).context("cannot list what the compile step has left")?;
    Ok(entries.take(may_be + 1).count() > may_be)
}

/// Whether there is a file that can be run. Compilers leave libraries and precompiled headers under its name too.
fn is_program(name: &str) -> bool {
    const EXECUTABLE: u32 = 0o111;
    let path = Path::new(BOX_DIR).join(name);
    fs::metadata(path).is_ok_and(|file| file.is_file() && file.permissions().mode() & EXECUTABLE != 0)
}

/// Whether what programs of the image are to run is there.
fn is_product(product: &Product, sources: &[FileHeader]) -> bool {
    match product {
        Product::Unknown => true,
        Product::Named(name) => is_there(&Path::new(BOX_DIR).join(name)),
        Product::Anything => holds_more_than(sources),
    }
}

/// Whether there is this file, or a folder with something in it. What cannot be looked into holds something.
fn is_there(path: &Path) -> bool {
    match fs::read_dir(path) {
        Ok(mut folder) => folder.next().is_some(),
        Err(error) if error.kind() == ErrorKind::NotFound => false,
        Err(error) if error.kind() == ErrorKind::NotADirectory => path.is_file(),
        Err(_) => true,
    }
}

/// Whether there is any file in the work directory that is none of the sources. What cannot be looked into holds some.
fn holds_more_than(sources: &[FileHeader]) -> bool {
    let root = Path::new(BOX_DIR);
    let sources: HashSet<_> = sources.iter().map(|file| root.join(&file.name)).collect();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(folder) else {
            return true;
        };
        for entry in entries {
            match entry.and_then(|entry| Ok((entry.path(), entry.file_type()?))) {
                Ok((path, kind)) if kind.is_dir() => folders.push(path),
                Ok((path, _)) if sources.contains(&path) => {}
                _ => return true,
            }
        }
    }
    false
}

fn compile(
    command: &CommandSpec,
    guest: GuestId,
    cells: Option<&CellFactory>,
    outbox: &mut Outbox,
) -> anyhow::Result<RunFacts> {
    // PID 1 may be a shell: without this, orphans of the compile step would go to it.
    set_child_subreaper(Some(getpid())).context("cannot adopt orphans")?;
    // What it leaves in the work directory is what the tests run.
    let mut supervisor = Supervisor::new(&[guest], WorkdirPolicy::Persistent, cells)?;
    let slot = supervisor
        .free_slot()
        .context("there is no place for the compile step")?;
    if supervisor.start(slot, command, &Input::empty()?)? == StartResult::Crowded {
        bail!("the box's process limit leaves no room for the compile step");
    }
    let mut facts = None;
    let mut room = [COMPILE_OUTPUT_KEPT; 2];
    while !supervisor.is_idle() {
        let output_flow = if outbox.is_full() {
            OutputFlow::Paused
        } else {
            OutputFlow::Reading
        };
        let mut ends = vec![PollFd::from_borrowed_fd(channel::input(), channel::ONLY_HANG_UP)];
        if !outbox.is_empty() {
            ends.push(PollFd::from_borrowed_fd(channel::output(), PollFlags::OUT));
        }
        supervisor.wait(&mut ends, output_flow)?;
        channel::check_worker(ends[0].revents())?;
        supervisor.advance(output_flow, &mut |event| match event {
            Event::Output { stream, data, .. } => {
                let room = match stream {
                    Stream::Stdout => &mut room[0],
                    Stream::Stderr => &mut room[1],
                };
                let kept = usize::try_from(*room).map_or(data.len(), |room| data.len().min(room));
                *room -= kept as u64;
                if kept > 0 {
                    let tag = OutputTag {
                        step: JobStep::Compile,
                        stream,
                    };
                    outbox.push(FrameKind::Output, &[&tag.encode(), &data[..kept]]);
                }
            }
            Event::Ended { facts: all, .. } => facts = Some(all),
        })?;
        outbox.flush()?;
    }
    seal_artefacts(Path::new(BOX_DIR), guest)?;
    facts.context("the compile step ended without facts")
}
