//! Which control groups this host has, and where this process may make some.

use std::{
    fs, io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

use optimus_linux::cgroup::{Controller, Group};
use rustix::{
    fs::{Mode, OFlags, open},
    process::{getpid, getppid, getuid},
};

use super::failure::Failure;

/// Where root's boxes get their groups, unless the settings say otherwise.
const OF_ROOT: &str = "/optimus";

/// Version 2: our own processes move here, since a group with processes cannot share its controllers out.
const OUR_PROCESSES: &str = "optimus-processes";

/// What version 1 needs to have mounted, and the file system option that says so.
const CONTROLLERS: [(Controller, &str); 4] = [
    (Controller::Pids, "pids"),
    (Controller::Memory, "memory"),
    (Controller::Cpu, "cpu"),
    (Controller::Cpuacct, "cpuacct"),
];

/// What version 1 may have mounted. An ordinary user is not given it, and needs none: huge pages are refused by a filter too.
const HUGE_PAGES: (Controller, &str) = (Controller::HugePages, "hugetlb");

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Hierarchies {
    /// Of each controller, in the order of [`CONTROLLERS`], and of [`HUGE_PAGES`] where it can be had.
    V1(Vec<(Controller, HierarchyPath)>),
    V2(HierarchyPath),
}

/// A mounted hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HierarchyPath {
    mount_point: PathBuf,
    /// Which of its groups is seen at the mount point.
    root: PathBuf,
    /// The group of this process.
    own: PathBuf,
}

impl Hierarchies {
    pub(super) fn find() -> Result<Self, Failure> {
        let (mounts, memberships) = (read(MOUNTS)?, read(MEMBERSHIPS)?);
        if let Some(place) = unified(&mounts, &memberships) {
            let offered =
                fs::read_to_string(place.mount_point.join("cgroup.controllers")).unwrap_or_default();
            if ["cpu", "memory", "pids"]
                .iter()
                .all(|wanted| offered.split_ascii_whitespace().any(|offered| offered == *wanted))
            {
                return Ok(Self::V2(place));
            }
        }
        let mut places = separate(&mounts, &memberships)?;
        if !getuid().is_root() {
            places.retain(|(controller, _)| *controller != Controller::HugePages);
        }
        Ok(Self::V1(places))
    }

    /// The group below which every worker makes its own. `cgroup` is what the settings say of it.
    pub(super) fn base(&self, cgroup: &Path) -> Result<BaseGroup, Failure> {
        let path = if !cgroup.as_os_str().is_empty() {
            cgroup
        } else if getuid().is_root() {
            Path::new(OF_ROOT)
        } else {
            return self.own();
        };
        let (top, _) = self.open(|place| place.mount_point.clone())?;
        self.based(descend(top, path)?, self.first().below(path))
    }

    /// The group of this process itself, for a user who may not make one elsewhere.
    fn own(&self) -> Result<BaseGroup, Failure> {
        let (group, folder) = match self {
            Self::V1(_) => self.open(HierarchyPath::own)?,
            Self::V2(place) => {
                let own = place.without_our_processes()?;
                self.open(|_| own.clone())?
            }
        };
        self.based(group, folder)
    }

    fn based(&self, group: Group, path: PathBuf) -> Result<BaseGroup, Failure> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = open(&path, flags, Mode::empty())
            .map_err(Failure::at(format_args!("open {}", path.display())))?;
        let version = match self {
            Self::V1(_) => CgroupVersion::V1,
            Self::V2(_) => CgroupVersion::V2,
        };
        Ok(BaseGroup {
            group,
            folder,
            path,
            version,
        })
    }

    /// Opens a group by its folder in each hierarchy, and returns the first of these.
    fn open(&self, folder: impl Fn(&HierarchyPath) -> PathBuf) -> Result<(Group, PathBuf), Failure> {
        let first = folder(self.first());
        let group = match self {
            Self::V2(_) => Group::open_v2(&first),
            Self::V1(places) => {
                let folders: Vec<_> = places
                    .iter()
                    .map(|(controller, place)| (*controller, folder(place)))
                    .collect();
                Group::open_v1(&folders)
            }
        };
        let group = group.map_err(Failure::at(format_args!(
            "open the control group {}",
            first.display()
        )))?;
        Ok((group, first))
    }

    /// The hierarchy whose folders are locked.
    fn first(&self) -> &HierarchyPath {
        match self {
            Self::V1(places) => &places[0].1,
            Self::V2(place) => place,
        }
    }
}

/// The group of this process where version 2 is mounted, with controllers or without.
pub(super) fn own_of_version_2() -> Result<Option<PathBuf>, Failure> {
    Ok(unified(&read(MOUNTS)?, &read(MEMBERSHIPS)?).map(|place| place.own()))
}

const MOUNTS: &str = "/proc/self/mountinfo";
const MEMBERSHIPS: &str = "/proc/self/cgroup";

fn read(file: &str) -> Result<String, Failure> {
    fs::read_to_string(file).map_err(Failure::at(format_args!("read {file}")))
}

/// The group below which every worker makes its own.
#[derive(Debug)]
pub(super) struct BaseGroup {
    pub(super) group: Group,
    /// Its folder in the hierarchy whose folders are locked.
    pub(super) folder: OwnedFd,
    /// The path of that folder, for messages.
    pub(super) path: PathBuf,
    pub(super) version: CgroupVersion,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CgroupVersion {
    V1,
    V2,
}

impl HierarchyPath {
    fn below(&self, path: &Path) -> PathBuf {
        self.mount_point.join(path.strip_prefix("/").unwrap_or(path))
    }

    fn own(&self) -> PathBuf {
        let own = self.own.strip_prefix(&self.root).unwrap_or(&self.own);
        self.below(own)
    }

    /// This process' group, after it and its parent, the worker, have left it for one below.
    fn without_our_processes(&self) -> Result<PathBuf, Failure> {
        let own = self.own();
        if let Some(parent) = own.parent()
            && own.ends_with(OUR_PROCESSES)
        {
            return Ok(parent.to_owned());
        }
        let ours = own.join(OUR_PROCESSES);
        let advice =
            "an ordinary user gets one of its own with `systemd-run --user --scope -p Delegate=yes PROGRAM`";
        match fs::create_dir(&ours) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(Failure::new(format!(
                    "cannot make groups in {}: {error}; {advice}",
                    own.display()
                )));
            }
            _ => {}
        }
        for process in [getppid(), Some(getpid())].into_iter().flatten() {
            fs::write(ours.join("cgroup.procs"), process.as_raw_nonzero().to_string()).map_err(
                Failure::at(format_args!("move this process to {}", ours.display())),
            )?;
        }
        Ok(own)
    }
}

/// Goes down from the root, making what is not there. Where this user may not, it may be there and ready.
fn descend(top: Group, path: &Path) -> Result<Group, Failure> {
    let mut group = top;
    for part in path.iter().skip_while(|part| *part == "/") {
        let name = part.to_string_lossy();
        group = match group.ensure(&name) {
            Ok(made) => made,
            Err(error) => group.open(&name).map_err(|_| {
                Failure::new(format!(
                    "cannot make the control group {}: {error}",
                    path.display()
                ))
            })?,
        };
    }
    Ok(group)
}

/// Where version 2 is mounted.
fn unified(mounts: &str, memberships: &str) -> Option<HierarchyPath> {
    let own = memberships.lines().find_map(|line| line.strip_prefix("0::"))?;
    mounts.lines().find_map(|line| {
        let mount = MountLine::parse(line)?;
        (mount.kind == "cgroup2").then(|| mount.place(own))
    })
}

/// Where the controllers of version 1 are mounted.
fn separate(mounts: &str, memberships: &str) -> Result<Vec<(Controller, HierarchyPath)>, Failure> {
    let find = |name: &str| {
        let lists = |list: &str| list.split(',').any(|listed| listed == name);
        let own = memberships.lines().find_map(|line| {
            let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
            lists(controllers).then_some(path)
        })?;
        mounts.lines().find_map(|line| {
            let mount = MountLine::parse(line)?;
            (mount.kind == "cgroup" && lists(mount.options)).then(|| mount.place(own))
        })
    };
    let mut places = Vec::new();
    for (controller, name) in CONTROLLERS {
        let place = find(name)
            .ok_or_else(|| Failure::new(format!("the controller {name} is mounted in neither version")))?;
        places.push((controller, place));
    }
    let (controller, name) = HUGE_PAGES;
    places.extend(find(name).map(|place| (controller, place)));
    Ok(places)
}

/// A line of `/proc/self/mountinfo`; see `proc_pid_mountinfo(5)`.
struct MountLine<'a> {
    root: &'a str,
    place: &'a str,
    kind: &'a str,
    options: &'a str,
}

impl<'a> MountLine<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (head, tail) = line.split_once(" - ")?;
        let mut head = head.split(' ').skip(3);
        let mut tail = tail.split(' ');
        Some(Self {
            root: head.next()?,
            place: head.next()?,
            kind: tail.next()?,
            options: tail.nth(1)?,
        })
    }

    fn place(&self, own: &str) -> HierarchyPath {
        HierarchyPath {
            mount_point: self.place.into(),
            root: self.root.into(),
            own: own.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const V1: &str = "\
31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:3 - cgroup cgroup rw,memory
39 31 0:36 /docker/1 /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
";
    const MEMBERSHIPS: &str = "4:memory:/m\n3:pids:/docker/1/p\n2:cpu,cpuacct:/\n0::/u\n";

    #[test]
    fn controllers_of_version_1_are_found_where_they_are_mounted() {
        let places = separate(V1, MEMBERSHIPS).unwrap();
        let own: Vec<_> = places.iter().map(|(_, place)| place.own()).collect();
        let expected = ["pids/p", "memory/m", "cpu,cpuacct", "cpu,cpuacct"];
        assert_eq!(own, expected.map(|path| Path::new("/sys/fs/cgroup").join(path)));
    }

    #[test]
    fn huge_pages_are_limited_where_they_can_be() {
        let last = |mounts: &str| {
            separate(
                mounts,
                "5:hugetlb:/\n4:memory:/m\n3:pids:/docker/1/p\n2:cpu,cpuacct:/\n",
            )
            .unwrap()
            .pop()
            .map(|(controller, _)| controller)
        };
        assert_eq!(last(V1), Some(Controller::Cpuacct));
        let with = V1.to_owned() + "42 31 0:39 / /sys/fs/cgroup/hugetlb rw - cgroup cgroup rw,hugetlb\n";
        assert_eq!(last(&with), Some(Controller::HugePages));
    }

    #[test]
    fn a_missing_controller_is_told_by_name() {
        let without = V1.replace("rw,pids", "rw,misc");
        let failure = separate(&without, MEMBERSHIPS).unwrap_err();
        assert!(failure.to_string().contains("pids"), "{failure}");
    }

    #[test]
    fn version_2_is_found_beside_version_1() {
        let place = unified(V1, MEMBERSHIPS).unwrap();
        assert_eq!(place.own(), Path::new("/sys/fs/cgroup/unified/u"));
        assert_eq!(
            place.below(Path::new("/optimus")),
            Path::new("/sys/fs/cgroup/unified/optimus")
        );
    }
}
