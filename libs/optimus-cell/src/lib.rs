//! One process tree under limits: spawn, watch, meter, kill.
//!
//! A cell holds one untrusted program with all its processes: the compile step, or one run. There are two ways to tell
//! its processes from others:
//!
//! - In a box that offers [`BoxResources`], each run has namespaces and a control group of its own, which end with it. The
//!   order of what is done is that of `launch_step::LaunchStep`.
//! - In a box that offers none, such as a container, each guest runs under a UID that nothing else in its box has. It
//!   cannot change it, so everything goes by it: whose process a zombie was, whom to kill, whose files to remove.
//!
//! What a guest finds, and the facts about it, are the same. The crate reports facts
//! ([`optimus_common::facts::RunFacts`]) and knows no verdicts.
//!
//! - [`Supervisor`]: a single-threaded reactor over several cells
//! - [`CellFactory`]: what cells are made with
//! - [`Stdin`]: a run's standard input, as a sealed file in memory or as a pipe
//! - [`Guests`], [`GuestId`]: the UIDs of a box
//! - [`become_guest`], [`seal_artefacts`], [`open_artefact`]: what is done to files is done as their owner
//!
//! Linux only; empty elsewhere.
#![cfg(target_os = "linux")]

mod artefact;
mod box_resources;
mod capture;
mod cell;
mod cleanup;
mod command;
mod commands;
mod connections;
mod death;
mod disk_waits;
mod error;
mod filter;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod guest;
mod guest_id;
mod input;
mod isolation;
mod kill;
mod landlock;
mod launch;
mod launch_step;
mod leftovers;
mod meter;
mod namespace_isolation;
mod peak;
mod proc_files;
mod reaper;
mod run;
mod scans;
mod seccomp_notify;
mod signals;
mod supervisor;
mod syscalls;
mod uid_isolation;
mod waited;
mod wall_clock;

pub use artefact::open_artefact;
pub use box_resources::{BoxResources, FIRST_GUEST, GuestUids, Landlock};
pub use cleanup::seal_artefacts;
pub use connections::HIDDEN_COUNTERS;
pub use death::Death;
pub use error::CellError;
pub use guest::{Guests, become_guest};
pub use guest_id::GuestId;
pub use input::{Fed, Input, InputWriter, LiveInput, Stdin};
pub use namespace_isolation::CellFactory;
pub use run::{Event, OutputFlow, Slot, StartResult, StdoutEnd, WorkdirPolicy};
pub use supervisor::Supervisor;
