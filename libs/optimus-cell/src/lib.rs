//! One process tree under limits: spawn, watch, meter, kill.
//!
//! A cell runs one untrusted program under a UID that nothing else in its box has. Everything the agent knows of the
//! program follows from that UID, which the program cannot change: whose process a zombie was, whom to kill, whose
//! files to remove. The crate reports facts ([`optimus_common::facts::RunFacts`]) and knows no verdicts.
//!
//! - [`Supervisor`]: a single-threaded reactor over several cells
//! - [`Input`]: a run's standard input as a sealed file in memory
//! - [`Guests`], [`GuestId`]: the UIDs of a box
//! - [`become_guest`], [`seal_artefacts`]: what is done to files is done as their owner
//!
//! Linux only; empty elsewhere.
#![cfg(target_os = "linux")]

mod capture;
mod cell;
pub mod cgroup;
mod cleanup;
mod command;
mod error;
mod filter;
mod guest;
mod input;
mod kill;
mod landlock;
mod launch;
mod meter;
mod nest;
mod nested;
mod proc_files;
mod reaper;
mod shared;
mod signals;
mod step;
mod supervisor;
mod syscalls;
mod tree;

pub use cleanup::seal_artefacts;
pub use error::CellError;
pub use guest::{GuestId, Guests, become_guest};
pub use input::{Input, InputWriter};
pub use nest::{BYTES_PER_INODE, FIRST_GUEST, GuestUids, Landlock, Nest};
pub use reaper::Death;
pub use supervisor::{Event, Intake, Slot, Start, Supervisor, Workspace};
