//! The steps of a box's first process, and what it reports of them to the spawner.

use std::{
    ffi::CString,
    io,
    os::fd::{BorrowedFd, OwnedFd},
    time::Instant,
};

use rustix::net::{SendFlags, send};

/// The steps of a box's first process, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(in super::super) enum SetupStep {
    /// Everything from here on counts against the box's limits.
    ControlGroup,
    /// A network with a loopback and nothing else.
    Network,
    /// The channel as standard input and output; every other descriptor is closed.
    Descriptors,
    /// No terminal, and no process group shared with anything.
    Session,
    OomScore,
    Limits,
    /// The root and what is shown of the host, each a read-only overlay of its own; no devices, no setuid programs.
    Root,
    Folders,
    /// Null, zero, full, random, urandom.
    Devices,
    /// The work directory and the agent's own folder, of limited size.
    Scratch,
    /// It shows the box's own processes only.
    Proc,
    /// The old root is out of reach.
    Pivot,
    Hostname,
    /// The box's root is nobody outside.
    UserNamespace,
    /// Root of the box, without supplementary groups.
    Identity,
    /// Few are left, none of which reaches outside of the box's user namespace.
    Capabilities,
    NoNewPrivileges,
    /// Memory and descriptors of the agent are closed to `/proc` and ptrace.
    Undumpable,
    /// Dies with the spawner. After the change of UID, which clears it.
    ParentDeath,
}

impl SetupStep {
    const ALL: [(Self, &'static str); 19] = [
        (Self::ControlGroup, "enter its control group"),
        (Self::Network, "enter its network namespace"),
        (Self::Descriptors, "arrange file descriptors"),
        (Self::Session, "start a session"),
        (Self::OomScore, "features the box to the OOM killer"),
        (Self::Limits, "set resource limits"),
        (Self::Root, "mount its root"),
        (Self::Folders, "mount what it sees of the host"),
        (Self::Devices, "mount its devices"),
        (Self::Scratch, "mount what is writable"),
        (Self::Proc, "mount /proc"),
        (Self::Pivot, "change the root"),
        (Self::Hostname, "set the host name"),
        (Self::UserNamespace, "make a user namespace"),
        (Self::Identity, "become the box's root"),
        (Self::Capabilities, "drop capabilities"),
        (Self::NoNewPrivileges, "forbid new privileges"),
        (Self::Undumpable, "hide the agent's memory"),
        (Self::ParentDeath, "tie the box to the spawner"),
    ];

    fn text(number: usize) -> &'static str {
        Self::ALL.get(number).map_or("go on", |(_, text)| text)
    }
}

/// What a starting box reports.
#[derive(Debug)]
pub(in super::super) enum InitMessage {
    /// It waits for the maps of its user namespace.
    MapMe,
    /// The agent is about to run. What each step has cost, in microseconds.
    Ready(Vec<(String, u64)>),
    Failed(String),
}

/// Sends the spawner one packet. Fails where it is gone.
pub(super) fn tell(reports: &OwnedFd, packet: &[u8]) -> io::Result<()> {
    rustix::io::retry_on_intr(|| send(reports, packet, SendFlags::NOSIGNAL))?;
    Ok(())
}

/// What a starting box has come to say; `None` when it ended without a word.
pub(in super::super) fn hear(reports: BorrowedFd<'_>) -> io::Result<Option<InitMessage>> {
    let mut packet = [0; 1024];
    let length = rustix::io::retry_on_intr(|| rustix::io::read(reports, &mut packet))?;
    Ok(Some(match packet[..length] {
        [] => return Ok(None),
        [b'M', ..] => InitMessage::MapMe,
        [b'R', ref times @ ..] => {
            let times = times.chunks_exact(5).map(|entry| {
                let micros = u32::from_ne_bytes([entry[1], entry[2], entry[3], entry[4]]);
                (SetupStep::text(usize::from(entry[0])).to_owned(), micros.into())
            });
            InitMessage::Ready(times.collect())
        }
        [_, ref text @ ..] => InitMessage::Failed(String::from_utf8_lossy(text).into_owned()),
    }))
}

/// Lets a starting box that waits for its maps go on.
pub(in super::super) fn go_on(reports: &OwnedFd) -> io::Result<()> {
    tell(reports, b"G")
}

/// Which steps are done, and what they cost.
pub(super) struct SetupLog {
    last: Instant,
    /// Microseconds of each step that is done, in order.
    micros: Vec<u32>,
    /// Within the current step.
    subject: String,
}

impl SetupLog {
    pub(super) fn new() -> Self {
        Self {
            last: Instant::now(),
            micros: Vec::with_capacity(SetupStep::ALL.len()),
            subject: String::new(),
        }
    }

    /// What the next step is about, in case it fails.
    pub(super) fn about(&mut self, subject: &CString) {
        self.subject = subject.to_string_lossy().into_owned();
    }

    pub(super) fn done(&mut self, step: SetupStep) {
        debug_assert_eq!(self.micros.len(), step as usize);
        let now = Instant::now();
        let micros = (now - self.last).as_micros();
        self.micros.push(u32::try_from(micros).unwrap_or(u32::MAX));
        self.last = now;
        self.subject.clear();
    }

    /// The packet that says that every step is done.
    pub(super) fn ready(&self) -> Vec<u8> {
        let mut packet = vec![b'R'];
        for (step, micros) in (0..).zip(&self.micros) {
            packet.push(step);
            packet.extend(micros.to_ne_bytes());
        }
        packet
    }

    /// Why the step after the last one that is done has failed.
    pub(super) fn describe(&self, error: &io::Error) -> String {
        let step = SetupStep::text(self.micros.len());
        match self.subject.as_str() {
            "" => format!("cannot {step}: {error}"),
            subject => format!("cannot {step} ({subject}): {error}"),
        }
    }
}
