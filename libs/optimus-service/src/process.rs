//! What a program's `main` begins and ends with.

use optimus_common::causes;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{LogSettings, error::ProcessError, logging, open_files, signals, telemetry::Telemetry};

/// A process that serves until it is asked to leave.
#[derive(Debug)]
pub struct Process {
    /// Cancelled by the first signal; the second one ends the process at once.
    pub shutdown: CancellationToken,
    telemetry: Option<Telemetry>,
}

impl Process {
    /// Inside a runtime. Logs from here on where `log` says how, exports spans where the environment says where to, may
    /// open as many files as the system allows, and hears signals. `name` is what collectors call it.
    pub fn begin(name: &'static str, log: Option<&LogSettings>) -> Result<Self, ProcessError> {
        let telemetry = Telemetry::from_environment(name);
        logging::start(log, telemetry.as_ref().ok().and_then(Option::as_ref))?;
        match &telemetry {
            Ok(Some(telemetry)) => info!(address = telemetry.address(), "spans are exported"),
            Ok(None) => {}
            Err(error) => warn!(error = causes(error), "no spans are exported"),
        }
        // Boxes and connections need many.
        open_files::raise_limit();
        Ok(Self {
            shutdown: signals::listen()?,
            telemetry: telemetry.unwrap_or_default(),
        })
    }

    /// Does what the process is there for, and then sends what has not been sent of its spans, however that ended.
    pub async fn run<Work: Future>(self, work: impl FnOnce(CancellationToken) -> Work) -> Work::Output {
        let done = work(self.shutdown).await;
        if let Some(telemetry) = self.telemetry {
            telemetry.end().await;
        }
        done
    }
}
