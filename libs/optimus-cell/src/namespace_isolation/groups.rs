//! Control groups of cells.
//!
//! A group is one run's alone, and empty before and after: its runs' namespaces are gone with everybody in them. Another
//! run gets it as it is, since making and removing one takes the kernel a quarter of a millisecond; what it has
//! counted until then is subtracted. Memory cannot be subtracted, as the kernel may take some of it back meanwhile: a
//! group that is still charged with what an earlier run has made the kernel keep rests until that is less, and one that is
//! charged with files goes.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    io,
    os::fd::BorrowedFd,
    rc::Rc,
    thread,
    time::{Duration, Instant},
};

use optimus_common::{limits::Limits, weaken};

use crate::{
    error::CellError,
    peak::{Peak, ResidualCharge},
};
use optimus_linux::cgroup::{Counters, Group, Removal};

/// What the kernel's own limit allows a cell beyond twice its run's. The run's limit is of its processes and files, and
/// is found exceeded by a sample, which names who is to blame; the kernel's limit counts the page cache and the kernel's
/// own memory too, and is for what grows faster than it is looked at.
const MEMORY_BESIDE: u64 = 64 << 20;

/// Groups that rest while others are used. What the kernel keeps for a run that has ended, such as its network, it keeps for
/// some ten milliseconds.
const MOST_AT_REST: usize = 4;

/// How long the agent tries to remove groups in which nobody is any more, at the end of its box.
const LONGEST_REMOVAL: Duration = Duration::from_secs(10);

/// The groups of a box's cells.
#[derive(Debug)]
pub(crate) struct CellGroups {
    parent: Group,
    /// Groups in which nothing runs, those that have been idle longest first.
    idle: RefCell<VecDeque<CellGroup>>,
    made: Cell<u32>,
}

#[derive(Debug)]
struct CellGroup {
    name: String,
    group: Group,
    counters: Counters,
    memory: u64,
    processes: u32,
}

/// The group of one run, and what it had counted before.
#[derive(Debug)]
pub(super) struct GroupLease {
    /// There until the lease ends.
    group: Option<CellGroup>,
    groups: Rc<CellGroups>,
    peak: Peak,
    cpu_before: Duration,
    oom_kills_before: u64,
    process_limit_hits_before: u64,
}

impl CellGroups {
    /// Makes the first one, and others when they are wanted.
    pub(crate) fn below(group: &Group) -> Result<Self, CellError> {
        let groups = Self {
            parent: group.of_runs().map_err(CellError::group("hold"))?,
            idle: RefCell::default(),
            made: Cell::default(),
        };
        let first = groups.make().map_err(CellError::group("make"))?;
        groups.idle.borrow_mut().push_back(first);
        Ok(groups)
    }

    fn make(&self) -> io::Result<CellGroup> {
        let number = self.made.get();
        self.made.set(number + 1);
        let name = name(number);
        let group = self.parent.create(&name)?;
        let counters = group.counters()?;
        Ok(CellGroup {
            name,
            group,
            counters,
            memory: 0,
            processes: 0,
        })
    }

    /// A group that is charged with next to nothing, and the highest memory of its next run.
    fn take(&self, limits: &Limits) -> Result<(CellGroup, Peak), CellError> {
        let mut idle = self.idle.borrow_mut();
        for _ in 0..idle.len() {
            let Some(group) = idle.pop_front() else {
                break;
            };
            let peak = Peak::start(&group.counters, limits)?;
            match peak.residual_charge() {
                ResidualCharge::None => return Ok((group, peak)),
                ResidualCharge::Kernel if idle.len() < MOST_AT_REST => idle.push_back(group),
                // What cannot be removed yet goes with the others.
                ResidualCharge::Kernel | ResidualCharge::Permanent => {
                    let _ = self.parent.remove(&group.name);
                }
            }
        }
        let group = self.make().map_err(CellError::group("make"))?;
        let peak = Peak::start(&group.counters, limits)?;
        Ok((group, peak))
    }
}

fn name(number: u32) -> String {
    format!("cell-{number}")
}

impl CellGroup {
    fn limit(&mut self, limits: &Limits) -> io::Result<()> {
        if self.memory != limits.memory_bytes && !weaken::is_off("cgroup-memory") {
            let most = limits
                .memory_bytes
                .saturating_mul(2)
                .saturating_add(MEMORY_BESIDE);
            self.group.set_memory(most)?;
            self.memory = limits.memory_bytes;
        }
        if self.processes != limits.processes && !weaken::is_off("cgroup-pids") {
            // The cell's first process is none of the guest's.
            self.group.set_processes(u64::from(limits.processes) + 1)?;
            self.processes = limits.processes;
        }
        Ok(())
    }
}

impl Drop for CellGroups {
    fn drop(&mut self) {
        self.idle.get_mut().clear();
        let deadline = Instant::now() + LONGEST_REMOVAL;
        for number in 0..self.made.get() {
            // Nobody is in it, but the kernel may have something left to do. What cannot be removed goes with the box.
            while let Ok(Removal::Busy) = self.parent.remove(&name(number)) {
                if Instant::now() > deadline {
                    return;
                }
                thread::yield_now();
            }
        }
    }
}

impl GroupLease {
    pub(super) fn new(groups: &Rc<CellGroups>, limits: &Limits) -> Result<Self, CellError> {
        let (mut group, peak) = groups.take(limits)?;
        group.limit(limits).map_err(CellError::group("limit"))?;
        let mut lease = Self {
            peak,
            group: Some(group),
            groups: Rc::clone(groups),
            cpu_before: Duration::ZERO,
            oom_kills_before: 0,
            process_limit_hits_before: 0,
        };
        lease.cpu_before = lease.cpu()?;
        lease.oom_kills_before = lease.oom_kills()?;
        lease.process_limit_hits_before = lease.process_limit_hits()?;
        Ok(lease)
    }

    fn cell(&self) -> &CellGroup {
        held(self.group.as_ref())
    }

    /// The group itself, where a process has to enter it.
    pub(super) fn to_enter(&self) -> Option<&Group> {
        let group = &self.cell().group;
        group.clone_into_fd().is_none().then_some(group)
    }

    /// The folder to make a process in, where the kernel can.
    pub(super) fn to_be_made_in(&self) -> Option<BorrowedFd<'_>> {
        self.cell().group.clone_into_fd()
    }

    fn counters(&self) -> &Counters {
        &self.cell().counters
    }

    pub(super) fn processes(&self) -> Result<Vec<i32>, CellError> {
        self.cell().group.processes().map_err(CellError::group("list"))
    }

    pub(super) fn cpu(&self) -> Result<Duration, CellError> {
        let now = self.counters().cpu().map_err(CellError::counter("CPU time"))?;
        Ok(now.saturating_sub(self.cpu_before))
    }

    pub(super) fn memory_bytes(&mut self) -> Result<u64, CellError> {
        let Self { group, peak, .. } = self;
        peak.update(&held(group.as_ref()).counters)
    }

    pub(super) fn knows_highest_memory(&self) -> bool {
        self.peak.is_known()
    }

    /// The highest memory at any moment of the run, where the kernel tells.
    pub(super) fn highest_memory_bytes(&mut self) -> Result<Option<u64>, CellError> {
        let Self { group, peak, .. } = self;
        peak.highest(&held(group.as_ref()).counters)
    }

    pub(super) fn oom_kills(&self) -> Result<u64, CellError> {
        let now = self.counters().oom_kills();
        let now = now.map_err(CellError::counter("OOM kills"))?;
        Ok(now.saturating_sub(self.oom_kills_before))
    }

    pub(super) fn process_limit_hits(&self) -> Result<u64, CellError> {
        let now = self.counters().process_limit_hits();
        let now = now.map_err(CellError::counter("refused processes"))?;
        Ok(now.saturating_sub(self.process_limit_hits_before))
    }
}

fn held(group: Option<&CellGroup>) -> &CellGroup {
    group.expect("it is given back by dropping the lease alone")
}

impl Drop for GroupLease {
    fn drop(&mut self) {
        self.groups.idle.borrow_mut().extend(self.group.take());
    }
}
