//! Files of the sealed work directory on their way to the worker.

use std::{
    fs::File,
    io::{ErrorKind, Read},
    path::Path,
};

use anyhow::{Context, bail};
use optimus_cell::{GuestId, open_artefact};
use optimus_common::box_layout::BOX_DIR;
use optimus_protocol::{CHUNK, FileFound, FrameKind, Get};

use crate::channel::Outbox;

/// Sends one file after the other, a piece at a time, so that no file is in memory whole.
#[derive(Debug)]
pub(crate) struct ArtefactSender {
    /// Whose files they are.
    guest: GuestId,
    /// What is asked for and was not looked for yet.
    asked: Option<Get>,
    going_on: Option<Sending>,
}

#[derive(Debug)]
struct Sending {
    file: File,
    left: u64,
}

impl ArtefactSender {
    pub(crate) fn new(guest: GuestId) -> Self {
        Self {
            guest,
            asked: None,
            going_on: None,
        }
    }

    /// Whether another file may be asked for.
    pub(crate) fn is_free(&self) -> bool {
        self.asked.is_none()
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.asked.is_none() && self.going_on.is_none()
    }

    pub(crate) fn ask(&mut self, get: Get) {
        self.asked = Some(get);
    }

    /// Sends as much as the outbox takes.
    pub(crate) fn send(&mut self, outbox: &mut Outbox) -> anyhow::Result<()> {
        while !outbox.is_full() {
            if let Some(sending) = &mut self.going_on {
                if sending.send_piece(outbox)? == 0 {
                    self.going_on = None;
                }
            } else if let Some(get) = self.asked.take() {
                let (found, sending) = self.look_for(&get)?;
                outbox.push_message(FrameKind::File, &found)?;
                self.going_on = sending;
            } else {
                break;
            }
        }
        Ok(())
    }

    fn look_for(&self, get: &Get) -> anyhow::Result<(FileFound, Option<Sending>)> {
        let Some(file) = open_artefact(Path::new(BOX_DIR), Path::new(&get.path), self.guest)? else {
            return Ok((FileFound::Missing, None));
        };
        let bytes = file.metadata().context("cannot look at an artefact")?.len();
        if bytes > get.most_bytes {
            return Ok((FileFound::TooLarge(bytes), None));
        }
        Ok((FileFound::Bytes(bytes), Some(Sending { file, left: bytes })))
    }
}

impl Sending {
    /// Sends the next bytes, and tells how many are left.
    fn send_piece(&mut self, outbox: &mut Outbox) -> anyhow::Result<u64> {
        let mut piece = vec![0; CHUNK];
        let room = usize::try_from(self.left).map_or(CHUNK, |left| left.min(CHUNK));
        if room > 0 {
            let read = match self.file.read(&mut piece[..room]) {
                Ok(0) => bail!("an artefact has become shorter"),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::Interrupted => 0,
                Err(error) => return Err(error).context("cannot read an artefact"),
            };
            if read > 0 {
                outbox.push(FrameKind::Data, &[&piece[..read]]);
                self.left -= read as u64;
            }
        }
        Ok(self.left)
    }
}
