//! First phase: take in the job and its files.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
};

use anyhow::{Context, ensure};
use optimus_cell::{CellFactory, Guests, become_guest};
use optimus_common::{
    box_layout::{BOX_DIR, OUTPUT_DIR, USERS_DIR},
    submission::check_file_name,
};
use optimus_protocol::{FileHeader, FrameKind, JobHeader, Ready, VERSION};

use crate::{
    channel::{Incoming, Outbox},
    job_state::JobState,
    next::Next,
};

/// Written when the image was built: what the toolchain says of its own version.
const TOOLCHAIN: &str = "/optimus/toolchain";

pub(crate) fn run(outbox: &mut Outbox, cells: Option<&CellFactory>) -> anyhow::Result<Next> {
    outbox.push_message(
        FrameKind::Ready,
        &Ready {
            version: VERSION,
            toolchain: toolchain(),
        },
    )?;
    outbox.flush_all()?;

    let mut incoming = Incoming::new();
    let job: JobHeader = incoming.message(FrameKind::Job)?;
    ensure!(
        job.version == VERSION,
        "the worker speaks version {} of the protocol, the box {VERSION}",
        job.version
    );
    let guests = match cells {
        Some(cells) => cells.guests(),
        None => Guests::random()?,
    };
    if cells.is_none() {
        name_users(guests, job.max_parallel_tests).context("cannot say who the box's users are")?;
    }
    let state = JobState::new(job, guests);
    state.save()?;

    // The sources belong to the compile step. Nothing hostile runs yet, so this process can simply become its user.
    become_guest(guests.compile()).context("cannot become the user of the compile step")?;
    if state.job.compile.is_some() {
        let folder = Path::new(BOX_DIR).join(OUTPUT_DIR);
        DirBuilder::new()
            .mode(0o755)
            .create(&folder)
            .with_context(|| format!("cannot make {}", folder.display()))?;
    }
    for file in &state.job.files {
        receive_file(&mut incoming, file).with_context(|| format!("cannot store {:?}", file.name))?;
    }
    Ok(Next::GoOn)
}

/// In a container; a native box's root knows its users. An image made before there were names has no such folder.
fn name_users(guests: Guests, runs: u32) -> std::io::Result<()> {
    let folder = Path::new(USERS_DIR);
    if !folder.is_dir() {
        return Ok(());
    }
    fs::write(folder.join("passwd"), guests.passwd(runs))?;
    fs::write(folder.join("group"), guests.group(runs))
}

fn toolchain() -> Option<String> {
    let text = fs::read_to_string(TOOLCHAIN).ok()?;
    Some(text.lines().next()?.trim().to_owned())
}

fn receive_file(incoming: &mut Incoming, header: &FileHeader) -> anyhow::Result<()> {
    check_file_name(&header.name).map_err(|rule| anyhow::anyhow!("its name {rule}"))?;
    let path = Path::new(BOX_DIR).join(&header.name);
    if let Some(folder) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o755).create(folder)?;
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o644)
        .open(&path)?;
    receive_data(incoming, &mut file, header.bytes)
}

/// Copies frames of file data into the file until it has all its bytes.
fn receive_data(incoming: &mut Incoming, file: &mut File, bytes: u64) -> anyhow::Result<()> {
    let mut missing = bytes;
    while missing > 0 {
        let mut left = incoming.header(FrameKind::FileData)?;
        missing = missing
            .checked_sub(left as u64)
            .context("the worker sent more than the file's size")?;
        while left > 0 {
            let data = incoming.payload()?;
            file.write_all(data)?;
            left -= data.len();
        }
    }
    Ok(())
}
