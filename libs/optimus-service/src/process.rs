//! What a program's `main` begins and ends with.

use std::{error::Error, io};

use optimus_common::settings::Log;
use tokio_util::sync::CancellationToken;

use crate::{logging, open_files, signals};

/// A process that serves until it is asked to leave.
#[derive(Debug)]
pub struct Process {
    /// Cancelled by the first signal; the second one ends the process at once.
    pub shutdown: CancellationToken,
}

/// Why a process cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    #[error("{filter:?} is no log filter")]
    Filter {
        filter: String,
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    #[error("cannot listen for signals")]
    Signals(#[source] io::Error),
}

impl Process {
    /// Inside a runtime. Logs from here on where `log` says how, may open as many files as the system allows, and hears
    /// signals.
    pub fn begin(log: Option<&Log>) -> Result<Self, ProcessError> {
        if let Some(log) = log {
            logging::start(log)?;
        }
        // Boxes and connections need many.
        open_files::raise_limit();
        Ok(Self {
            shutdown: signals::listen()?,
        })
    }

    /// `None` where the process is asked to leave meanwhile.
    pub async fn unless_asked_to_leave<F: Future>(&self, work: F) -> Option<F::Output> {
        self.shutdown.run_until_cancelled(work).await
    }
}
