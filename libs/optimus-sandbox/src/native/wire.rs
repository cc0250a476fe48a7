//! What a worker and its spawner say to each other: one JSON text in each packet of a Unix socket.
//!
//! The spawner answers every request once, in whatever order they are done.

use std::{
    io::{self, IoSlice, IoSliceMut},
    mem::MaybeUninit,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::PathBuf,
};

use optimus_common::{LanguageName, WorkerId};
use rustix::{
    cmsg_space,
    net::{
        RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
        SendFlags, recvmsg, sendmsg,
    },
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::roots::Root;

/// Longest packet. A root with hundreds of paths fits.
const MAX_PACKET: usize = 64 << 10;

/// Names one request of a connection, and the box it makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct RequestId(pub(super) u64);

/// Names a root that was loaded before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct RootId(pub(super) u32);

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct RequestPacket {
    pub(super) id: RequestId,
    pub(super) request: SpawnerRequest,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum SpawnerRequest {
    /// First, and once.
    Hello(Hello),
    /// Prepares a root, so that boxes can be made of it.
    LoadRoot(LoadRoot),
    /// Gives the memory of a root back when its last box is gone. No box of it is asked for any more.
    ForgetRoot { root: RootId },
    /// Makes a box. With it comes the agent's end of the box's stream.
    CreateBox(CreateBox),
    /// Raises the memory of a box to at least this.
    GrowMemory { of: RequestId, bytes: u64 },
    /// Asks how often a box was held back for its CPU quota.
    CountThrottled { of: RequestId },
    /// Kills a box, made or being made, and removes every trace. Done also where there is none.
    Destroy { of: RequestId },
    /// Removes what is left of workers that are dead and not named here.
    RemoveOrphans { alive: Vec<WorkerId> },
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Hello {
    pub(super) worker: WorkerId,
    pub(super) uid_base: u32,
    /// The setting `native.cgroup`; empty where the spawner chooses.
    pub(super) cgroup: PathBuf,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct LoadRoot {
    pub(super) root: RootId,
    pub(super) language: LanguageName,
    pub(super) from: Root,
    pub(super) support: Support,
    /// The most it may take in memory.
    pub(super) most_bytes: u64,
}

/// How a language's own folder appears in its boxes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) enum Support {
    ReadOnly,
    /// The box that prepares the language writes there.
    Writable,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct CreateBox {
    pub(super) root: RootId,
    pub(super) memory_bytes: u64,
    pub(super) cpus: f64,
    pub(super) processes: u32,
    pub(super) disk_bytes: u64,
    pub(super) compile_disk_bytes: u64,
    pub(super) open_files: u32,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ReplyPacket {
    pub(super) id: RequestId,
    pub(super) reply: SpawnerReply,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum SpawnerReply {
    /// The spawner can make boxes.
    Hello(HostFeatures),
    BoxCreated {
        name: String,
        /// What each step cost, in microseconds.
        steps: Vec<(String, u64)>,
    },
    /// A root can be used.
    RootLoaded(Copied),
    Done,
    Throttled {
        periods: u64,
    },
    Removed {
        boxes: u64,
    },
    Failed {
        reason: String,
    },
}

/// What a root takes.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct Copied {
    pub(super) files: u64,
    pub(super) bytes: u64,
}

/// What the host offers to boxes, as far as the spawner knows without making one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct HostFeatures {
    /// The boxes' cgroups lie here, or the reason why they have none.
    pub(super) cgroups: Result<String, String>,
    /// UIDs of a box's own, or the reason why it has but one.
    pub(super) uids: Result<String, String>,
    /// Whether boxes have device nodes of their own.
    pub(super) own_devices: bool,
}

impl HostFeatures {
    /// Whether there is all that there was in an earlier one.
    pub(super) fn is_no_less_than(&self, earlier: &Self) -> bool {
        self.cgroups.is_ok() >= earlier.cgroups.is_ok()
            && self.uids.is_ok() >= earlier.uids.is_ok()
            && self.own_devices >= earlier.own_devices
    }
}

/// Sends one packet, whole or not at all.
pub(super) fn send(
    socket: impl AsFd,
    message: &impl Serialize,
    descriptor: Option<BorrowedFd<'_>>,
) -> io::Result<()> {
    let packet = serde_json::to_vec(message)?;
    if packet.len() > MAX_PACKET {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "the message is too long",
        ));
    }
    let descriptors: Vec<_> = descriptor.into_iter().collect();
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() {
        control.push(SendAncillaryMessage::ScmRights(&descriptors));
    }
    rustix::io::retry_on_intr(|| {
        sendmsg(
            &socket,
            &[IoSlice::new(&packet)],
            &mut control,
            SendFlags::NOSIGNAL,
        )
    })?;
    Ok(())
}

/// Receives one packet; `None` when the other end is closed.
pub(super) fn receive<T: DeserializeOwned>(socket: impl AsFd) -> io::Result<Option<(T, Option<OwnedFd>)>> {
    let mut packet = vec![0; MAX_PACKET];
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = rustix::io::retry_on_intr(|| {
        recvmsg(
            &socket,
            &mut [IoSliceMut::new(&mut packet)],
            &mut control,
            RecvFlags::CMSG_CLOEXEC,
        )
    })?;
    if received.bytes == 0 {
        return Ok(None);
    }
    let descriptor = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    Ok(Some((
        serde_json::from_slice(&packet[..received.bytes])?,
        descriptor,
    )))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

    use super::*;

    fn sockets() -> (OwnedFd, OwnedFd) {
        socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )
        .unwrap()
    }

    fn destroy(of: u64) -> RequestPacket {
        RequestPacket {
            id: RequestId(7),
            request: SpawnerRequest::Destroy { of: RequestId(of) },
        }
    }

    #[test]
    fn requests_arrive_apart_and_with_their_descriptors() {
        let (ours, theirs) = sockets();
        let (mut read, write) = io::pipe().unwrap();
        send(&ours, &destroy(1), None).unwrap();
        send(&ours, &destroy(2), Some(write.as_fd())).unwrap();
        drop((ours, write));
        let (_, none) = receive::<RequestPacket>(&theirs).unwrap().unwrap();
        assert!(none.is_none());
        let (request, descriptor) = receive::<RequestPacket>(&theirs).unwrap().unwrap();
        assert!(matches!(
            request.request,
            SpawnerRequest::Destroy { of: RequestId(2) }
        ));
        std::fs::File::from(descriptor.unwrap()).write_all(b"x").unwrap();
        let mut passed = String::new();
        read.read_to_string(&mut passed).unwrap();
        assert_eq!(passed, "x");
        assert!(receive::<RequestPacket>(&theirs).unwrap().is_none());
    }

    #[test]
    fn a_message_that_is_too_long_is_not_sent() {
        let (ours, theirs) = sockets();
        let error = send(&ours, &"x".repeat(MAX_PACKET), None).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        drop(ours);
        assert!(receive::<String>(&theirs).unwrap().is_none());
    }
}
