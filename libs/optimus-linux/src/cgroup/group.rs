//! One control group, held by descriptors: neither its path nor its file system need be visible where it is used.

use std::{
    ffi::{CStr, CString},
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
    sync::OnceLock,
};

use rustix::{
    fs::{AtFlags, CWD, Dir, Mode, OFlags, chownat, fstat, mkdirat, openat},
    io::Errno,
    process::{Gid, Uid},
};

use super::{
    counters::{Counters, FILES_V1, FILES_V2, HIGHEST_V1, HIGHEST_V2, KERNEL_MEMORY_V1, Version},
    folder::{open_folder, read, write, write_bytes},
    recursive::{self, Removal},
};

/// What a group limits or counts. On version 1 each has a hierarchy of its own, or shares one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Controller {
    Cpu,
    Cpuacct,
    /// Huge pages of the host's pool, which no limit of memory counts. Not every kernel has it.
    HugePages,
    Memory,
    Pids,
}

/// One control group: a folder of version 2, or one folder in each hierarchy of version 1.
#[derive(Debug)]
pub struct Group {
    layout: Layout,
}

#[derive(Debug)]
enum Layout {
    V1(Vec<Hierarchy>),
    V2 {
        folder: OwnedFd,
        /// Set once the groups below have been given this one's controllers.
        shared_out: OnceLock<()>,
    },
}

#[derive(Debug)]
struct Hierarchy {
    controllers: Vec<Controller>,
    folder: OwnedFd,
}

impl Hierarchy {
    /// Whether it counts or limits single runs. The others are of whole boxes.
    fn is_of_runs(&self) -> bool {
        let of_boxes = |controller| matches!(controller, &Controller::Cpu | &Controller::HugePages);
        !self.controllers.iter().all(of_boxes)
    }
}

/// Bytes that TCP may hold for a group of version 1.
const TCP_BUFFERS: &[u8] = b"33554432";

/// One period of a CPU quota, in microseconds: the kernel's own default.
const PERIOD_US: u32 = 100_000;
/// The smallest quota the kernel accepts, in microseconds.
const SMALLEST_QUOTA_US: f64 = 1000.0;

impl Group {
    /// A group of version 2 that exists already.
    pub fn open_v2(folder: &Path) -> io::Result<Self> {
        Ok(Self::v2(open_folder(CWD, folder)?))
    }

    /// A group of version 1 that exists already: its folder for each controller. Controllers that are mounted together
    /// may name the same folder.
    pub fn open_v1(folders: &[(Controller, PathBuf)]) -> io::Result<Self> {
        let mut hierarchies: Vec<Hierarchy> = Vec::new();
        let mut seen = Vec::new();
        for (controller, path) in folders {
            let folder = open_folder(CWD, path)?;
            let stat = fstat(&folder)?;
            let identity = (stat.st_dev, stat.st_ino);
            if let Some(at) = seen.iter().position(|known| *known == identity) {
                hierarchies[at].controllers.push(*controller);
            } else {
                seen.push(identity);
                hierarchies.push(Hierarchy {
                    controllers: vec![*controller],
                    folder,
                });
            }
        }
        Ok(Self {
            layout: Layout::V1(hierarchies),
        })
    }

    fn v2(folder: OwnedFd) -> Self {
        Self {
            layout: Layout::V2 {
                folder,
                shared_out: OnceLock::new(),
            },
        }
    }

    /// Makes a group below this one. On version 2 it gets every controller this one has of those we use, which the
    /// kernel allows only while no process is in this one itself.
    pub fn create(&self, name: &str) -> io::Result<Self> {
        self.share_out()?;
        self.below(name, |folder, name| {
            mkdirat(folder, name, Mode::from_raw_mode(0o755))
        })
    }

    /// As [`create`](Self::create), or the group that is there already. Of version 1 it may be there in some hierarchies only.
    pub fn ensure(&self, name: &str) -> io::Result<Self> {
        self.share_out()?;
        self.below(name, |folder, name| {
            match mkdirat(folder, name, Mode::from_raw_mode(0o755)) {
                Err(Errno::EXIST) => Ok(()),
                outcome => outcome,
            }
        })
    }

    /// A group below this one that exists already.
    pub fn open(&self, name: &str) -> io::Result<Self> {
        self.below(name, |_, _| Ok(()))
    }

    fn below(
        &self,
        name: &str,
        prepare: impl Fn(BorrowedFd<'_>, &CStr) -> rustix::io::Result<()>,
    ) -> io::Result<Self> {
        let name = CString::new(name)?;
        let enter = |folder: &OwnedFd| {
            prepare(folder.as_fd(), &name)?;
            open_folder(folder, &*name)
        };
        match &self.layout {
            Layout::V2 { folder, .. } => Ok(Self::v2(enter(folder)?)),
            Layout::V1(hierarchies) => {
                let hierarchies = hierarchies.iter().map(|hierarchy| {
                    Ok(Hierarchy {
                        controllers: hierarchy.controllers.clone(),
                        folder: enter(&hierarchy.folder)?,
                    })
                });
                let layout = Layout::V1(hierarchies.collect::<rustix::io::Result<_>>()?);
                Ok(Self { layout })
            }
        }
    }

    /// Version 2: lets the groups below have this one's controllers.
    fn share_out(&self) -> io::Result<()> {
        let Layout::V2 { folder, shared_out } = &self.layout else {
            return Ok(());
        };
        if shared_out.get().is_some() {
            return Ok(());
        }
        let available = read(folder, c"cgroup.controllers")?;
        let wanted: Vec<_> = ["cpu", "memory", "pids"]
            .into_iter()
            .filter(|wanted| available.split_ascii_whitespace().any(|have| have == *wanted))
            .map(|name| format!("+{name}"))
            .collect();
        if !wanted.is_empty() {
            write(folder, c"cgroup.subtree_control", wanted.join(" ").as_bytes())?;
        }
        let _ = shared_out.set(());
        Ok(())
    }

    /// Version 2: lets the groups below have a controller that not every kernel has. Without it, or the right to, nothing
    /// happens.
    pub fn share_out_huge_pages(&self) {
        if let Layout::V2 { folder, .. } = &self.layout {
            let _ = write(folder, c"cgroup.subtree_control", b"+hugetlb");
        }
    }

    /// The same group without hierarchies in which a run needs no limit of its own: what enters groups below this stays where
    /// it is in those.
    pub fn of_runs(&self) -> io::Result<Self> {
        match &self.layout {
            Layout::V2 { folder, .. } => Ok(Self::v2(folder.try_clone()?)),
            Layout::V1(hierarchies) => {
                let hierarchies =
                    hierarchies
                        .iter()
                        .filter(|hierarchy| hierarchy.is_of_runs())
                        .map(|hierarchy| {
                            Ok(Hierarchy {
                                controllers: hierarchy.controllers.clone(),
                                folder: hierarchy.folder.try_clone()?,
                            })
                        });
                let layout = Layout::V1(hierarchies.collect::<io::Result<_>>()?);
                Ok(Self { layout })
            }
        }
    }

    /// Removes the group of this name below this one with all groups below it. One that is not there is removed.
    pub fn remove(&self, name: &str) -> io::Result<Removal> {
        let name = CString::new(name)?;
        let mut outcome = Removal::Done;
        for folder in self.folders() {
            if recursive::remove(folder, &name)? == Removal::Busy {
                outcome = Removal::Busy;
            }
        }
        Ok(outcome)
    }

    /// Names of the groups right below this one.
    pub fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for folder in self.folders() {
            for name in recursive::subgroups(folder)? {
                let name = name.to_string_lossy().into_owned();
                if !names.contains(&name) {
                    names.push(name);
                }
            }
        }
        Ok(names)
    }

    /// Limits memory, and forbids swap. The limit may be raised and lowered later.
    pub fn set_memory(&self, bytes: u64) -> io::Result<()> {
        let folder = self.folder_of(Controller::Memory)?;
        let bytes = bytes.to_string();
        let bytes = bytes.as_bytes();
        if let Layout::V2 { .. } = self.layout {
            write(folder, c"memory.max", bytes)?;
            // Absent where the kernel does not account for swap.
            return unless_absent(write(folder, c"memory.swap.max", b"0"));
        }
        // Buffers of TCP are charged apart; those of other sockets are the kernel's memory or nobody's.
        unless_absent(write(folder, c"memory.kmem.tcp.limit_in_bytes", TCP_BUFFERS))?;
        let limit = c"memory.limit_in_bytes";
        // Of memory and swap together, and never below that of memory alone: the order depends on the direction.
        let with_swap = c"memory.memsw.limit_in_bytes";
        match write(folder, limit, bytes) {
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
                write(folder, with_swap, bytes)?;
                write(folder, limit, bytes)
            }
            Err(error) => Err(error),
            Ok(()) => match write(folder, with_swap, bytes) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    unless_absent(write(folder, c"memory.swappiness", b"0"))
                }
                outcome => outcome,
            },
        }
    }

    /// Allows this group and those below it no huge pages of the host's pool, where the kernel can limit them.
    pub fn forbid_huge_pages(&self) -> io::Result<()> {
        let (folder, limit) = match (&self.layout, self.folder_of(Controller::HugePages)) {
            (Layout::V2 { folder, .. }, _) => (folder.as_fd(), ".max"),
            (Layout::V1(_), Ok(folder)) => (folder, ".limit_in_bytes"),
            (Layout::V1(_), Err(_)) => return Ok(()),
        };
        for entry in Dir::read_from(folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let text = name.to_string_lossy();
            // One for each size of page, of what is used and of what is reserved.
            if text.starts_with("hugetlb.") && text.ends_with(limit) {
                write(folder, name, b"0")?;
            }
        }
        Ok(())
    }

    /// Limits processes and threads.
    pub fn set_processes(&self, most: u64) -> io::Result<()> {
        let folder = self.folder_of(Controller::Pids)?;
        write(folder, c"pids.max", most.to_string().as_bytes())
    }

    /// Limits CPU time to that of so many CPUs.
    pub fn set_cpus(&self, cpus: f64) -> io::Result<()> {
        let folder = self.folder_of(Controller::Cpu)?;
        let quota = (cpus * f64::from(PERIOD_US)).max(SMALLEST_QUOTA_US).round();
        match self.layout {
            Layout::V2 { .. } => write(folder, c"cpu.max", format!("{quota} {PERIOD_US}").as_bytes()),
            Layout::V1(_) => {
                write(folder, c"cpu.cfs_period_us", PERIOD_US.to_string().as_bytes())?;
                write(folder, c"cpu.cfs_quota_us", quota.to_string().as_bytes())
            }
        }
    }

    /// Moves this process into the group. Allocates nothing, so it may be called after `fork`.
    pub fn enter(&self) -> rustix::io::Result<()> {
        self.folders()
            .try_for_each(|folder| write_bytes(folder, c"cgroup.procs", b"0"))
    }

    /// The folder of version 2, to make a process in the group with `CLONE_INTO_CGROUP`.
    pub fn clone_into_fd(&self) -> Option<BorrowedFd<'_>> {
        match &self.layout {
            Layout::V1(_) => None,
            Layout::V2 { folder, .. } => Some(folder.as_fd()),
        }
    }

    /// What holds the group open, for a process that closes everything else.
    pub fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.folders()
    }

    /// Lets this user make groups below this one, and move processes among them. The group's own limits stay ours.
    pub fn delegate(&self, uid: u32, gid: u32) -> io::Result<()> {
        let (user, group) = (Uid::from_raw(uid), Gid::from_raw(gid));
        let files: &[&CStr] = match self.layout {
            Layout::V1(_) => &[c".", c"cgroup.procs"],
            Layout::V2 { .. } => &[
                c".",
                c"cgroup.procs",
                c"cgroup.threads",
                c"cgroup.subtree_control",
            ],
        };
        for folder in self.folders() {
            for file in files {
                chownat(folder, *file, Some(user), Some(group), AtFlags::empty())?;
            }
        }
        Ok(())
    }

    /// Kills every process of the group and of those below. On version 1, and before Linux 5.14, returns when none is
    /// left; else they are dying.
    pub fn kill(&self) -> io::Result<()> {
        if let Layout::V2 { folder, .. } = &self.layout {
            match write(folder, c"cgroup.kill", b"1") {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                outcome => return outcome,
            }
        }
        self.folders().try_for_each(recursive::kill)
    }

    /// Process ids of the group's own processes, in this process' PID namespace.
    pub fn processes(&self) -> io::Result<Vec<i32>> {
        // All hierarchies hold the same processes.
        let folder = self
            .folders()
            .next()
            .ok_or(io::Error::from(io::ErrorKind::NotFound))?;
        recursive::processes(folder)
    }

    /// Opens what the group counts.
    pub fn counters(&self) -> io::Result<Counters> {
        let (version, names, highest) = match self.layout {
            Layout::V1(_) => (Version::V1, FILES_V1, HIGHEST_V1),
            Layout::V2 { .. } => (Version::V2, FILES_V2, HIGHEST_V2),
        };
        let open_as = |controller, name, access| -> io::Result<OwnedFd> {
            let folder = self.folder_of(controller)?;
            Ok(openat(folder, name, access | OFlags::CLOEXEC, Mode::empty())?)
        };
        let open = |controller, name| open_as(controller, name, OFlags::RDONLY);
        let [cpu, memory, oom, pids] = names;
        let files = [
            open(Controller::Cpuacct, cpu)?,
            open(Controller::Memory, memory)?,
            open(Controller::Memory, oom)?,
            open(Controller::Pids, pids)?,
        ];
        let kernel_memory = match version {
            Version::V1 => open(Controller::Memory, KERNEL_MEMORY_V1).ok(),
            Version::V2 => None,
        };
        let highest = open_as(Controller::Memory, highest, OFlags::RDWR)
            .or_else(|_| open(Controller::Memory, highest))
            .ok();
        Ok(Counters::new(version, files, kernel_memory, highest))
    }

    fn folders(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let (only, several) = match &self.layout {
            Layout::V2 { folder, .. } => (Some(folder), [].as_slice()),
            Layout::V1(hierarchies) => (None, hierarchies.as_slice()),
        };
        let several = several.iter().map(|hierarchy| &hierarchy.folder);
        only.into_iter().chain(several).map(AsFd::as_fd)
    }

    fn folder_of(&self, controller: Controller) -> io::Result<BorrowedFd<'_>> {
        match &self.layout {
            Layout::V2 { folder, .. } => Ok(folder.as_fd()),
            Layout::V1(hierarchies) => hierarchies
                .iter()
                .find(|hierarchy| hierarchy.controllers.contains(&controller))
                .map(|hierarchy| hierarchy.folder.as_fd())
                .ok_or_else(|| io::Error::other(format!("the group has no controller {controller:?}"))),
        }
    }
}

fn unless_absent(outcome: io::Result<()>) -> io::Result<()> {
    match outcome {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        outcome => outcome,
    }
}
