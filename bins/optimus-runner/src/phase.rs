//! Which phase to run, and what its end means.

use std::{env, process::ExitCode};

use anyhow::Context;
use optimus_cell::{BoxResources, CellFactory};
use optimus_common::weaken;
use optimus_protocol::{FrameKind, MAX_CONTROL};
use rustix::{
    io::Errno,
    process::{DumpableBehavior, Pid, WaitOptions, set_dumpable_behavior, waitpid},
};

use crate::{
    channel::{Outbox, WorkerGone},
    compile, hold,
    next::Next,
    receive, test,
};

/// The exit code of a phase after which the box ends without an error.
const STOP: u8 = 10;

type Phase = fn(&mut Outbox, Option<&CellFactory>) -> anyhow::Result<Next>;

/// One phase, named by the first argument: what `runner.sh` calls. Or, in a container beside the boxes, `hold`.
pub fn main() -> ExitCode {
    let (what, how) = (env::args().nth(1), env::args().nth(2));
    let phase: Phase = match what.as_deref() {
        Some("hold") => return hold::main(how.as_deref()),
        Some("receive") => receive::run,
        Some("compile") => compile::run,
        Some("test") => test::run,
        _ => |_, _| anyhow::bail!("the agent is called with one of: receive, compile, test, hold"),
    };
    ExitCode::from(carry_out(phase, None))
}

/// All phases of a native box, with the channel as standard input and output.
///
/// The caller is the box's first process and has one thread. `PATH` of its environment is that of guests; nothing else
/// of it is used.
#[expect(
    clippy::needless_pass_by_value,
    reason = "a box serves one job: its resources are used up"
)]
pub fn in_box(resources: BoxResources) -> ExitCode {
    // Before the job comes: it finds everything ready.
    let cells = match CellFactory::new(&resources) {
        Ok(cells) => cells,
        Err(error) => return ExitCode::from(tell(&mut Outbox::new(), &error.into())),
    };
    // This process becomes the compile step's user, for good. The others leave nothing behind that the next one minds.
    let received = in_child(receive::run, &cells);
    let code = received.unwrap_or_else(|error| tell(&mut Outbox::new(), &error));
    if code != 0 {
        return ExitCode::from(code);
    }
    match carry_out(compile::run, Some(&cells)) {
        0 => ExitCode::from(carry_out(test::run, Some(&cells))),
        STOP => ExitCode::SUCCESS,
        code => ExitCode::from(code),
    }
}

/// Runs a phase in a process of its own and returns its exit code.
fn in_child(phase: Phase, cells: &CellFactory) -> anyhow::Result<u8> {
    let Some(child) = fork().context("cannot fork a phase")? else {
        let code = carry_out(phase, Some(cells));
        // SAFETY: ends the child without running what the caller has registered for its own exit.
        unsafe { libc::_exit(code.into()) }
    };
    let status = loop {
        match waitpid(Some(child), WaitOptions::empty()) {
            Ok(Some((_, status))) => break status,
            Ok(None) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno).context("cannot wait for a phase"),
        }
    };
    let code = status.exit_status().context("a phase was killed")?;
    Ok(u8::try_from(code).unwrap_or(u8::MAX))
}

/// `None` in the child.
fn fork() -> std::io::Result<Option<Pid>> {
    // SAFETY: the agent has one thread, so the child may do whatever the parent might have done.
    match unsafe { libc::fork() } {
        -1 => Err(std::io::Error::last_os_error()),
        child => Ok(Pid::from_raw(child)),
    }
}

/// Runs a phase in this process, tells the worker if it fails, and returns the exit code.
fn carry_out(phase: Phase, cells: Option<&CellFactory>) -> u8 {
    let mut outbox = Outbox::new();
    // Nothing of the agent's memory, descriptors or environment is open to other UIDs through /proc.
    let behavior = if weaken::is_off("dumpable") {
        DumpableBehavior::Dumpable
    } else {
        DumpableBehavior::NotDumpable
    };
    let outcome = set_dumpable_behavior(behavior)
        .context("cannot hide the agent's memory")
        .and_then(|()| phase(&mut outbox, cells));
    match outcome {
        Ok(Next::GoOn) => 0,
        Ok(Next::Stop) => STOP,
        Err(error) => tell(&mut outbox, &error),
    }
}

#[expect(clippy::print_stderr, reason = "the agent's diagnostics go to standard error")]
fn tell(outbox: &mut Outbox, error: &anyhow::Error) -> u8 {
    // Without a worker there is nobody to tell, and nothing went wrong here.
    if !error.is::<WorkerGone>() {
        let reason = format!("{error:#}");
        eprintln!("optimus-runner: {reason}");
        let told = &reason.as_bytes()[..reason.len().min(MAX_CONTROL)];
        outbox.push(FrameKind::Fault, &[told]);
        // A worker that is gone meanwhile needs no explanation.
        let _ = outbox.flush_all();
    }
    1
}
