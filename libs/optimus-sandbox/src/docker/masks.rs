//! What of `/proc` and `/sys` a container does not see: all that tells one host from another, or counts what others do there.
//!
//! Both are lists of what stays. What is covered are the names found in this process' own, whose kernel is the engine's as a
//! rule, and names that are known: engines may be elsewhere. A name that is not there takes an engine no time worth a word.

use std::fs;

use optimus_common::weaken;
use optimus_linux::proc_view::{FACTS_OF_THE_HOST, stays};

/// What engines cover by themselves, as long as they are not told what to cover.
const USUALLY_MASKED: [&str; 12] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];

/// Of `/sys` only the control groups stay: the agent measures by them, and runtimes look up limits there. Which of their
/// files guests read, the agent says. Whatever else runtimes look for, such as the number of processors, they find in
/// `/proc` or by a system call, as in native boxes, which have no `/sys`.
const STAYS_IN_SYS: &str = "fs";
const STAYS_IN_SYS_FS: &str = "cgroup";

/// What there is beside, in `/sys` and in `/sys/fs`.
const KNOWN_IN_SYS: [&str; 10] = [
    "block",
    "bus",
    "class",
    "dev",
    "devices",
    "firmware",
    "hypervisor",
    "kernel",
    "module",
    "power",
];
const KNOWN_IN_SYS_FS: [&str; 13] = [
    "bcachefs", "bpf", "btrfs", "erofs", "ext4", "f2fs", "fuse", "nfs", "pstore", "resctrl", "selinux",
    "tmpfs", "xfs",
];

/// Paths for the engine to cover.
pub(super) fn masked_paths() -> Vec<String> {
    let mut all: Vec<_> = USUALLY_MASKED.iter().map(ToString::to_string).collect();
    if !weaken::is_off("proc-masks") {
        // The JVM learns from `cgroups` that it is in a container.
        let stays = |name: &str| name == "cgroups" || stays(name);
        all.extend(all_but(stays, "/proc", &FACTS_OF_THE_HOST));
    }
    if !weaken::is_off("sys-masks") {
        all.extend(all_but(|name| name == STAYS_IN_SYS, "/sys", &KNOWN_IN_SYS));
        all.extend(all_but(
            |name| name == STAYS_IN_SYS_FS,
            "/sys/fs",
            &KNOWN_IN_SYS_FS,
        ));
        // One of the usual paths, which lies below `/sys/devices`, and that is covered whole.
        all.retain(|path| path != "/sys/devices/virtual/powercap");
    }
    all.sort_unstable();
    all.dedup();
    all
}

/// The paths of all entries of a folder but those that stay: names that are known, and those that the folder has on this machine.
fn all_but(stays: impl Fn(&str) -> bool, folder: &str, known: &[&str]) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let found = entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| !stays(name));
    let known = known.iter().map(ToString::to_string);
    known
        .chain(found)
        .map(|name| format!("{folder}/{name}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_control_groups_stay_in_sys() {
        let masked = masked_paths();
        let is_covered = |path: &str| masked.iter().any(|masked| masked == path);
        for folder in ["/sys", "/sys/fs"] {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                let path = path.to_str().unwrap();
                let stays = ["/sys/fs", "/sys/fs/cgroup"].contains(&path);
                assert_eq!(is_covered(path), !stays, "{path}");
            }
        }
        assert!(is_covered("/sys/kernel") && is_covered("/sys/fs/ext4"));
        assert!(!is_covered("/proc/cpuinfo") && is_covered("/proc/diskstats"));
    }
}
