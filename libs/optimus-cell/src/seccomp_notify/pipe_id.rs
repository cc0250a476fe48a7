//! Which pipe a descriptor is of.

use std::os::fd::AsFd;

use rustix::fs::fstat;

/// What tells a pipe from all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PipeId {
    device: u64,
    inode: u64,
}

impl PipeId {
    pub(crate) fn of(descriptor: impl AsFd) -> rustix::io::Result<Self> {
        fstat(descriptor).map(|known| Self::from(&known))
    }
}

impl From<&rustix::fs::Stat> for PipeId {
    fn from(known: &rustix::fs::Stat) -> Self {
        Self {
            device: known.st_dev,
            inode: known.st_ino,
        }
    }
}
