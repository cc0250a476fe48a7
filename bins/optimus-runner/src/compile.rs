//! Second phase: what works in the work directory itself, such as the compile step, once for all tests.

use std::{collections::HashSet, fs, io::ErrorKind, os::unix::fs::PermissionsExt, path::Path};

use anyhow::Context;
use optimus_cell::{CellFactory, Supervisor, WorkdirPolicy, seal_artefacts};
use optimus_common::box_layout::BOX_DIR;
use optimus_protocol::{FrameKind, MOST_ENTRIES, Product, Seal, Sealed};
use rustix::process::{getpid, set_child_subreaper};

use crate::{
    channel::Outbox,
    executor::{Executor, Finished, WorkDirectory},
    inbox::{Inbox, Request},
    job_state::{JobState, StateFile},
    next::Next,
};

pub(crate) fn run(outbox: &mut Outbox, cells: Option<&CellFactory>) -> anyhow::Result<Next> {
    let mut state = JobState::load()?;
    let mut inbox = Inbox::new();
    let finished = match inbox.wait()? {
        // Nothing was executed: what lies there is what was put there, and is nobody's to change.
        Request::Seal(seal) => Some(seal),
        Request::End => None,
        first => execute(first, &mut state, inbox, cells, outbox)?,
    };
    let Some(expected) = finished else {
        return Ok(Next::Stop);
    };
    outbox.push_message(FrameKind::Sealed, &sealed(&expected, &state)?)?;
    outbox.flush_all()?;
    Ok(Next::GoOn)
}

/// Carries out what is asked for until the work directory is sealed; `None` where it never is to be.
fn execute(
    first: Request,
    state: &mut JobState,
    inbox: Inbox,
    cells: Option<&CellFactory>,
    outbox: &mut Outbox,
) -> anyhow::Result<Option<Seal>> {
    // PID 1 may be a shell: without this, orphans of the compile step would go to it.
    set_child_subreaper(Some(getpid())).context("cannot adopt orphans")?;
    let guest = state.guests(cells)?.compile();
    // What an execution leaves in the work directory is what later ones find.
    let supervisor = Supervisor::new(&[guest], WorkdirPolicy::Persistent, cells)?;
    let executor = Executor::new(supervisor, WorkDirectory::Kept, inbox, None, outbox);
    match executor.run_from(first)? {
        Finished::End => Ok(None),
        Finished::Seal(expected, newest) => {
            seal_artefacts(Path::new(BOX_DIR), guest)?;
            state.newest = newest;
            state.save(StateFile::create()?)?;
            Ok(Some(expected))
        }
    }
}

fn sealed(expected: &Seal, state: &JobState) -> anyhow::Result<Sealed> {
    let is_made =
        expected.program.as_deref().is_none_or(is_program) && is_product(&expected.product, &state.files);
    Ok(Sealed {
        program_missing: !is_made,
        too_many_entries: leaves_too_much(state)?,
    })
}

/// Whether there is more at the top of the work directory than what was put there and what may be beside it.
fn leaves_too_much(state: &JobState) -> anyhow::Result<bool> {
    let may_be = state.files.len() + state.folders + MOST_ENTRIES;
    let entries = fs::read_dir(BOX_DIR).context("cannot list the work directory")?;
    Ok(entries.take(may_be + 1).count() > may_be)
}

/// Whether there is a file that can be run. Compilers leave libraries and precompiled headers under its name too.
fn is_program(name: &str) -> bool {
    const EXECUTABLE: u32 = 0o111;
    let path = Path::new(BOX_DIR).join(name);
    fs::metadata(path).is_ok_and(|file| file.is_file() && file.permissions().mode() & EXECUTABLE != 0)
}

/// Whether what programs of the image are to run is there.
fn is_product(product: &Product, sources: &[String]) -> bool {
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
fn holds_more_than(sources: &[String]) -> bool {
    let root = Path::new(BOX_DIR);
    let sources: HashSet<_> = sources.iter().map(|file| root.join(file)).collect();
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
