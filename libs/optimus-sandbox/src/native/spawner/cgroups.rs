//! The control groups of this worker's boxes.
//!
//! ```text
//! BASE                      as the settings say; of all workers of this user
//! BASE/<block>-<worker>     locked by its spawner for as long as that lives
//! BASE/…/box-<pid>-<n>      of one box, with its limits
//! BASE/…/box-<…>/agent      the agent, and beside it one group for each run
//! ```
//!
//! The lock tells the living from the dead: what is left of a worker whose group is not locked can be removed.

use std::{
    collections::VecDeque,
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use optimus_common::{WorkerId, weaken};
use optimus_linux::cgroup::{Group, Removal};
use rustix::{
    fs::{FlockOperation, Mode, OFlags, flock, openat},
    io::Errno,
};

use super::{
    failure::Failure,
    favordynmods,
    hierarchies::{BaseGroup, CgroupVersion},
};
use crate::native::wire::CreateBox;

/// How many groups wait for their boxes.
const READY: usize = 8;

/// Processes of ours that come and go in a box beside the agent.
const SPARE_PROCESSES: u64 = 8;

/// How long the processes of a dead box may take to vanish.
const VANISH_TIMEOUT: Duration = Duration::from_secs(5);

const BOX_PREFIX: &str = "box-";
const AGENT: &str = "agent";

#[derive(Debug)]
pub(super) struct Cgroups {
    base: Group,
    /// The base, in the hierarchy whose folders are locked.
    base_folder: OwnedFd,
    /// The path of the base, for messages.
    path: PathBuf,
    own: Group,
    own_name: String,
    /// Held locked.
    own_folder: OwnedFd,
    version: CgroupVersion,
    /// Held open: processes enter groups quickly.
    _favor: Option<OwnedFd>,
    /// Distinguishes the UIDs of this spawner's boxes from those of others'.
    block: u32,
    next: u64,
    ready: VecDeque<BoxGroup>,
}

/// A group for one box.
#[derive(Debug)]
pub(super) struct BoxGroup {
    pub(super) name: String,
    pub(super) group: Group,
    pub(super) agent: Group,
}

impl Cgroups {
    /// Makes and locks this worker's group, and removes what an earlier spawner of the same worker has left.
    pub(super) fn open(base: BaseGroup, worker: &WorkerId) -> Result<Self, Failure> {
        let BaseGroup {
            group: base,
            folder: base_folder,
            path,
            version,
        } = base;
        // Nobody looks for orphans between the making of a group and its lock.
        let turn = reopen(&base_folder, ".").map_err(Failure::at("open the base of all control groups"))?;
        flock(&turn, FlockOperation::LockExclusive).map_err(Failure::at("lock the control groups"))?;
        let mut names = base.names().map_err(Failure::at("list the control groups"))?;
        let of_dead = names.extract_if(.., |name| {
            owner(name) == Some(worker.as_str()) && free(&base_folder, name)
        });
        for name in of_dead {
            discard(&base, &name).map_err(Failure::at("remove what a dead spawner has left"))?;
        }
        let block = free_block(&names);
        let own_name = format!("{block}-{worker}");
        base.share_out_huge_pages();
        let own = base.create(&own_name).map_err(Failure::at(format_args!(
            "make control groups in {}; is it delegated to this user, with the controllers cpu, memory and pids, \
             and without processes of its own",
            path.display()
        )))?;
        own.forbid_huge_pages()
            .map_err(Failure::at("forbid huge pages in a control group"))?;
        let folder = reopen(&base_folder, &own_name).map_err(Failure::at("open a control group"))?;
        flock(&folder, FlockOperation::NonBlockingLockExclusive)
            .map_err(Failure::at("lock a control group"))?;
        // Version 2 makes processes where they belong.
        let favor = match version {
            CgroupVersion::V1 => favordynmods::enable(),
            CgroupVersion::V2 => None,
        };
        let mut cgroups = Self {
            base,
            base_folder,
            path,
            own,
            own_name,
            own_folder: folder,
            version,
            _favor: favor,
            block,
            next: 0,
            ready: VecDeque::new(),
        };
        // Once, to find out whether it works at all.
        let first = cgroups.make()?;
        cgroups.ready.push_back(first);
        Ok(cgroups)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn block(&self) -> u32 {
        self.block
    }

    /// The group of all boxes of this worker, if it is one of version 2.
    pub(super) fn of_version_2(&self) -> Option<BorrowedFd<'_>> {
        match self.version {
            CgroupVersion::V1 => None,
            CgroupVersion::V2 => Some(self.own_folder.as_fd()),
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.ready.len() >= READY
    }

    pub(super) fn fill(&mut self) -> Result<(), Failure> {
        let group = self.make()?;
        self.ready.push_back(group);
        Ok(())
    }

    /// A group that no box has used, with the limits of this one, in which its root may make groups of its own.
    pub(super) fn take(&mut self, limits: &CreateBox, root: u32) -> Result<BoxGroup, Failure> {
        let taken = match self.ready.pop_front() {
            Some(group) => group,
            None => self.make()?,
        };
        let group = &taken.group;
        let limited = unless_off("cgroup-pids", || {
            group.set_processes(u64::from(limits.processes) + SPARE_PROCESSES)
        })
        .and_then(|()| unless_off("cgroup-memory", || group.set_memory(limits.memory_bytes)))
        .and_then(|()| unless_off("cgroup-cpu", || group.set_cpus(limits.cpus)))
        .and_then(|()| group.delegate(root, root));
        if let Err(error) = limited {
            // Nobody else knows of it. What cannot be removed goes with the spawner.
            self.own.remove(&taken.name).ok();
            return Err(Failure::at("limit a control group")(error));
        }
        Ok(taken)
    }

    /// The name of a box's group among those of all workers.
    pub(super) fn full_name(&self, name: &str) -> String {
        format!("{}/{name}", self.own_name)
    }

    pub(super) fn set_memory(&self, name: &str, bytes: u64) -> io::Result<()> {
        self.own.open(name)?.set_memory(bytes)
    }

    /// Periods in which the box used its CPU quota up.
    pub(super) fn throttled(&self, name: &str) -> io::Result<u64> {
        let group = self.own.open(name)?;
        // Version 2 has one folder. Of those of version 1, one has the counter.
        let counted = group.descriptors().find_map(|folder| {
            let file = openat(
                folder,
                "cpu.stat",
                OFlags::RDONLY | OFlags::CLOEXEC,
                Mode::empty(),
            )
            .ok()?;
            let text = io::read_to_string(std::fs::File::from(file)).ok()?;
            text.lines()
                .find_map(|line| line.strip_prefix("nr_throttled ")?.parse().ok())
        });
        counted.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Removes the group of a box that has ended.
    pub(super) fn remove(&self, name: &str) -> io::Result<Removal> {
        self.own.remove(name)
    }

    /// Removes what dead workers have left, save those named. Returns how many boxes they had.
    pub(super) fn remove_orphans(&self, alive: &[WorkerId]) -> Result<u64, Failure> {
        let turn =
            reopen(&self.base_folder, ".").map_err(Failure::at("open the base of all control groups"))?;
        flock(&turn, FlockOperation::LockExclusive).map_err(Failure::at("lock the control groups"))?;
        let mut boxes = 0;
        for name in self
            .base
            .names()
            .map_err(Failure::at("list the control groups"))?
        {
            let orphaned = owner(&name)
                .is_some_and(|owner| alive.iter().all(|worker| worker.as_str() != owner))
                && free(&self.base_folder, &name);
            if orphaned {
                boxes += used(&self.base, &self.base_folder, &name);
                discard(&self.base, &name).map_err(Failure::at("remove what a dead worker has left"))?;
            }
        }
        Ok(boxes)
    }

    /// Removes everything of this worker.
    pub(super) fn close(self) -> io::Result<()> {
        drop(self.ready);
        discard(&self.base, &self.own_name)
    }

    fn make(&mut self) -> Result<BoxGroup, Failure> {
        // Like no other of this worker, not even of an earlier spawner.
        let name = format!("{BOX_PREFIX}{}-{}", std::process::id(), self.next);
        self.next += 1;
        let made = self.own.create(&name).and_then(|group| {
            let agent = group.create(AGENT)?;
            Ok(BoxGroup {
                name: name.clone(),
                group,
                agent,
            })
        });
        made.map_err(|error| {
            // What was made of it in one hierarchy and not in another.
            self.own.remove(&name).ok();
            Failure::at("make a control group")(error)
        })
    }
}

fn unless_off(layer: &str, limit: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    if weaken::is_off(layer) { Ok(()) } else { limit() }
}

/// The worker in the name of its group.
fn owner(name: &str) -> Option<&str> {
    let (block, worker) = name.split_once('-')?;
    block.parse::<u32>().ok().map(|_| worker)
}

fn free_block(names: &[String]) -> u32 {
    let taken: Vec<u32> = names
        .iter()
        .filter_map(|name| name.split_once('-')?.0.parse().ok())
        .collect();
    // Of one number more than there are names, one is free.
    (0..=u32::try_from(taken.len()).unwrap_or(u32::MAX))
        .find(|block| !taken.contains(block))
        .unwrap_or(0)
}

fn reopen(base: &OwnedFd, name: &str) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(base, name, flags, Mode::empty())
}

/// Whether no spawner lives that has locked this group. A group that is half gone has none.
fn free(base: &OwnedFd, name: &str) -> bool {
    match reopen(base, name) {
        Ok(folder) => flock(&folder, FlockOperation::NonBlockingLockExclusive).is_ok(),
        Err(errno) => errno == Errno::NOENT,
    }
}

/// How many of a worker's groups were a box's. Those that were made ahead have no limit yet.
fn used(base: &Group, folder: &OwnedFd, worker: &str) -> u64 {
    let limited = |name: &String| {
        let file = format!("{worker}/{name}/pids.max");
        openat(folder, file, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
            .map(std::fs::File::from)
            .and_then(|file| io::read_to_string(file).map_err(|_| Errno::IO))
            .is_ok_and(|limit| limit.trim() != "max")
    };
    let names = base.open(worker).and_then(|group| group.names());
    names.map_or(0, |names| {
        names.iter().filter(|name| limited(name)).count() as u64
    })
}

/// Removes a group with all below it, once whoever is there has died.
fn discard(base: &Group, name: &str) -> io::Result<()> {
    let deadline = Instant::now() + VANISH_TIMEOUT;
    while base.remove(name)? == Removal::Busy {
        if Instant::now() > deadline {
            return Err(io::ErrorKind::ResourceBusy.into());
        }
        // The kernel has killed the boxes of a dead spawner. An ordinary user may not do it once more.
        base.open(name).and_then(|group| group.kill()).ok();
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}
