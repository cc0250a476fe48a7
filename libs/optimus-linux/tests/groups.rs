//! Control groups: those of this machine, and the file formats of version 2 in plain folders.
//!
//! It takes root and a writable cgroup file system.
#![cfg(target_os = "linux")]

use std::{
    fs,
    os::unix::{fs::MetadataExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, id},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use optimus_linux::cgroup::{Controller, Group, Removal};

/// A group of this machine's, and the group it was made in.
struct Real {
    root: Group,
    name: String,
    group: Group,
    /// Where the kernel shows the group's memory and processes.
    folder: PathBuf,
}

impl Real {
    fn make() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let at = Path::new("/sys/fs/cgroup");
        let name = format!(
            "optimus-group-test-{}-{}",
            id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let (root, folder) = if at.join("memory").is_dir() {
            let folders = [
                (Controller::Cpu, at.join("cpu")),
                (Controller::Cpuacct, at.join("cpuacct")),
                (Controller::Memory, at.join("memory")),
                (Controller::Pids, at.join("pids")),
            ];
            (Group::open_v1(&folders), at.join("memory").join(&name))
        } else {
            (Group::open_v2(at), at.join(&name))
        };
        let root = root.expect("these tests need a cgroup file system");
        let group = root
            .create(&name)
            .expect("these tests need root and a writable cgroup file system");
        Self {
            root,
            name,
            group,
            folder,
        }
    }

    fn file(&self, names: &[&str]) -> String {
        let path = names
            .iter()
            .map(|name| self.folder.join(name))
            .find(|path| path.exists())
            .expect("the group has this file");
        fs::read_to_string(path)
            .expect("a file of the group")
            .trim()
            .to_owned()
    }

    /// Starts a program inside.
    fn spawn(&self, script: &str) -> Child {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        let group: *const Group = &raw const self.group;
        let group = group as usize;
        // SAFETY: entering allocates nothing, and the group outlives the call: `spawn` returns after it.
        unsafe {
            command.pre_exec(move || Ok((*(group as *const Group)).enter()?));
        }
        command.spawn().expect("a shell can be started")
    }

    fn removed(&self) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.root.remove(&self.name).expect("it can be removed") == Removal::Busy {
            assert!(Instant::now() < deadline, "somebody is left in {}", self.name);
            std::thread::yield_now();
        }
        assert!(!self.folder.exists());
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        let _ = self.group.kill();
        self.removed();
    }
}

#[test]
fn limits_are_the_kernels_own_and_can_be_raised_and_lowered() {
    let real = Real::make();
    for bytes in [64 << 20, 512 << 20, 32 << 20_u64] {
        real.group.set_memory(bytes).unwrap();
        assert_eq!(
            real.file(&["memory.max", "memory.limit_in_bytes"]),
            bytes.to_string()
        );
        let with_swap = real.file(&["memory.swap.max", "memory.memsw.limit_in_bytes"]);
        assert!(with_swap == "0" || with_swap == bytes.to_string(), "{with_swap}");
    }
    real.group.set_processes(7).unwrap();
    real.group.set_cpus(0.5).unwrap();
    real.group.set_cpus(2.0).unwrap();
}

#[test]
fn what_runs_inside_is_counted_and_limited() {
    let real = Real::make();
    real.group.set_processes(3).unwrap();
    let counters = real.group.counters().unwrap();
    assert_eq!(counters.cpu().unwrap(), Duration::ZERO);
    let script = "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done
        (sleep 0 & sleep 0 & sleep 0 & sleep 0 & sleep 0 & wait) 2>&-; kill -STOP $$";
    let mut child = real.spawn(script);
    let deadline = Instant::now() + Duration::from_secs(10);
    while counters.process_limit_hits().unwrap() == 0 {
        assert!(Instant::now() < deadline, "nothing was refused");
        std::thread::yield_now();
    }
    assert!(counters.cpu().unwrap() > Duration::ZERO);
    let pid = i32::try_from(child.id()).unwrap();
    assert!(real.group.processes().unwrap().contains(&pid));
    real.group.kill().unwrap();
    assert!(!child.wait().unwrap().success());
    assert_eq!(counters.oom_kills().unwrap(), 0);
}

#[test]
fn killing_reaches_groups_below_and_a_bomb_that_forks_against_it() {
    let real = Real::make();
    let below = real.group.create("below").unwrap();
    let deeper = below.create("deeper").unwrap();
    deeper.set_processes(50).unwrap();
    let mut child = Real {
        root: real.root.open(&real.name).unwrap(),
        name: "below".to_owned(),
        group: deeper,
        folder: real.folder.join("below"),
    };
    let mut bomb = child.spawn("while :; do (sleep 1000 & sleep 1000 &); done 2>&-");
    let counters = child.group.counters().unwrap();
    while counters.process_limit_hits().unwrap() == 0 {
        std::thread::yield_now();
    }
    assert_eq!(real.root.remove(&real.name).unwrap(), Removal::Busy);
    real.group.kill().unwrap();
    bomb.wait().unwrap();
    child.group = real.group.open("below").unwrap();
    assert_eq!(real.group.names().unwrap(), ["below"]);
    child.removed();
    assert_eq!(real.group.names().unwrap(), [] as [&str; 0]);
}

#[test]
fn a_delegated_group_belongs_to_its_user() {
    let real = Real::make();
    real.group.delegate(12_345, 23_456).unwrap();
    for file in ["", "cgroup.procs"] {
        let data = fs::metadata(real.folder.join(file)).unwrap();
        assert_eq!((data.uid(), data.gid()), (12_345, 23_456), "{file:?}");
    }
    for file in ["memory.limit_in_bytes", "memory.max"] {
        if let Ok(data) = fs::metadata(real.folder.join(file)) {
            assert_eq!(data.uid(), 0, "the limits stay ours");
        }
    }
}

#[test]
fn controllers_mounted_together_are_one_folder() {
    let root = tempfile::tempdir().unwrap();
    let both = root.path().join("cpu,cpuacct");
    fs::create_dir(&both).unwrap();
    std::os::unix::fs::symlink("cpu,cpuacct", root.path().join("cpu")).unwrap();
    let group = Group::open_v1(&[
        (Controller::Cpu, root.path().join("cpu/.")),
        (Controller::Cpuacct, both.clone()),
    ])
    .unwrap();
    group.create("one").unwrap();
    assert!(both.join("one").is_dir());
    assert_eq!(group.remove("one").unwrap(), Removal::Done);
    assert!(group.set_memory(1).is_err(), "there is no memory controller");
}

#[test]
fn huge_pages_are_forbidden_where_they_are_limited() {
    let root = tempfile::tempdir().unwrap();
    let write = |name: &str| fs::write(root.path().join(name), "max\n").unwrap();
    let read = |name: &str| fs::read_to_string(root.path().join(name)).unwrap();
    let second = ["hugetlb.2MB.max", "hugetlb.2MB.rsvd.max", "hugetlb.1GB.max"];
    let first = ["hugetlb.2MB.limit_in_bytes", "hugetlb.2MB.rsvd.limit_in_bytes"];
    let others = ["hugetlb.2MB.current", "memory.max", "memory.limit_in_bytes"];
    second
        .iter()
        .chain(&first)
        .chain(&others)
        .for_each(|name| write(name));
    Group::open_v2(root.path()).unwrap().forbid_huge_pages().unwrap();
    assert!(second.iter().all(|name| read(name).starts_with('0')));
    assert!(first.iter().chain(&others).all(|name| read(name) == "max\n"));

    let with = |controller| Group::open_v1(&[(controller, root.path().to_owned())]).unwrap();
    with(Controller::Pids).forbid_huge_pages().unwrap();
    assert!(first.iter().all(|name| read(name) == "max\n"), "there is none");
    with(Controller::HugePages).forbid_huge_pages().unwrap();
    assert!(first.iter().all(|name| read(name).starts_with('0')));
    assert!(others.iter().all(|name| read(name) == "max\n"));
}

#[test]
fn a_group_that_is_there_in_one_hierarchy_is_made_in_the_others() {
    let root = tempfile::tempdir().unwrap();
    let (pids, huge) = (root.path().join("pids"), root.path().join("hugetlb"));
    fs::create_dir_all(pids.join("ours")).unwrap();
    fs::create_dir(&huge).unwrap();
    let folders = [(Controller::Pids, pids), (Controller::HugePages, huge.clone())];
    let group = Group::open_v1(&folders).unwrap();
    assert!(group.create("ours").is_err(), "it is no new one");
    group.ensure("ours").unwrap();
    assert!(huge.join("ours").is_dir());
    group.ensure("ours").unwrap();
}

/// A plain folder with the files of a group of version 2.
fn version_2(folder: &Path, controllers: &str) {
    let files = [
        ("cgroup.controllers", controllers),
        ("cgroup.subtree_control", ""),
        ("cgroup.procs", ""),
        ("cgroup.threads", ""),
        ("cgroup.kill", ""),
        ("memory.max", "max\n"),
        ("memory.swap.max", "max\n"),
        ("pids.max", "max\n"),
        ("cpu.max", "max 100000\n"),
        ("cpu.stat", "usage_usec 1500\nuser_usec 9\n"),
        ("memory.stat", "anon 100\nfile 900\nkernel 50\nshmem 20\n"),
        (
            "memory.events",
            "low 0\nmax 8\noom 9\noom_kill 3\noom_group_kill 0\n",
        ),
        ("pids.events", "max 4\n"),
    ];
    for (name, text) in files {
        fs::write(folder.join(name), text).expect("a temporary folder");
    }
}

#[test]
fn version_2_is_written_as_its_kernel_reads_it() {
    let root = tempfile::tempdir().unwrap();
    version_2(root.path(), "cpuset cpu io memory pids\n");
    let group = Group::open_v2(root.path()).unwrap();
    let file = |name: &str| fs::read_to_string(root.path().join(name)).unwrap();

    group.set_memory(1 << 20).unwrap();
    group.set_processes(64).unwrap();
    group.set_cpus(1.5).unwrap();
    group.enter().unwrap();
    group.kill().unwrap();
    group.delegate(1, 2).unwrap();
    assert!(file("memory.max").starts_with("1048576"));
    assert!(file("memory.swap.max").starts_with('0'));
    assert!(file("pids.max").starts_with("64"));
    assert!(file("cpu.max").starts_with("150000 100000"));
    assert_eq!(
        (file("cgroup.procs"), file("cgroup.kill")),
        ("0".into(), "1".into())
    );
    for name in ["cgroup.procs", "cgroup.threads", "cgroup.subtree_control"] {
        let data = fs::metadata(root.path().join(name)).unwrap();
        assert_eq!((data.uid(), data.gid()), (1, 2), "{name}");
    }
    assert!(group.clone_into_fd().is_some());

    let counters = group.counters().unwrap();
    assert_eq!(counters.cpu().unwrap(), Duration::from_micros(1500));
    assert_eq!(counters.memory_bytes().unwrap(), 120);
    assert_eq!(counters.oom_kills().unwrap(), 3);
    assert_eq!(counters.process_limit_hits().unwrap(), 4);
}

#[test]
fn a_group_below_gets_the_controllers_there_are() {
    for (available, shared_out) in [
        ("cpuset cpu io memory pids\n", "+cpu +memory +pids"),
        ("memory pids\n", "+memory +pids"),
        ("\n", ""),
    ] {
        let root = tempfile::tempdir().unwrap();
        version_2(root.path(), available);
        let group = Group::open_v2(root.path()).unwrap();
        group.create("below").unwrap();
        assert!(root.path().join("below").is_dir());
        let told = fs::read_to_string(root.path().join("cgroup.subtree_control")).unwrap();
        assert_eq!(told, shared_out);
        assert!(group.create("below").is_err(), "it is there already");
    }
}

#[test]
fn a_kernel_without_swap_accounting_is_no_obstacle() {
    let root = tempfile::tempdir().unwrap();
    version_2(root.path(), "memory\n");
    fs::remove_file(root.path().join("memory.swap.max")).unwrap();
    Group::open_v2(root.path()).unwrap().set_memory(1 << 20).unwrap();
}
