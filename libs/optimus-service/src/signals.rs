//! When a process leaves.

use std::{io, process};

use tokio_util::sync::CancellationToken;

use crate::error::ProcessError;

/// As shells say it of a program that Ctrl-C ended.
const INTERRUPTED: i32 = 130;

/// The first signal asks to leave in peace, by the answer; the second one ends the process at once.
pub(crate) fn listen() -> Result<CancellationToken, ProcessError> {
    let shutdown = CancellationToken::new();
    let mut signals = Signals::listen().map_err(ProcessError::Signals)?;
    let asked = shutdown.clone();
    tokio::spawn(async move {
        signals.next().await;
        asked.cancel();
        signals.next().await;
        process::exit(INTERRUPTED);
    });
    Ok(shutdown)
}

#[cfg(unix)]
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

#[cfg(windows)]
struct Signals(tokio::signal::windows::CtrlC);

#[cfg(windows)]
impl Signals {
    fn listen() -> io::Result<Self> {
        tokio::signal::windows::ctrl_c().map(Self)
    }

    async fn next(&mut self) {
        self.0.recv().await;
    }
}
