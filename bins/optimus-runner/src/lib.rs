//! The agent inside every box.
//!
//! It works in phases:
//!
//! - `receive`: tells that the box is ready, and takes in the files
//! - `compile`: what works in the work directory itself, such as the compile step, until that is sealed
//! - `test`: what has a copy of it, such as every test case, as PID 1
//!
//! The last two are one reactor, `executor`. It executes what the worker asks for and decides nothing.
//!
//! Beside them, `hold` keeps the files of an image in memory, in a container of its own that no job comes to.
//!
//! They hand the job on in `job_state` and speak to the worker through `channel`. A phase reads not one byte more than
//! is its own: the next phase reads from the same descriptor.
//!
//! In a container each is a process of its own, which `runner.sh` starts with [`main`]. In a native box, the process that
//! has become the box's first one calls [`in_box`], which goes through the same phases.
//!
//! # What a box must offer
//!
//! - Standard streams that are pipes or a socket, never a terminal. The worker keeps its end of standard input open
//!   until the box has closed standard output.
//! - A read-only root; `/box`, `/tmp` and `/dev/shm` as tmpfs of mode 1777, `nosuid,nodev`, with a limit on inodes, the
//!   first two executable; `/run/optimus` as tmpfs of mode 0700. Nothing else that guests could write to.
//! - `/proc` of its own PID namespace, without `hidepid`.
//! - No network but loopback, an IPC namespace of its own, no limit on processes by `RLIMIT_NPROC`.
//!
//! A container beside that:
//!
//! - `runner.sh` and this program in one folder, started as root and PID 1 of a PID namespace, with the capabilities
//!   SETUID, SETGID and KILL and no others, and `no_new_privs`.
//! - A cgroup of the box's own with a limit on memory, above that of a run, and on processes; visible read-only below
//!   `/sys/fs/cgroup` (without it, runs are measured by UID alone).
//!
//! A native box beside that:
//!
//! - [`in_box`] called by PID 1, which has one thread, is root of a user namespace that owns the box's mount namespace
//!   or one below its owner, and has [`BoxResources::CAPABILITIES`] in it.
//! - `/proc` whole, with nothing mounted below it: the kernel lets no cell have its own otherwise.
//! - What [`BoxResources`] says.
#![cfg(target_os = "linux")]

mod artefacts;
mod channel;
mod compile;
mod executor;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod going;
mod hold;
mod inbox;
mod job_state;
mod live_input;
mod next;
mod phase;
mod receive;
mod test;

pub use optimus_cell::BoxResources;
pub use phase::{in_box, main};
