//! What a run has used, from all the evidence there is.
//!
//! Three witnesses, none of which sees everything:
//!
//! - `rusage` of every process the agent reaps: exact, but blind to children whose parents let the kernel reap them
//!   (`SIGCHLD` ignored), and late: a process counts when it is dead.
//! - The box's cgroup: sees all of the box, so a single run's share is what is left after subtracting the state at its
//!   start and the agent's own. Of no use where several runs share the box.
//! - `/proc` of the guest's processes, by UID, looked at again and again: used where the cgroup is not. What a process
//!   did after it was last seen is missed.
//!
//! CPU time is the larger of `rusage` and the cgroup. Peak memory is the largest of the tree as it was sampled, of the
//! cgroup's highest charge as far as that is the run's (see [`peak`](crate::peak)), and of what the kernel recorded for any
//! single process. The latter starts at the agent's own size before `exec`, some 2 MiB, and has the program's own code in
//! it, which is subtracted as far as it was seen.

use std::time::Duration;

use optimus_common::{facts::MeasuredBy, limits::Limits};
use rustix::{
    thread::sched_getaffinity,
    time::{ClockId, clock_gettime},
};

use crate::{
    connections::Connections,
    death::Death,
    error::CellError,
    guest_id::GuestId,
    peak::{Peak, without_mapped_files},
    proc_files::{self, ProcessCensus, ThreadScan, ThreadWait},
    reaper::Reaped,
};
use optimus_linux::cgroup::{self, Counters};

/// How living processes are measured.
#[derive(Debug)]
pub(crate) struct Accounting {
    source: Source,
}

#[derive(Debug)]
enum Source {
    /// The box holds one run at a time: its cgroup is that run, and the agent.
    Exclusive(Counters),
    /// Runs share the box, or it shows no cgroup. The cgroup, if any, still tells of events.
    ByUid(Option<Counters>),
}

/// CPU time and memory of a run at one moment.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usage {
    pub(crate) cpu: Duration,
    pub(crate) memory_bytes: u64,
}

/// How often a run is looked at: often enough to stop a memory bomb, seldom enough to cost little.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    longest: Duration,
    /// CPUs a run can keep busy at once.
    cpus: u32,
}

impl Pace {
    /// Reading the counters of a group costs little, whatever is in it.
    pub(crate) fn of_group() -> Self {
        Self::at_least_every(Duration::from_millis(5))
    }

    /// Every process is looked at.
    pub(crate) fn of_processes() -> Self {
        Self::at_least_every(Duration::from_millis(10))
    }

    fn at_least_every(longest: Duration) -> Self {
        let cpus = sched_getaffinity(None).map_or(1, |cpus| cpus.count());
        Self {
            longest,
            cpus: cpus.max(1),
        }
    }

    /// When to look again: with all CPUs busy, the run cannot be over what it is killed for before.
    pub(crate) fn until_next(self, limits: &Limits, usage: Usage) -> Duration {
        const SHORTEST: Duration = Duration::from_micros(250);
        let most = Limits::with_margin(limits.cpu_time);
        let left = most.saturating_sub(usage.cpu) / self.cpus;
        left.clamp(SHORTEST, self.longest)
    }
}

impl Accounting {
    pub(crate) fn for_runs_at_once(runs: usize) -> Self {
        let source = match (cgroup::of_own_box(), runs) {
            (Some(cgroup), 1) => Source::Exclusive(cgroup),
            (cgroup, _) => Source::ByUid(cgroup),
        };
        Self { source }
    }

    /// How often a run is looked at.
    pub(crate) fn pace(&self) -> Pace {
        match self.source {
            Source::Exclusive(_) => Pace::of_group(),
            Source::ByUid(_) => Pace::of_processes(),
        }
    }

    fn events(&self) -> Result<Events, CellError> {
        match &self.source {
            Source::Exclusive(cgroup) | Source::ByUid(Some(cgroup)) => Events::read(cgroup),
            Source::ByUid(None) => Ok(Events::default()),
        }
    }

    fn cgroup(&self) -> Option<&Counters> {
        match &self.source {
            Source::Exclusive(cgroup) => Some(cgroup),
            Source::ByUid(_) => None,
        }
    }

    fn measured_by(&self) -> MeasuredBy {
        match self.source {
            Source::Exclusive(_) => MeasuredBy::Cgroup,
            Source::ByUid(_) => MeasuredBy::Proc,
        }
    }
}

/// CPU time of the box without the agent's.
fn cpu_of_box(cgroup: &Counters) -> Result<Duration, CellError> {
    // The agent's own clock first: asking for it makes the kernel charge the current time slice to the cgroup.
    let own = clock_gettime(ClockId::ProcessCPUTime);
    let own = Duration::try_from(own).unwrap_or_default();
    let all = cgroup.cpu().map_err(CellError::counter("CPU time"))?;
    Ok(all.saturating_sub(own))
}

/// Events of a cgroup since it was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Events {
    oom_kills: u64,
    process_limit_hits: u64,
}

impl Events {
    fn read(cgroup: &Counters) -> Result<Self, CellError> {
        Ok(Self {
            oom_kills: cgroup.oom_kills().map_err(CellError::counter("OOM kills"))?,
            process_limit_hits: cgroup
                .process_limit_hits()
                .map_err(CellError::counter("refused processes"))?,
        })
    }
}

/// The measurement of one run.
#[derive(Debug)]
pub(crate) struct Meter {
    guest: GuestId,
    census: ProcessCensus,
    before: Usage,
    events_before: Events,
    /// The highest memory of the box, where the run has the box to itself.
    peak: Option<Peak>,
    connections: Connections,
    reaped_cpu: Duration,
    max_rss_bytes: u64,
    sampled_memory_bytes: u64,
    /// The most memory of files that a process had mapped when it was looked at.
    mapped_bytes: u64,
    /// CPU time of the reading that went over the limit, if one did.
    cpu_over_limit: Duration,
    /// A process of the run was struck by a SIGKILL that did not come from the agent.
    struck: bool,
}

impl Meter {
    /// Takes the state before the run: the memory of its input and of files in the box is not the run's.
    pub(crate) fn start(guest: GuestId, accounting: &Accounting, limits: &Limits) -> Result<Self, CellError> {
        let mut before = Usage::default();
        let mut peak = None;
        if let Some(cgroup) = accounting.cgroup() {
            let started = Peak::start(cgroup, limits)?;
            before.memory_bytes = started.memory_before();
            before.cpu = cpu_of_box(cgroup)?;
            peak = Some(started);
        }
        Ok(Self {
            guest,
            census: ProcessCensus::default(),
            before,
            events_before: accounting.events()?,
            peak,
            connections: Connections::default(),
            reaped_cpu: Duration::ZERO,
            max_rss_bytes: 0,
            sampled_memory_bytes: 0,
            mapped_bytes: 0,
            cpu_over_limit: Duration::ZERO,
            struck: false,
        })
    }

    /// Counts a process of the run that died by itself.
    pub(crate) fn add(&mut self, process: &Reaped) {
        self.struck |= process.death == Death::Signalled(libc::SIGKILL);
        self.add_killed(process);
    }

    /// Counts a process of the run that died after the agent began to kill.
    pub(crate) fn add_killed(&mut self, process: &Reaped) {
        self.reaped_cpu += process.cpu;
        self.max_rss_bytes = self.max_rss_bytes.max(process.max_rss_bytes);
    }

    /// What the run has used until now.
    pub(crate) fn sample(&mut self, accounting: &Accounting, limits: &Limits) -> Result<Usage, CellError> {
        let mut usage = self.read(accounting)?;
        if self.peak.is_some() {
            // Runs that go on at the same time share a network: nobody knows whose connections they are.
            usage.memory_bytes += self.connections.bytes(std::process::id().cast_signed())?;
        }
        if usage.cpu > limits.cpu_time && matches!(accounting.source, Source::ByUid(_)) {
            // A child waited for between the readings of itself and of its parent may have counted twice.
            usage.cpu = usage.cpu.min(self.read(accounting)?.cpu);
        }
        if usage.cpu > limits.cpu_time {
            self.cpu_over_limit = usage.cpu;
        }
        self.sampled_memory_bytes = self.sampled_memory_bytes.max(usage.memory_bytes);
        Ok(usage)
    }

    /// Looks at the processes one by one, and tells how long each thread has waited.
    pub(crate) fn scan(&mut self) -> Result<Vec<ThreadWait>, CellError> {
        let ThreadScan {
            threads,
            mapped_bytes,
        } = proc_files::scan_threads(self.guest)?;
        self.mapped_bytes = self.mapped_bytes.max(mapped_bytes);
        Ok(threads)
    }

    /// The sums, once no process of the run is left.
    pub(crate) fn total(&mut self, accounting: &Accounting) -> Result<Total, CellError> {
        // A last look: files the run has left in memory are still there.
        let last = self.read(accounting)?;
        let mut cpu = Figure::new(self.reaped_cpu, MeasuredBy::Rusage);
        cpu.add(last.cpu.max(self.cpu_over_limit), accounting.measured_by());
        let mut memory = Figure::new(
            without_mapped_files(self.max_rss_bytes, self.mapped_bytes),
            MeasuredBy::Rusage,
        );
        memory.add(
            self.sampled_memory_bytes.max(last.memory_bytes),
            accounting.measured_by(),
        );
        if let (Some(peak), Some(cgroup)) = (&mut self.peak, accounting.cgroup())
            && let Some(highest) = peak.highest(cgroup)?
        {
            memory.add(
                highest.saturating_sub(self.before.memory_bytes),
                MeasuredBy::Cgroup,
            );
        }
        let now = accounting.events()?;
        let oom_kills = now.oom_kills.saturating_sub(self.events_before.oom_kills);
        // Runs that share a box share its counters: a kill is this run's if one of its processes was struck.
        let own = accounting.cgroup().is_some() || self.struck;
        Ok(Total {
            cpu,
            memory,
            oom_kills: if own { oom_kills } else { 0 },
            process_limit_hits: now
                .process_limit_hits
                .saturating_sub(self.events_before.process_limit_hits),
        })
    }

    fn read(&mut self, accounting: &Accounting) -> Result<Usage, CellError> {
        let (Some(cgroup), Some(peak)) = (accounting.cgroup(), &mut self.peak) else {
            let living = self.census.take(self.guest)?;
            return Ok(Usage {
                cpu: (living.cpu + self.reaped_cpu).max(self.census.seen_cpu()),
                memory_bytes: living.memory_bytes,
            });
        };
        Ok(Usage {
            cpu: cpu_of_box(cgroup)?.saturating_sub(self.before.cpu),
            memory_bytes: peak.update(cgroup)?.saturating_sub(self.before.memory_bytes),
        })
    }
}

/// The largest figure that anybody has counted, and who did.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figure<T> {
    pub(crate) value: T,
    pub(crate) from: MeasuredBy,
}

impl<T: Ord> Figure<T> {
    pub(crate) fn new(value: T, from: MeasuredBy) -> Self {
        Self { value, from }
    }

    /// Where several have counted the same, the last one is named.
    pub(crate) fn add(&mut self, value: T, from: MeasuredBy) {
        if value >= self.value {
            *self = Self { value, from };
        }
    }
}

/// What a run has used in all.
#[derive(Debug)]
pub(crate) struct Total {
    pub(crate) cpu: Figure<Duration>,
    pub(crate) memory: Figure<u64>,
    pub(crate) oom_kills: u64,
    pub(crate) process_limit_hits: u64,
}

impl Total {
    /// The sums of a run that had no process.
    pub(crate) fn nothing() -> Self {
        Self {
            cpu: Figure::new(Duration::ZERO, MeasuredBy::Rusage),
            memory: Figure::new(0, MeasuredBy::Rusage),
            oom_kills: 0,
            process_limit_hits: 0,
        }
    }
}
