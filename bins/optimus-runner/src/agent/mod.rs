//! The phases of a box, each a process of its own that `runner.sh` starts:
//!
//! - [`receive`]: tells that the box is ready, and takes in the job and its files
//! - [`compile`]: the compile step, once
//! - [`mod@test`]: every test case, as PID 1
//!
//! They hand the job on in [`job_state`] and speak to the worker through [`channel`]. A phase reads not one byte more
//! than is its own: the next phase reads from the same descriptor.
//!
//! # What a box must offer
//!
//! - `runner.sh` and this program in one folder, started as root and PID 1 of a PID namespace, with the capabilities
//!   SETUID, SETGID and KILL and no others, `no_new_privs`, and pipes or a socket (never a terminal) as standard
//!   streams. The worker keeps its end of standard input open until the box has closed standard output.
//! - A read-only root; `/box`, `/tmp` and `/dev/shm` as tmpfs of mode 1777, `nosuid,nodev`, with a limit on inodes, the
//!   first two executable; `/run/optimus` as tmpfs of mode 0700. Nothing else that guests could write to.
//! - `/proc` of that PID namespace, without `hidepid`. A cgroup of the box's own with a limit on memory, above that of
//!   a run, and on processes; visible read-only below `/sys/fs/cgroup` (without it, runs are measured by UID alone).
//! - No network but loopback, an IPC namespace of its own, no limit on processes by `RLIMIT_NPROC`.

mod channel;
mod compile;
mod inbox;
mod job_state;
mod phase;
mod receive;
mod test;

pub(crate) use phase::main;
