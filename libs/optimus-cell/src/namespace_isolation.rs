//! Runs that have a cell of their own: a cgroup, a PID namespace, a mount namespace, and a network and a root that nobody has
//! used.
//!
//! Made when its run starts, and gone when its run is over, with all its processes and files: there is nothing to find
//! and nothing to remove.

mod artefacts;
mod box_network;
mod cell_factory;
mod groups;
mod init;
mod init_report;
mod mounts;
mod proc_covers;
mod run_root;

use std::{
    rc::Rc,
    time::{Duration, Instant},
};

use optimus_common::{facts::MeasuredBy, limits::Limits, weaken};
use rustix::{
    io::Errno,
    process::{Pid, Resource, Signal, kill_process},
    thread::UnshareFlags,
};

use crate::{
    command::{Command, at_most},
    connections::Connections,
    death::Death,
    error::CellError,
    guest_id::GuestId,
    isolation::{Isolation, LaunchedTree, ProcessTree},
    launch::{Restrictions, Stdio},
    launch_step::{LaunchOutcome, LaunchReport},
    leftovers::Leftovers,
    meter::{Figure, Pace, Total, Usage},
    peak::without_mapped_files,
    proc_files::{self, ProcessCensus, RunnableThread, ThreadScan, ThreadWait},
    reaper::{self, Reaped},
    run::WorkdirPolicy,
    scans::Scans,
    waited::{Waited, io_is_counted},
};
use box_network::{BoxNetwork, RunNetwork};
pub use cell_factory::CellFactory;
use groups::{CellGroups, GroupLease};
use init::InitPlan;
use init_report::SharedInitReport;
use mounts::Mounts;
use optimus_linux::process::{Cloned, PidFd, clone_into};
use run_root::BoxRoot;

/// Makes cells.
#[derive(Debug)]
pub(crate) struct NamespaceIsolation {
    /// `None` where the box has none to give.
    groups: Option<Rc<CellGroups>>,
    network: Rc<BoxNetwork>,
    root: Rc<BoxRoot>,
    workdir: WorkdirPolicy,
    mounts: Mounts,
}

/// A run in a cell.
#[derive(Debug)]
pub(crate) struct NamespacedTree {
    /// The id of its first process in the agent's PID namespace.
    init: i32,
    guest: GuestId,
    init_report: SharedInitReport,
    group: Option<GroupLease>,
    /// Held until the run is over, when the box gets it back.
    _network: RunNetwork,
    connections: Connections,
    /// Counts processes where there is no group to do so.
    census: ProcessCensus,
    /// The first process' death, and so everybody's.
    dead: Option<Reaped>,
    sampled_memory_bytes: u64,
    /// The most memory of files that a process had mapped when it was looked at.
    mapped_bytes: u64,
    /// CPU time of the reading that went over the limit, if one did.
    cpu_over_limit: Duration,
}

impl NamespaceIsolation {
    pub(crate) fn new(factory: &CellFactory, workdir: WorkdirPolicy) -> Result<Self, CellError> {
        Ok(Self {
            groups: factory.groups.clone(),
            network: Rc::clone(&factory.network),
            root: Rc::clone(&factory.root),
            workdir,
            mounts: Mounts::new(factory, workdir)?,
        })
    }
}

impl Isolation for NamespaceIsolation {
    fn pace(&self) -> Pace {
        match self.groups {
            Some(_) => Pace::of_group(),
            None => Pace::of_processes(),
        }
    }

    fn rest(&self) {
        self.network.check_use();
    }

    fn start(
        &self,
        mut command: Command,
        limits: &Limits,
        guest: GuestId,
        restrictions: &Restrictions,
        stdio: Stdio<'_>,
    ) -> Result<Option<LaunchedTree>, CellError> {
        let lease = |groups| GroupLease::new(groups, limits);
        let group = self.groups.as_ref().map(lease).transpose()?;
        if group.is_none() {
            let most = at_most(Resource::Nproc, limits.processes.into());
            command.rlimits.push((Resource::Nproc, most));
        }
        let network = BoxNetwork::network_for_next_run(&self.network);
        let root = self.root.root_for_next_run(self.workdir);
        let init_report = SharedInitReport::new()?;
        let (report, writer) = LaunchReport::new()?;
        let into = group.as_ref().and_then(GroupLease::to_be_made_in);
        // SAFETY: the agent has one thread, and the child calls nothing that allocates or locks.
        let init = match unsafe { clone_into(namespaces(), into, PidFd::Unwanted) } {
            Ok(Cloned::Parent { child, .. }) => child.as_raw_nonzero().get(),
            Ok(Cloned::Child) => {
                let plan = InitPlan {
                    group: group.as_ref().and_then(GroupLease::to_enter),
                    network: &network,
                    root,
                    mounts: &self.mounts,
                    command: &command,
                    guest,
                    restrictions,
                    stdio,
                    init_report: init_report.get(),
                };
                init::run(&plan, &writer)
            }
            Err(Errno::AGAIN) => return Ok(None),
            Err(errno) => return Err(CellError::system("make the namespaces of a cell")(errno)),
        };
        // Only the new process is to hold it, so that its end can be seen.
        drop(writer);
        let outcome = report.outcome()?;
        if let LaunchOutcome::Crowded = outcome {
            // It reports that before it ends, so this does not wait long.
            reaper::wait_for(init)?;
            return Ok(None);
        }
        let tree = NamespacedTree {
            init,
            guest,
            init_report,
            group,
            _network: network,
            connections: Connections::default(),
            census: ProcessCensus::default(),
            dead: None,
            sampled_memory_bytes: 0,
            mapped_bytes: 0,
            cpu_over_limit: Duration::ZERO,
        };
        Ok(Some((Box::new(tree), outcome)))
    }
}

/// The namespaces that the init of a cell is made in.
fn namespaces() -> UnshareFlags {
    if weaken::is_off("cell-pid-namespace") {
        UnshareFlags::NEWNS
    } else {
        UnshareFlags::NEWPID | UnshareFlags::NEWNS
    }
}

impl ProcessTree for NamespacedTree {
    fn reaped(&mut self, process: &Reaped) -> bool {
        let own = process.pid == self.init && self.dead.is_none();
        if own {
            self.dead = Some(*process);
        }
        own
    }

    /// Once no process is left.
    fn death(&self) -> Result<Option<Death>, CellError> {
        let Some(dead) = &self.dead else {
            return Ok(None);
        };
        if let Some(reported) = self.reported_death() {
            return Ok(Some(reported));
        }
        // The first process was killed before the guest's own, which was killed for that reason.
        if self.oom_kills()? > 0 {
            return Ok(Some(Death::Signalled(libc::SIGKILL)));
        }
        Err(CellError::CellLost { death: dead.death })
    }

    fn reported_death(&self) -> Option<Death> {
        self.init_report.get().death()
    }

    fn kill(&mut self) -> Result<Leftovers, CellError> {
        if self.dead.is_some() {
            return Ok(Leftovers::None);
        }
        // It has not been waited for, so the number is still its own.
        match Pid::from_raw(self.init).map_or(Ok(()), |init| kill_process(init, Signal::KILL)) {
            Ok(()) | Err(Errno::SRCH) => Ok(Leftovers::Some),
            Err(errno) => Err(CellError::system("kill a cell")(errno)),
        }
    }

    fn lifetime(&self) -> Option<Duration> {
        self.init_report.get().lifetime()
    }

    fn started(&self) -> Option<Instant> {
        let now = Instant::now();
        Some(now.checked_sub(self.init_report.get().age()).unwrap_or(now))
    }

    fn sample(&mut self, limits: &Limits) -> Result<Usage, CellError> {
        let mut usage = self.read()?;
        usage.memory_bytes += self.connections.bytes(self.init)?;
        if usage.cpu > limits.cpu_time && self.group.is_none() {
            // A child waited for between the readings of itself and of its parent may have counted twice.
            usage.cpu = usage.cpu.min(self.read()?.cpu);
        }
        if usage.cpu > limits.cpu_time {
            self.cpu_over_limit = usage.cpu;
        }
        self.sampled_memory_bytes = self.sampled_memory_bytes.max(usage.memory_bytes);
        Ok(usage)
    }

    /// Later where the group tells of memory: how long the guest has waited its init reports at the end.
    fn first_scan(&self) -> Duration {
        match &self.group {
            Some(group) if group.knows_highest_memory() => Scans::FIRST_WHEN_REPORTED,
            _ => Scans::FIRST,
        }
    }

    fn scan(&mut self) -> Result<Vec<ThreadWait>, CellError> {
        let ThreadScan {
            threads,
            mapped_bytes,
        } = match &self.group {
            Some(group) => proc_files::scan_threads_of(self.guest, &self.guests(group)?),
            None => proc_files::scan_threads(self.guest)?,
        };
        self.mapped_bytes = self.mapped_bytes.max(mapped_bytes);
        Ok(threads)
    }

    fn ready(&self) -> Result<Vec<RunnableThread>, CellError> {
        match &self.group {
            Some(group) => Ok(proc_files::ready_at(self.guest, &self.guests(group)?)),
            None => proc_files::ready(self.guest),
        }
    }

    /// All of the guest's processes have ended, and the init has not got round to tell it. Not known without a group.
    fn is_over(&self) -> Result<bool, CellError> {
        match &self.group {
            Some(group) => Ok(self.guests(group)?.is_empty()),
            None => Ok(false),
        }
    }

    fn waited(&self) -> Waited {
        let reported = self.init_report.get().read_waited();
        Waited {
            for_io: reported.for_io.filter(|_| io_is_counted()),
            ..reported
        }
    }

    fn total(&mut self) -> Result<Total, CellError> {
        let init_report = self.init_report.get();
        let (own, reaped) = (init_report.read_own(), init_report.read_reaped());
        let files = init_report.read_files();
        let mut cpu = Figure::new(reaped.cpu, MeasuredBy::Rusage);
        let (mut memory, mut process_limit_hits) = (Figure::new(files, MeasuredBy::Files), 0);
        let mut highest = None;
        if let Some(group) = &mut self.group {
            cpu.add(
                group.cpu()?.saturating_sub(own.cpu).max(self.cpu_over_limit),
                MeasuredBy::Cgroup,
            );
            memory.add(self.sampled_memory_bytes, MeasuredBy::Cgroup);
            highest = group.highest_memory_bytes()?;
            process_limit_hits = group.process_limit_hits()?;
        } else {
            cpu.add(self.census.seen_cpu().max(self.cpu_over_limit), MeasuredBy::Proc);
            memory.add(self.sampled_memory_bytes, MeasuredBy::Proc);
            if let Some(dead) = &self.dead {
                // Its sum has the processes in it that the kernel killed when it died.
                cpu.add(dead.cpu.saturating_sub(own.cpu), MeasuredBy::Rusage);
            }
        }
        if let Some(highest) = highest {
            memory.add(highest, MeasuredBy::Cgroup);
        }
        if highest.is_none() || memory.value == 0 {
            memory.add(self.high_water_mark(), MeasuredBy::Rusage);
        }
        Ok(Total {
            cpu,
            memory,
            oom_kills: self.oom_kills()?,
            process_limit_hits,
        })
    }

    /// A cell's own first process waits for the guest's.
    fn is_first(&self, _: i32) -> bool {
        false
    }

    fn survived(&self) -> CellError {
        CellError::CellSurvivesKill
    }
}

impl NamespacedTree {
    fn read(&mut self) -> Result<Usage, CellError> {
        let init_report = self.init_report.get();
        let Some(group) = &mut self.group else {
            let living = self.census.take(self.guest)?;
            return Ok(Usage {
                cpu: (living.cpu + init_report.read_reaped().cpu).max(self.census.seen_cpu()),
                memory_bytes: living.memory_bytes,
            });
        };
        Ok(Usage {
            cpu: group.cpu()?.saturating_sub(init_report.read_own().cpu),
            memory_bytes: group.memory_bytes()?,
        })
    }

    /// The cell's living processes without its first one, which waits for CPUs on its own account.
    fn guests(&self, group: &GroupLease) -> Result<Vec<i32>, CellError> {
        let mut processes = group.processes()?;
        processes.retain(|pid| *pid != self.init);
        Ok(processes)
    }

    fn oom_kills(&self) -> Result<u64, CellError> {
        self.group.as_ref().map_or(Ok(0), GroupLease::oom_kills)
    }

    /// The most memory that any one process of the guest's had, as far as that is known.
    fn high_water_mark(&self) -> u64 {
        let init_report = self.init_report.get();
        let (own, reaped) = (init_report.read_own(), init_report.read_reaped());
        // Those that died with the first process are in its mark. Its own is known, so a higher one is theirs.
        let died_with_it = self.dead.map_or(0, |dead| dead.max_rss_bytes);
        let theirs = if died_with_it > own.max_rss_bytes {
            died_with_it
        } else {
            0
        };
        without_mapped_files(reaped.max_rss_bytes.max(theirs), self.mapped_bytes)
    }
}
