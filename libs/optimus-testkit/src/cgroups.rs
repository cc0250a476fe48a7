//! Control groups as they are seen from outside.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use optimus_linux::cgroup::{Controller, Group};
use rustix::process::{Pid, Signal, kill_process};

const V1: [(Controller, &str); 4] = [
    (Controller::Pids, "pids"),
    (Controller::Memory, "memory"),
    (Controller::Cpu, "cpu"),
    (Controller::Cpuacct, "cpuacct"),
];

fn mounted(hierarchy: &str) -> PathBuf {
    Path::new("/sys/fs/cgroup").join(hierarchy)
}

fn is_v2() -> bool {
    mounted("cgroup.controllers").exists()
}

/// The folders of a group, given as a path below each hierarchy's root.
pub fn folders(path: &str) -> Vec<PathBuf> {
    let path = path.trim_start_matches('/');
    if is_v2() {
        vec![mounted("").join(path)]
    } else {
        V1.map(|(_, name)| mounted(name).join(path)).into()
    }
}

/// Makes a group below the root.
pub fn make(name: &str) -> Group {
    root().create(name).unwrap()
}

pub fn remove(name: &str) {
    root().remove(name).unwrap();
}

fn root() -> Group {
    if is_v2() {
        Group::open_v2(&mounted("")).unwrap()
    } else {
        Group::open_v1(&V1.map(|(controller, name)| (controller, mounted(name)))).unwrap()
    }
}

/// Whether anything is left of a group in any hierarchy.
pub fn exists(path: &str) -> bool {
    folders(path).iter().any(|folder| folder.exists())
}

/// Boxes of the workers below a base: of one, or of all.
pub fn boxes(base: &str, worker: Option<&str>) -> Vec<String> {
    let mut boxes = Vec::new();
    for workers in names(&folders(base)[0]) {
        if worker.is_none_or(|worker| workers.ends_with(worker)) {
            let folder = folders(&format!("{base}/{workers}")).remove(0);
            boxes.extend(names(&folder).into_iter().filter_map(|name| {
                // Groups made ahead have no limit yet.
                let limit = fs::read_to_string(folder.join(&name).join("pids.max")).ok()?;
                (name.starts_with("box-") && limit.trim() != "max").then(|| format!("{workers}/{name}"))
            }));
        }
    }
    boxes
}

/// Names of the groups right below this one in any hierarchy.
pub fn below(path: &str) -> Vec<String> {
    let mut all: Vec<_> = folders(path).iter().flat_map(|folder| names(folder)).collect();
    all.sort();
    all.dedup();
    all
}

fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    entries
        .map(Result::unwrap)
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect()
}

/// Process ids in a group and those below, in the first hierarchy.
pub fn processes(path: &str) -> Vec<i32> {
    fn collect(folder: &Path, found: &mut Vec<i32>) -> io::Result<()> {
        let listed = fs::read_to_string(folder.join("cgroup.procs"))?;
        found.extend(listed.lines().map(|line| line.parse::<i32>().unwrap()));
        names(folder)
            .iter()
            .try_for_each(|name| collect(&folder.join(name), found))
    }
    let mut found = Vec::new();
    // It may vanish meanwhile.
    collect(&folders(path)[0], &mut found).ok();
    found
}

pub fn kill(path: &str) {
    for process in processes(path) {
        // It may have died meanwhile.
        kill_process(Pid::from_raw(process).unwrap(), Signal::KILL).ok();
    }
}
