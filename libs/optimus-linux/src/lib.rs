//! What the kernel offers to keep programs apart, for those who decide what is kept apart.
//!
//! Each system call that two of them need stands here once, as do the formats that go with it. Which programs may do what is
//! said above: by cells for their guests, by the spawner for its boxes.
//!
//! - [`cgroup`]: control groups of both versions
//! - [`process`]: `clone3`, `unshare`, `close_range`
//! - [`seccomp`]: from rules to a filter of system calls
//! - [`landlock`]: its rulesets
//! - [`network`] and [`source_ports`]: a network namespace of guests, and the ports of their connections
//! - [`proc_view`]: what is to be seen of `/proc`, data for every system
//!
//! All but the last is there on Linux only.

#[cfg(target_os = "linux")]
pub mod cgroup;
#[cfg(target_os = "linux")]
pub mod landlock;
#[cfg(target_os = "linux")]
pub mod network;
pub mod proc_view;
#[cfg(target_os = "linux")]
pub mod process;
#[cfg(target_os = "linux")]
pub mod seccomp;
#[cfg(target_os = "linux")]
pub mod source_ports;
