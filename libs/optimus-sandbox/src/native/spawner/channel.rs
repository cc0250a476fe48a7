//! How the spawner hears its worker, and is heard.

use std::{
    io::{self, Write},
    os::fd::OwnedFd,
};

use rustix::stdio::stdin;

use super::failure::Failure;
use crate::native::wire::{self, ReplyPacket, RequestId, RequestPacket, SpawnerReply};

pub(super) fn receive() -> Result<Option<(RequestPacket, Option<OwnedFd>)>, Failure> {
    match wire::receive(stdin()) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(None),
        received => received.map_err(Failure::at("hear the worker")),
    }
}

pub(super) fn answer(id: RequestId, reply: SpawnerReply) -> Result<(), Failure> {
    match wire::send(stdin(), &ReplyPacket { id, reply }, None) {
        // The worker is gone, which is found out when it is listened to.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
            ) =>
        {
            Ok(())
        }
        sent => sent.map_err(Failure::at("answer the worker")),
    }
}

/// Standard error is read by the worker, which logs it; so is standard output, which all boxes have for their standard
/// error. A worker that is gone reads nothing, and what it left must be
/// removed all the same.
pub(super) fn complain(failure: &Failure) {
    let _ = writeln!(io::stderr(), "{failure}");
}
