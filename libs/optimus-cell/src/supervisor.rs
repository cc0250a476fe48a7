//! The reactor: several cells, one thread, one `poll`.

use std::{
    io,
    mem::MaybeUninit,
    os::fd::{FromRawFd, OwnedFd},
    ptr,
    rc::Rc,
    time::{Duration, Instant},
};

use optimus_protocol::{CHUNK, CommandSpec};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
};

use crate::{
    cell::{Cell, RETRY, TurnContext},
    error::CellError,
    filter::Filter,
    guest_id::GuestId,
    input::Stdin,
    isolation::Isolation,
    landlock,
    launch::Restrictions,
    leftovers::Leftovers,
    meter::Pace,
    namespace_isolation::{CellFactory, NamespaceIsolation},
    reaper,
    run::{Event, OutputFlow, Slot, StartResult, StdoutEnd, WorkdirPolicy},
    signals::Signals,
    uid_isolation::UidIsolation,
};
use optimus_linux::process::LONGEST_DYING;

/// Runs programs in slots, and keeps each to its limits.
///
/// The process that owns it must have one thread, and be root in its box; it reaps every child of the process.
///
/// - With a [`CellFactory`], each run has a cell of its own. What the box must offer is said at
///   [`BoxResources`](crate::BoxResources).
/// - Without, runs are told apart by their guests' UIDs. The process needs the capabilities SETUID, SETGID and KILL, and
///   must be PID 1 or a child subreaper, so that orphans come to it.
#[derive(Debug)]
pub struct Supervisor {
    /// Readable when a child has died. SIGCHLD is blocked.
    child_signals: OwnedFd,
    cells: Vec<Cell>,
    isolation: Box<dyn Isolation>,
    restrictions: Rc<Restrictions>,
    pace: Pace,
    buffer: Vec<u8>,
    /// Whether more dead children may be waiting than one turn takes.
    backlog: Backlog,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Backlog {
    None,
    Perhaps,
}

/// Dead children waited for in one turn. A guest that forks without end must not keep the clocks from being looked at.
const MOST_REAPED: usize = 256;

impl Supervisor {
    /// One slot for each guest. What lies in the folders that guests may write to stays.
    pub fn new(
        guests: &[GuestId],
        workdir: WorkdirPolicy,
        factory: Option<&CellFactory>,
    ) -> Result<Self, CellError> {
        let (isolation, restrictions): (Box<dyn Isolation>, _) = match factory {
            Some(factory) => (
                Box::new(NamespaceIsolation::new(factory, workdir)?),
                Rc::clone(&factory.restrictions),
            ),
            None => (
                Box::new(UidIsolation::new(guests, workdir)?),
                Rc::new(Restrictions {
                    filter: Filter::for_guests(),
                    // A container engine was asked for none, so a kernel without it is no failure.
                    landlock: landlock::Ruleset::of_this_kernel(),
                    reading: landlock::Reading::of_this_box().map_err(|source| CellError::System {
                        operation: "make rules for what guests read",
                        source,
                    })?,
                    signals: Signals::of_this_process(),
                }),
            ),
        };
        Ok(Self {
            child_signals: child_signals()?,
            cells: guests
                .iter()
                .enumerate()
                .map(|(slot, guest)| Cell::new(Slot(slot), *guest))
                .collect(),
            pace: isolation.pace(),
            isolation,
            restrictions,
            buffer: vec![0; CHUNK],
            backlog: Backlog::None,
        })
    }

    /// All of them, in the order of their guests.
    pub fn slots(&self) -> impl Iterator<Item = Slot> + use<> {
        (0..self.cells.len()).map(Slot)
    }

    pub fn free_slot(&self) -> Option<Slot> {
        self.cells.iter().position(Cell::is_free).map(Slot)
    }

    /// Whether every slot is free.
    pub fn is_idle(&self) -> bool {
        self.cells.iter().all(Cell::is_free)
    }

    /// Starts a run in a free slot.
    pub fn start(
        &mut self,
        slot: Slot,
        command: &CommandSpec,
        stdin: Stdin<'_>,
        stdout_end: StdoutEnd,
    ) -> Result<StartResult, CellError> {
        self.cells[slot.0].start(
            command,
            stdin,
            stdout_end,
            &*self.isolation,
            &self.restrictions,
            self.pace,
        )
    }

    /// Whether more of the standard output of what goes on in this slot can be taken: to hold back one program, and not the
    /// others. Its wall clock goes on. What starts there next is read.
    pub fn set_stdout_flow(&mut self, slot: Slot, flow: OutputFlow) {
        self.cells[slot.0].set_stdout_flow(flow);
    }

    /// Has the run in this slot, if there is one that goes on, killed in the next turn. Its facts come as those of any other.
    pub fn stop(&mut self, slot: Slot) {
        self.cells[slot.0].stop();
    }

    /// Waits until a run or one of the `others` needs attention. The `others` tell by their `revents`.
    pub fn wait<'a>(
        &'a self,
        others: &mut Vec<PollFd<'a>>,
        output_flow: OutputFlow,
    ) -> Result<(), CellError> {
        if self.is_idle() {
            self.isolation.rest();
        }
        let count = others.len();
        others.push(PollFd::new(&self.child_signals, PollFlags::IN));
        let listeners = self.cells.iter().filter_map(Cell::listener);
        others.extend(listeners.map(|listener| PollFd::from_borrowed_fd(listener, PollFlags::IN)));
        if output_flow == OutputFlow::Reading {
            let streams = self.cells.iter().flat_map(Cell::pollable);
            others.extend(streams.map(|stream| PollFd::from_borrowed_fd(stream, PollFlags::IN)));
        }
        let due = self.cells.iter().filter_map(|cell| cell.due(output_flow)).min();
        let timeout = match self.backlog {
            Backlog::None => due.map(|due| due.saturating_duration_since(Instant::now())),
            Backlog::Perhaps => Some(Duration::ZERO),
        };
        let timeout = timeout.map(timespec);
        let outcome = poll(others, timeout.as_ref());
        others.truncate(count);
        match outcome {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(errno) => Err(CellError::system("wait for events")(errno)),
        }
    }

    /// Carries every run as far as it goes without waiting. Where nothing is read of the whole box, every wall clock stands still.
    pub fn advance(
        &mut self,
        output_flow: OutputFlow,
        emit: &mut dyn FnMut(Event<'_>),
    ) -> Result<(), CellError> {
        self.reap()?;
        for cell in &mut self.cells {
            let mut context = TurnContext {
                pace: self.pace,
                output_flow,
                stdout_flow: cell.stdout_flow(),
                buffer: &mut self.buffer,
                emit,
            };
            cell.turn(&mut context)?;
        }
        Ok(())
    }

    fn reap(&mut self) -> Result<(), CellError> {
        // Signals of one kind merge: at most one is pending, and it may stand for many deaths. Take it before looking.
        let mut signals = [0; size_of::<libc::signalfd_siginfo>()];
        let _ = rustix::io::read(&self.child_signals, &mut signals);
        for _ in 0..MOST_REAPED {
            let first = |pid| self.cells.iter().any(|cell| cell.is_first(pid));
            let Some(process) = reaper::reap(first)? else {
                self.backlog = Backlog::None;
                return Ok(());
            };
            // The first process by its id, which is certain even before it has the guest's UID; the others by UID.
            let _ = self.cells.iter_mut().any(|cell| cell.reaped(&process));
        }
        self.backlog = Backlog::Perhaps;
        Ok(())
    }
}

/// What goes on is killed: what remains of the agent, such as the removal of control groups, must not wait for programs that nobody
/// ends. What cannot be killed in time goes with the box.
impl Drop for Supervisor {
    fn drop(&mut self) {
        let deadline = Instant::now() + LONGEST_DYING;
        while self.reap().is_ok() && Instant::now() < deadline {
            // All of them are killed before any is waited for.
            let left: Vec<_> = self.cells.iter_mut().map(Cell::abandon).collect();
            if !left.contains(&Leftovers::Some) {
                return;
            }
            let mut deaths = [PollFd::new(&self.child_signals, PollFlags::IN)];
            // Orphans of a guest may come one by one.
            let _ = poll(&mut deaths, Some(&timespec(RETRY)));
        }
    }
}

fn child_signals() -> Result<OwnedFd, CellError> {
    let failed = |source| CellError::System {
        operation: "listen to the deaths of children",
        source,
    };
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: `sigemptyset` makes the set valid before anything else uses it; the descriptor is new and owned.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigaddset(set.as_mut_ptr(), libc::SIGCHLD);
        if libc::sigprocmask(libc::SIG_BLOCK, set.as_ptr(), ptr::null_mut()) == -1 {
            return Err(failed(io::Error::last_os_error()));
        }
        let descriptor = libc::signalfd(-1, set.as_ptr(), libc::SFD_CLOEXEC | libc::SFD_NONBLOCK);
        if descriptor == -1 {
            return Err(failed(io::Error::last_os_error()));
        }
        Ok(OwnedFd::from_raw_fd(descriptor))
    }
}

fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: duration.subsec_nanos().into(),
    }
}
