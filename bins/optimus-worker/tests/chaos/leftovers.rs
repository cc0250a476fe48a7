//! What is left on this machine of a fleet that has gone.

use std::{fs, path::Path, time::Instant};

use optimus_testkit::{boxes::Boxes, leftovers::Leftovers, waiting::TIMEOUT};
use tokio::time::sleep;

use crate::binaries;

/// Names of the processes in the boxes of a scope.
pub(crate) fn guests(scope: &str) -> Vec<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let folder = entry.path();
        // Either may be gone by now.
        if fs::read_to_string(folder.join("cgroup")).is_ok_and(|groups| groups.contains(scope)) {
            let name = fs::read_to_string(folder.join("comm")).unwrap_or_default();
            names.push(name.trim_end().to_owned());
        }
    }
    names
}

/// Boxes, containers, processes, cgroups and mounts; waits until there are none, but not for ever.
pub(crate) async fn found(scope: &str, dir: &Path, boxes: &Boxes) -> Vec<String> {
    let since = Instant::now();
    loop {
        let found = look(scope, dir, boxes);
        if found.is_empty() || since.elapsed() > TIMEOUT {
            return found;
        }
        sleep(std::time::Duration::from_millis(50)).await;
    }
}

fn look(scope: &str, dir: &Path, boxes: &Boxes) -> Vec<String> {
    let mut found: Vec<_> = boxes
        .owners()
        .iter()
        .map(|owner| format!("box of {owner}"))
        .collect();
    found.extend(of_processes(scope));
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let dir = dir.to_string_lossy();
    let ours = |line: &&str| line.contains(scope) || line.contains(&*dir);
    found.extend(mounts.lines().filter(ours).map(|line| format!("mount {line}")));
    found
}

/// Processes of this suite's binaries, and the boxes' cgroups.
pub(crate) fn of_processes(scope: &str) -> Vec<String> {
    let mut found = Vec::new();
    for binary in binaries::copied() {
        let leftovers = Leftovers {
            binary,
            cgroup: scope,
        };
        found.extend(
            leftovers
                .processes()
                .into_iter()
                .map(|process| format!("process {process}")),
        );
        // What is below the scope belongs to some worker; the scope itself stays as long as the machine is up.
        let cgroups = leftovers.cgroups().into_iter();
        found.extend(cgroups.map(|cgroup| format!("cgroup {}", cgroup.display())));
    }
    found.sort_unstable();
    found.dedup();
    found
}
