//! Which phase to run, and what its end means.

use std::{env, process::ExitCode};

use optimus_common::protocol::FrameKind;
use rustix::process::{DumpableBehavior, set_dumpable_behavior};

use super::{
    channel::{Outbox, WorkerGone},
    compile, receive, test,
};

/// What `runner.sh` has to do after a phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    GoOn,
    /// The job is done early: the program does not compile.
    Stop,
}

/// The exit code of a phase after which `runner.sh` ends without an error.
const STOP: u8 = 10;

pub(crate) fn main() -> ExitCode {
    let mut outbox = Outbox::new();
    let error = match run(&mut outbox) {
        Ok(Next::GoOn) => return ExitCode::SUCCESS,
        Ok(Next::Stop) => return ExitCode::from(STOP),
        Err(error) => error,
    };
    // Without a worker there is nobody to tell, and nothing went wrong here.
    if !error.is::<WorkerGone>() {
        tell(&mut outbox, &error);
    }
    ExitCode::FAILURE
}

fn run(outbox: &mut Outbox) -> anyhow::Result<Next> {
    // Nothing of the agent's memory, descriptors or environment is open to other UIDs through /proc.
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    let phase = env::args().nth(1);
    match phase.as_deref() {
        Some("receive") => receive::run(outbox),
        Some("compile") => compile::run(outbox),
        Some("test") => test::run(outbox),
        _ => anyhow::bail!("the agent is called with one of: receive, compile, test"),
    }
}

#[expect(clippy::print_stderr, reason = "the agent's diagnostics go to standard error")]
fn tell(outbox: &mut Outbox, error: &anyhow::Error) {
    let reason = format!("{error:#}");
    eprintln!("optimus-runner: {reason}");
    outbox.push(FrameKind::Fault, &[reason.as_bytes()]);
    // A worker that is gone meanwhile needs no explanation.
    let _ = outbox.flush_all();
}
