//! Boxes to test in, made from namespaces and a cgroup of their own.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio, id},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

use optimus_linux::cgroup::{Controller, Group, Removal};
use tempfile::TempDir;

use crate::WAY;

/// How a box keeps its runs apart. Each suite has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(dead_code, reason = "each suite has one of them")]
pub(crate) enum Way {
    /// By UID, as in a container.
    ByUid,
    /// By cells, with UIDs of the guests' own and a cgroup.
    Cells,
    /// By cells whose guests have the agent's UID.
    CellsOfOneUid,
    /// By cells without a cgroup.
    CellsWithoutGroup,
}

impl Way {
    /// Whether guests have UIDs that nobody else has.
    pub(crate) fn has_uids(self) -> bool {
        self != Self::CellsOfOneUid
    }

    /// Whether what a run has left in files is removed one by one.
    pub(crate) fn clears_up(self) -> bool {
        self == Self::ByUid
    }

    /// Whether a cgroup counts what only the kernel sees: refused processes, its own kills, files in memory.
    pub(crate) fn has_group(self) -> bool {
        self != Self::CellsWithoutGroup
    }
}

/// Processes of one box, the agent's own included.
pub(crate) const PROCESSES: u32 = 64;
/// Memory of one box.
pub(crate) const MEMORY: u64 = 512 << 20;
/// Size of each writable file system of a cell, as `box.sh` has it for boxes.
const DISK: u64 = 96 << 20;

/// The box's cgroup.
#[derive(Debug)]
struct Cgroup {
    root: Group,
    name: String,
    /// Folders of the group, with their controllers; one without a name on version 2.
    folders: Vec<(&'static str, PathBuf)>,
}

impl Cgroup {
    fn make(name: String) -> Self {
        let at = Path::new("/sys/fs/cgroup");
        let controllers = [
            ("cpu", Controller::Cpu),
            ("cpuacct", Controller::Cpuacct),
            ("memory", Controller::Memory),
            ("pids", Controller::Pids),
        ];
        let (root, folders) = if at.join("memory").is_dir() {
            let folders = controllers.map(|(folder, controller)| (controller, at.join(folder)));
            let own = controllers.map(|(controller, _)| (controller, at.join(controller).join(&name)));
            (Group::open_v1(&folders), own.into())
        } else {
            (Group::open_v2(at), vec![("", at.join(&name))])
        };
        let root = root.expect("these tests need a cgroup file system");
        let group = root
            .create(&name)
            .expect("these tests need root and a writable cgroup file system");
        group.set_memory(MEMORY).expect("a limit can be set");
        Self { root, name, folders }
    }

    fn group(&self) -> Group {
        self.root.open(&self.name).expect("the group is there")
    }

    /// Shell commands that put the shell itself into this part of the group.
    fn entering(&self, part: &str) -> String {
        let enter = self
            .folders
            .iter()
            .map(|(_, folder)| format!("echo $$ > {}/{part}/cgroup.procs\n", folder.display()));
        enter.collect()
    }

    /// Commands, in the box's mount namespace, that mount the cgroup read-only at `at`.
    fn mounts(&self, at: &Path) -> String {
        let at = at.display();
        if let [("", only)] = &self.folders[..] {
            let only = only.display();
            return format!("mount --bind {only} {at}\nmount -o remount,bind,ro {at}\n");
        }
        let mount = |(controller, folder): &(&str, PathBuf)| {
            let target = format!("{at}/{controller}");
            format!(
                "mkdir {target}\nmount --bind {} {target}\nmount -o remount,bind,ro {target}\n",
                folder.display()
            )
        };
        let mounts: String = self.folders.iter().map(mount).collect();
        format!("mount -t tmpfs cgroups {at}\n{mounts}mount -o remount,ro {at}\n")
    }

    /// The command that enters the box, and makes cells of this group in it. Root of the box is UID `base`.
    fn resources(&self, base: u32) -> Vec<String> {
        let (uids, group) = match WAY {
            Way::ByUid | Way::Cells => ("own", self.argument()),
            Way::CellsOfOneUid => ("agent", self.argument()),
            Way::CellsWithoutGroup => ("own", "none".to_owned()),
        };
        let program = env!("CARGO_BIN_EXE_optimus-test-box").to_owned();
        vec![
            program,
            uids.to_owned(),
            DISK.to_string(),
            base.to_string(),
            group,
        ]
    }

    fn argument(&self) -> String {
        if let [("", only)] = &self.folders[..] {
            return only.display().to_string();
        }
        let parts: Vec<_> = self
            .folders
            .iter()
            .map(|(controller, folder)| format!("{controller}={}", folder.display()))
            .collect();
        parts.join(",")
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(10);
        // Busy until the kernel has buried the last process.
        while self.root.remove(&self.name).expect("a group can be removed") == Removal::Busy {
            assert!(
                Instant::now() < deadline,
                "processes of the box are left in {}",
                self.name
            );
            thread::yield_now();
        }
    }
}

/// A control group beside the boxes'.
#[derive(Debug)]
pub(crate) struct Neighbour(Cgroup);

impl Neighbour {
    pub(crate) fn make() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        Self(Cgroup::make(format!("optimus-agent-crowd-{}-{number}", id())))
    }

    /// Shell commands that put the shell itself into it.
    pub(crate) fn entering(&self) -> String {
        self.0.entering(".")
    }
}

/// A started box. Dropping it kills everything inside.
#[derive(Debug)]
pub(crate) struct TestBox {
    pub(crate) child: Child,
    cgroup: Cgroup,
    _folder: TempDir,
}

impl TestBox {
    pub(crate) fn start() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let cgroup = Cgroup::make(format!("optimus-agent-test-{}-{number}", id()));
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (root, cgroups) = (folder.path().join("root"), folder.path().join("cgroups"));
        for path in [&root, &cgroups] {
            fs::create_dir(path).expect("a temporary folder");
        }
        // No two boxes at the same time share a UID.
        let base = 500_000_000 + id() % 10_000 * 10_000 + number * 16;
        let (entering, mounts, namespace, command) = if WAY == Way::ByUid {
            let group = cgroup.group();
            group.set_processes(PROCESSES.into()).expect("a limit can be set");
            // After the shell has joined its group, so that the box sees itself at the root.
            (
                cgroup.entering("."),
                cgroup.mounts(&cgroups),
                "--cgroup",
                Vec::new(),
            )
        } else {
            let group = cgroup.group();
            group.create("agent").expect("a group can be made");
            group.delegate(base, base).expect("a group can be delegated");
            // The agent's group must not be a root: it could not leave it to enter its cells' groups.
            (
                cgroup.entering("agent"),
                String::new(),
                "",
                cgroup.resources(base),
            )
        };
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let inner = format!("set -eu\n{mounts}exec sh \"$@\"");
        let script = format!(
            "set -eu\n{entering}exec unshare --mount --pid --net --ipc --uts {namespace} --fork --kill-child=KILL \
             sh -c '{inner}' sh \"$@\"",
        );
        let child = Command::new("sh")
            .args(["-c", &script, "sh"])
            .arg(here.join("tests/agent/box.sh"))
            .arg(&root)
            .arg(env!("CARGO_BIN_EXE_optimus-runner"))
            .arg(here.join("../../dockerfiles/runner.sh"))
            .arg(&cgroups)
            .args(command)
            .env("OPTIMUS_TEST_SECRET", "of the agent's environment")
            .env("OPTIMUS_TEST_OWNER", base.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("these tests need unshare(1)");
        Self {
            child,
            cgroup,
            _folder: folder,
        }
    }
}

#[allow(dead_code, reason = "not every suite looks so closely")]
impl TestBox {
    /// The box's first process, by its number on the host.
    pub(crate) fn agent(&self) -> u32 {
        let unshare = self.child.id();
        let children = fs::read_to_string(format!("/proc/{unshare}/task/{unshare}/children"));
        children
            .expect("the box lives")
            .split_whitespace()
            .next()
            .and_then(|child| child.parse().ok())
            .expect("unshare has one child")
    }

    /// The box's processes of this program, by their numbers on the host.
    pub(crate) fn running(&self, program: &str) -> Vec<i32> {
        let mut processes = optimus_testkit::cgroups::processes(&self.cgroup.name);
        processes.retain(|pid| {
            let name = fs::read_to_string(format!("/proc/{pid}/comm"));
            name.is_ok_and(|name| name.trim() == program)
        });
        processes
    }

    /// Groups below the box's.
    pub(crate) fn groups(&self) -> Vec<String> {
        self.cgroup.group().names().expect("groups can be listed")
    }
}

impl Drop for TestBox {
    fn drop(&mut self) {
        // Kills `unshare`, and with it PID 1 of the box and so everything inside.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
