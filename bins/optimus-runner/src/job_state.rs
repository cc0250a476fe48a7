//! What the phases hand on: a file that only root can read.

use std::{
    fs::{self, File},
    io::Write,
    path::Path,
};

use anyhow::Context;
use optimus_cell::{CellFactory, Guests};
use optimus_common::box_layout::JOB_FILE;
use optimus_protocol::ExecId;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct JobState {
    /// Executions going on at once when the work directory is sealed.
    pub(crate) parallel: u32,
    /// What was put into the work directory, by the paths there.
    pub(crate) files: Vec<String>,
    /// Empty folders made there.
    pub(crate) folders: usize,
    /// The last execution that the worker has sent: their numbers go on behind the seal.
    pub(crate) newest: Option<ExecId>,
    guest_base: u32,
}

/// Where the state will be, for one who may not open it any more when the state is known.
#[derive(Debug)]
pub(crate) struct StateFile(File);

impl StateFile {
    pub(crate) fn create() -> anyhow::Result<Self> {
        File::create(JOB_FILE)
            .map(Self)
            .with_context(|| format!("cannot make {JOB_FILE}"))
    }
}

impl JobState {
    pub(crate) fn new(parallel: u32, guests: Guests) -> Self {
        Self {
            parallel,
            files: Vec::new(),
            folders: 0,
            newest: None,
            guest_base: guests.base(),
        }
    }

    /// The UIDs that the first phase has chosen, unless the box has its own.
    pub(crate) fn guests(&self, cells: Option<&CellFactory>) -> anyhow::Result<Guests> {
        match cells {
            Some(cells) => Ok(cells.guests()),
            None => Guests::from_base(self.guest_base)
                .with_context(|| format!("{JOB_FILE} names no UIDs of guests")),
        }
    }

    pub(crate) fn save(&self, mut file: StateFile) -> anyhow::Result<()> {
        let json = serde_json::to_vec(self).context("cannot encode what is known of the job")?;
        file.0
            .write_all(&json)
            .with_context(|| format!("cannot write {JOB_FILE}"))
    }

    pub(crate) fn load() -> anyhow::Result<Self> {
        let json = fs::read(Path::new(JOB_FILE)).with_context(|| format!("cannot read {JOB_FILE}"))?;
        serde_json::from_slice(&json).with_context(|| format!("cannot understand {JOB_FILE}"))
    }
}
