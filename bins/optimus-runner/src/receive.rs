//! First phase: take in what the work directory is to have.

use std::{
    ffi::OsStr,
    fs::{self, DirBuilder, File, OpenOptions},
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Component, Path},
};

use anyhow::{Context, ensure};
use optimus_cell::{CellFactory, Guests, become_guest};
use optimus_common::{
    box_layout::{BOX_DIR, TOOLCHAIN_FILE, USERS_DIR},
    submission::check_file_name,
};
use optimus_protocol::{Begin, FrameHeader, FrameKind, Prepare, Put, Ready, VERSION};

use crate::{
    channel::{Incoming, Outbox},
    inbox::OutOfOrder,
    job_state::{JobState, StateFile},
    next::Next,
};

pub(crate) fn run(outbox: &mut Outbox, cells: Option<&CellFactory>) -> anyhow::Result<Next> {
    let guests = match cells {
        Some(cells) => cells.guests(),
        None => Guests::random()?,
    };
    outbox.push_message(
        FrameKind::Ready,
        &Ready {
            version: VERSION,
            toolchain: toolchain(),
            places: guests.most_runs(),
        },
    )?;
    outbox.flush_all()?;

    let mut incoming = Incoming::new();
    let begin: Begin = incoming.message(FrameKind::Begin)?;
    ensure!(
        begin.version == VERSION,
        "the worker speaks version {} of the protocol, the box {VERSION}",
        begin.version
    );
    ensure!(
        (1..=guests.most_runs()).contains(&begin.parallel),
        "the worker wants {} executions at once of a box with {} places",
        begin.parallel,
        guests.most_runs()
    );
    if cells.is_none() {
        name_users(guests, begin.parallel).context("cannot say who the box's users are")?;
    }
    let mut state = JobState::new(begin.parallel, guests);
    let file = StateFile::create()?;

    // The sources belong to the compile step. Nothing hostile runs yet, so this process can simply become its user.
    become_guest(guests.compile()).context("cannot become the user of the compile step")?;
    loop {
        let FrameHeader { kind, len } = incoming.any_header()?;
        match kind {
            FrameKind::Put => {
                let put: Put = incoming.parse(kind, len)?;
                receive_file(&mut incoming, &put).with_context(|| format!("cannot store {:?}", put.path))?;
                state.files.push(put.path);
            }
            FrameKind::Prepare => {
                let Prepare { folders } = incoming.parse(kind, len)?;
                folders.iter().try_for_each(|folder| make_folder(folder))?;
                state.folders = folders.len();
                return state.save(file).map(|()| Next::GoOn);
            }
            _ => return Err(OutOfOrder(kind).into()),
        }
    }
}

/// At the top of the work directory. Unlike a source's name it may be one that is kept for what compilers make.
fn make_folder(name: &str) -> anyhow::Result<()> {
    let is_plain = Path::new(name)
        .components()
        .eq([Component::Normal(OsStr::new(name))]);
    ensure!(is_plain, "cannot make the folder {name:?} in the work directory");
    let folder = Path::new(BOX_DIR).join(name);
    DirBuilder::new()
        .mode(0o755)
        .create(&folder)
        .with_context(|| format!("cannot make {}", folder.display()))
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
    let text = fs::read_to_string(Path::new("/").join(TOOLCHAIN_FILE)).ok()?;
    Some(text.lines().next()?.trim().to_owned())
}

fn receive_file(incoming: &mut Incoming, put: &Put) -> anyhow::Result<()> {
    check_file_name(&put.path).map_err(|rule| anyhow::anyhow!("its name {rule}"))?;
    let path = Path::new(BOX_DIR).join(&put.path);
    if let Some(folder) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o755).create(folder)?;
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o644)
        .open(&path)?;
    receive_data(incoming, &mut file, put.bytes)
}

/// Copies frames of file data into the file until it has all its bytes.
fn receive_data(incoming: &mut Incoming, file: &mut File, bytes: u64) -> anyhow::Result<()> {
    let mut missing = bytes;
    while missing > 0 {
        let mut left = incoming.header(FrameKind::Data)?;
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
