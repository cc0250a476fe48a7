//! Programs that try to break out of the box they run in.
//!
//! Which one is told on standard input: a name and then its parameters, a line each. It prints one line: `held` and what
//! was tried, or `broken` and what worked that must not.

mod attempts;
mod outcome;

use std::{
    io::{self, Read},
    process::ExitCode,
    thread,
};

pub(super) use self::outcome::ProbeOutcome;

/// The probes, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Probe {
    Users,
    Uids,
    Root,
    /// Not an attempt: what `Files` looks for in another box. Lives until its box is destroyed.
    Hold,
    Files,
    Devices,
    Processes,
    Network,
    Ipc,
    HostName,
    Memory,
    Fork,
    Spin,
    Capabilities,
    Privileges,
    SystemCalls,
    Landlock,
}

impl Probe {
    const ALL: [(Self, &'static str); 17] = [
        (Self::Users, "users"),
        (Self::Uids, "uids"),
        (Self::Root, "root"),
        (Self::Hold, "hold"),
        (Self::Files, "files"),
        (Self::Devices, "devices"),
        (Self::Processes, "processes"),
        (Self::Network, "network"),
        (Self::Ipc, "ipc"),
        (Self::HostName, "host-name"),
        (Self::Memory, "memory"),
        (Self::Fork, "fork"),
        (Self::Spin, "spin"),
        (Self::Capabilities, "capabilities"),
        (Self::Privileges, "privileges"),
        (Self::SystemCalls, "system-calls"),
        (Self::Landlock, "landlock"),
    ];

    pub(super) fn name(self) -> &'static str {
        Self::ALL[self as usize].1
    }

    fn run(self, parameters: &[&str]) -> io::Result<ProbeOutcome> {
        match self {
            Self::Users => attempts::users(parameters),
            Self::Uids => attempts::uids(),
            Self::Root => attempts::root(parameters),
            Self::Hold => attempts::hold_lock(parameters),
            Self::Files => attempts::lock_of_another_box(parameters),
            Self::Devices => attempts::devices(),
            Self::Processes => attempts::processes(parameters),
            Self::Network => attempts::network(parameters),
            Self::Ipc => attempts::ipc(),
            Self::HostName => attempts::host_name(),
            Self::Memory => attempts::memory(),
            Self::Fork => attempts::fork(),
            Self::Spin => attempts::spin(),
            Self::Capabilities => attempts::capabilities(),
            Self::Privileges => attempts::privileges(),
            Self::SystemCalls => Ok(attempts::system_calls()),
            Self::Landlock => attempts::landlock(),
        }
    }
}

/// The main function of a process that runs in a box to try the box.
#[expect(
    clippy::print_stdout,
    reason = "it is a program of its own, and this is its result"
)]
pub(in super::super) fn main() -> ExitCode {
    let mut input = String::new();
    if io::stdin().read_to_string(&mut input).is_err() {
        return ExitCode::FAILURE;
    }
    let mut lines = input.lines();
    let name = lines.next().unwrap_or_default();
    let Some((probe, _)) = Probe::ALL.iter().find(|(_, known)| *known == name) else {
        return ExitCode::FAILURE;
    };
    match probe.run(&lines.collect::<Vec<_>>()) {
        Ok(ProbeOutcome::Held(detail)) => println!("held {detail}"),
        Ok(ProbeOutcome::Broken(reason)) => println!("broken {reason}"),
        Err(error) => println!("broken it could not be tried: {error}"),
    }
    if matches!(probe, Probe::Hold) {
        loop {
            thread::park();
        }
    }
    ExitCode::SUCCESS
}

/// What a probe has printed.
pub(super) fn parse_outcome(printed: &str) -> Option<ProbeOutcome> {
    let line = printed.lines().next()?;
    let (word, text) = line.split_once(' ')?;
    match word {
        "held" => Some(ProbeOutcome::Held(text.to_owned())),
        "broken" => Some(ProbeOutcome::Broken(text.to_owned())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_canary_has_its_own_name() {
        for (probe, name) in Probe::ALL {
            assert_eq!(probe.name(), name);
        }
    }
}
