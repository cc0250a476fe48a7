//! The job as the phases hand it on: a file that only root can read.

use std::{fs, path::Path};

use anyhow::Context;
use optimus_cell::{CellFactory, Guests};
use optimus_common::box_layout::JOB_FILE;
use optimus_protocol::JobHeader;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct JobState {
    pub(crate) job: JobHeader,
    guest_base: u32,
}

impl JobState {
    pub(crate) fn new(job: JobHeader, guests: Guests) -> Self {
        Self {
            job,
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

    pub(crate) fn save(&self) -> anyhow::Result<()> {
        let json = serde_json::to_vec(self).context("cannot encode the job")?;
        fs::write(JOB_FILE, json).with_context(|| format!("cannot write {JOB_FILE}"))
    }

    pub(crate) fn load() -> anyhow::Result<Self> {
        let json = fs::read(Path::new(JOB_FILE)).with_context(|| format!("cannot read {JOB_FILE}"))?;
        serde_json::from_slice(&json).with_context(|| format!("cannot understand {JOB_FILE}"))
    }
}
