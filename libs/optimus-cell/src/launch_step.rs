//! The steps of a launch, in their order, and how a step that failed is reported.
//!
//! The order is part of the sandbox. Steps of the cell are done by its first process, only where runs have cells of
//! their own; steps of the guest by the process that becomes the guest's program.

use std::{
    io,
    io::{IoSlice, IoSliceMut},
    mem::MaybeUninit,
    os::fd::{AsFd, OwnedFd},
};

use rustix::{
    io::Errno,
    net::{
        AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
        SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
    },
};

use crate::error::CellError;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum LaunchStep {
    // Of the cell.
    /// Where the kernel cannot make a process inside a group, it moves itself there before it does anything else.
    Group,
    /// Dies with the agent, and all of its cell with it.
    AgentDeath,
    /// The path of the cell's group is nobody's business in the cell.
    CgroupNamespace,
    /// A network of its own, where the box's has been used or is in use.
    Network,
    /// Only standard input, output and error are left. Of the guest where there is no cell.
    Descriptors,
    /// Nothing blocked, nothing ignored and nothing handled: Rust ignores SIGPIPE, which would outlive `exec`, and handles
    /// SIGSEGV, which the first process of a cell must not. Of the guest where there is no cell.
    Signals,
    /// Nothing mounted here is seen elsewhere.
    PrivateMounts,
    /// What the phases of the agent tell each other.
    AgentFolder,
    /// A root in which nobody has looked for anything, where a run has had the box's.
    Root,
    /// The folder of artefacts, which a run can cover but not change.
    WorkDirectory,
    Temporary,
    SharedMemory,
    /// A `/proc` that shows the cell's PID namespace.
    Proc,
    Fork,
    // Of the guest.
    /// A session of its own: no terminal, no process group shared with the agent.
    Session,
    /// First to die when memory runs out.
    OomScore,
    Limits,
    EnterWorkDirectory,
    /// Supplementary groups, GID, UID and capabilities, for good.
    Identity,
    /// Dies with its parent. After the change of UID, which clears it.
    ParentDeath,
    NoNewPrivileges,
    /// After all that it forbids, and after the promise to gain no privileges, without which it takes some.
    Landlock,
    /// Last: the steps before need the calls that it refuses.
    Filter,
    Exec,
}

const ALL: [(LaunchStep, &str); 24] = [
    (LaunchStep::Group, "enter the cell's control group"),
    (LaunchStep::AgentDeath, "tie the cell to the agent"),
    (LaunchStep::CgroupNamespace, "make a cgroup namespace"),
    (LaunchStep::Network, "make a network namespace with a loopback"),
    (LaunchStep::Descriptors, "arrange file descriptors"),
    (LaunchStep::Signals, "reset signals"),
    (LaunchStep::PrivateMounts, "keep mounts to the cell"),
    (LaunchStep::AgentFolder, "hide the agent's folder"),
    (LaunchStep::Root, "make a root of its own"),
    (
        LaunchStep::WorkDirectory,
        "mount an overlay over the work directory (in a user namespace it takes Linux 5.11, and BoxResources::CAPABILITIES)",
    ),
    (LaunchStep::Temporary, "mount /tmp"),
    (LaunchStep::SharedMemory, "mount /dev/shm"),
    (
        LaunchStep::Proc,
        "mount /proc (in a user namespace the box's own must be whole)",
    ),
    (LaunchStep::Fork, "fork the program's process"),
    (LaunchStep::Session, "start a session"),
    (LaunchStep::OomScore, "offer the process to the OOM killer"),
    (LaunchStep::Limits, "set resource limits"),
    (LaunchStep::EnterWorkDirectory, "enter the work directory"),
    (LaunchStep::Identity, "change to the guest's UID"),
    (LaunchStep::ParentDeath, "tie the process to its parent"),
    (LaunchStep::NoNewPrivileges, "forbid new privileges"),
    (LaunchStep::Landlock, "restrict the process with Landlock"),
    (LaunchStep::Filter, "install the system call filter"),
    (LaunchStep::Exec, "execute the program"),
];

/// A step that failed, and why.
pub(crate) type StepFailure = (LaunchStep, Errno);

/// Says at which step an error came, for `map_err`.
pub(crate) fn at(step: LaunchStep) -> impl Fn(Errno) -> StepFailure {
    move |errno| (step, errno)
}

/// The end of a launch that the agent holds.
#[derive(Debug)]
pub(crate) struct LaunchReport(OwnedFd);

/// How a launch went.
#[derive(Debug)]
pub(crate) enum LaunchOutcome {
    /// The program runs, and asks there, if it can ask.
    Running(Option<OwnedFd>),
    /// The program cannot be executed. The command's own fault.
    NotExecutable(io::Error),
    /// The box has as many processes as it may.
    Crowded,
}

impl LaunchReport {
    /// The other end goes to the new process, and closes when that executes its program or dies.
    pub(crate) fn new() -> Result<(Self, OwnedFd), CellError> {
        socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )
        .map(|(report, writer)| (Self(report), writer))
        .map_err(CellError::system("make a socket for the launch"))
    }

    /// Waits until the program runs or a step has failed. All other holders of the writing end must be gone.
    pub(crate) fn outcome(&self) -> Result<LaunchOutcome, CellError> {
        let mut listener = None;
        let message = loop {
            let (message, length, descriptor) = rustix::io::retry_on_intr(|| receive(&self.0))
                .map_err(CellError::system("learn how a launch went"))?;
            match length {
                0 => return Ok(LaunchOutcome::Running(listener)),
                LISTENER => listener = descriptor,
                _ => break message,
            }
        };
        let [step, errno @ ..] = message;
        let source = io::Error::from_raw_os_error(i32::from_ne_bytes(errno));
        let (step, text) = ALL[usize::from(step).min(ALL.len() - 1)];
        match (step, source.raw_os_error()) {
            (LaunchStep::Fork, Some(libc::EAGAIN)) => Ok(LaunchOutcome::Crowded),
            // The kernel being out of something is nothing the program has done.
            (LaunchStep::Exec, Some(libc::EAGAIN | libc::EMFILE | libc::ENFILE)) => {
                Err(CellError::Setup { step: text, source })
            }
            (LaunchStep::Exec, _) => Ok(LaunchOutcome::NotExecutable(source)),
            _ => Err(CellError::Setup { step: text, source }),
        }
    }
}

/// Tells the agent of a failure. Allocates nothing.
pub(crate) fn report(to: impl AsFd, (step, errno): StepFailure) {
    let [a, b, c, d] = errno.raw_os_error().to_ne_bytes();
    // The write can fail only if the agent is gone, and then so is this process.
    let _ = rustix::io::write(to, &[step as u8, a, b, c, d]);
}

/// Bytes of a message that brings a descriptor; others are longer.
const LISTENER: usize = 1;

/// Hands the agent what the process' program will ask through. Allocates nothing.
pub(crate) fn hand_over(to: impl AsFd, listener: &OwnedFd) -> rustix::io::Result<()> {
    let descriptors = [listener.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
    sendmsg(
        to,
        &[IoSlice::new(&[0; LISTENER])],
        &mut ancillary,
        SendFlags::NOSIGNAL,
    )
    .map(|_| ())
}

fn receive(from: &OwnedFd) -> rustix::io::Result<([u8; 5], usize, Option<OwnedFd>)> {
    let mut message = [0; 5];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let received = recvmsg(
        from,
        &mut [IoSliceMut::new(&mut message)],
        &mut ancillary,
        RecvFlags::CMSG_CLOEXEC,
    )?;
    let descriptor = ancillary.drain().find_map(|part| match part {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    Ok((message, received.bytes, descriptor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_has_its_own_words() {
        for (index, (step, _)) in ALL.iter().enumerate() {
            assert_eq!(*step as usize, index);
        }
    }

    fn told(failure: StepFailure) -> Result<LaunchOutcome, CellError> {
        let (reader, writer) = LaunchReport::new().unwrap();
        report(&writer, failure);
        reader.outcome()
    }

    #[test]
    fn whose_fault_a_failure_is_depends_on_its_step_and_reason() {
        assert!(matches!(
            told((LaunchStep::Exec, Errno::NOENT)),
            Ok(LaunchOutcome::NotExecutable(_))
        ));
        assert!(matches!(
            told((LaunchStep::Fork, Errno::AGAIN)),
            Ok(LaunchOutcome::Crowded)
        ));
        for ours in [
            (LaunchStep::Exec, Errno::MFILE),
            (LaunchStep::Filter, Errno::NOSYS),
            (LaunchStep::Fork, Errno::NOMEM),
        ] {
            assert!(told(ours).is_err(), "{ours:?}");
        }
        let error = told((LaunchStep::WorkDirectory, Errno::PERM)).unwrap_err();
        assert!(error.to_string().contains("overlay"), "{error}");
        let (reader, writer) = LaunchReport::new().unwrap();
        drop(writer);
        assert!(matches!(reader.outcome(), Ok(LaunchOutcome::Running(None))));
    }

    #[test]
    fn a_descriptor_may_come_before_either_end() {
        let (reader, writer) = LaunchReport::new().unwrap();
        let (mut theirs, ours) = std::io::pipe().unwrap();
        hand_over(&writer, &ours.into()).unwrap();
        drop(writer);
        let Ok(LaunchOutcome::Running(Some(listener))) = reader.outcome() else {
            panic!("no descriptor came");
        };
        rustix::io::write(&listener, b"x").unwrap();
        std::io::Read::read_exact(&mut theirs, &mut [0]).unwrap();
        let (reader, writer) = LaunchReport::new().unwrap();
        hand_over(&writer, &listener).unwrap();
        report(&writer, (LaunchStep::Exec, Errno::NOENT));
        assert!(matches!(reader.outcome(), Ok(LaunchOutcome::NotExecutable(_))));
    }
}
