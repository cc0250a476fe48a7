//! The cgroup of the box this process is in, as `/sys/fs/cgroup` shows it read-only.

use std::{
    fs::{self, File},
    path::Path,
};

use super::counters::{Counters, Version};

const ROOT: &str = "/sys/fs/cgroup";

/// `None` where the box shows no cgroup of its own.
pub fn of_own_box() -> Option<Counters> {
    let membership = fs::read_to_string("/proc/self/cgroup").ok()?;
    open_below(Path::new(ROOT), &membership)
}

fn open_below(root: &Path, membership: &str) -> Option<Counters> {
    open_v1(root).or_else(|| open_v2(root, membership))
}

/// Each controller's folder shows the box's own group.
fn open_v1(root: &Path) -> Option<Counters> {
    let open = |file: &str| File::open(root.join(file)).ok();
    Some(Counters {
        version: Version::V1,
        cpu: open("cpuacct/cpuacct.usage")?,
        memory: open("memory/memory.stat")?,
        oom: open("memory/memory.oom_control")?,
        pids: open("pids/pids.events")?,
        kernel_memory: open("memory/memory.kmem.usage_in_bytes"),
        highest: open("memory/memory.max_usage_in_bytes"),
    })
}

/// `0::/` in a cgroup namespace of the box's own; else the path below the host's root.
fn open_v2(root: &Path, membership: &str) -> Option<Counters> {
    let own = membership.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let folder = root.join(own);
    let open = |file: &str| File::open(folder.join(file)).ok();
    Some(Counters {
        version: Version::V2,
        cpu: open("cpu.stat")?,
        memory: open("memory.stat")?,
        // The host's root has none of these two, so the host is never taken for the box.
        oom: open("memory.events")?,
        pids: open("pids.events")?,
        kernel_memory: None,
        highest: open("memory.peak"),
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{super::Charge, *};

    /// CPU time, memory, OOM kills and refused processes, from a cgroup file system with these files.
    fn read(files: &[(&str, &str)], membership: &str) -> Option<(Duration, u64, u64, u64)> {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let cgroup = open_below(root.path(), membership)?;
        Some((
            cgroup.cpu().unwrap(),
            cgroup.memory_bytes().unwrap(),
            cgroup.oom_kills().unwrap(),
            cgroup.process_limit_hits().unwrap(),
        ))
    }

    #[test]
    fn version_1_is_read() {
        let files = [
            ("cpuacct/cpuacct.usage", "1500000\n"),
            (
                "memory/memory.stat",
                "cache 900\nrss 100\nrss_huge 7\nshmem 20\ntotal_rss 5000\n",
            ),
            (
                "memory/memory.oom_control",
                "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n",
            ),
            ("pids/pids.events", "max 4\n"),
        ];
        assert_eq!(
            read(&files, "4:memory:/docker/1\n0::/docker/1\n"),
            Some((Duration::from_micros(1500), 120, 3, 4))
        );
    }

    #[test]
    fn version_2_is_read_with_and_without_a_namespace_of_its_own() {
        for folder in ["", "docker/1/"] {
            let files = [
                ("cpu.stat", "usage_usec 1500\nuser_usec 9\n"),
                ("memory.stat", "anon 100\nfile 900\nkernel 50\nshmem 20\n"),
                (
                    "memory.events",
                    "low 0\nmax 8\noom 9\noom_kill 3\noom_group_kill 0\n",
                ),
                ("pids.events", "max 4\n"),
            ];
            let files = files.map(|(name, text)| (format!("{folder}{name}"), text));
            let files = files.each_ref().map(|(name, text)| (name.as_str(), *text));
            let membership = format!("0::/{}\n", folder.trim_end_matches('/'));
            assert_eq!(
                read(&files, &membership),
                Some((Duration::from_micros(1500), 120, 3, 4))
            );
        }
    }

    /// Everything that is charged, and the most that ever was.
    fn charged(files: &[(&str, &str)]) -> (Charge, Option<u64>) {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let cgroup = open_below(root.path(), "0::/\n").unwrap();
        (cgroup.charge().unwrap(), cgroup.highest_charge().unwrap())
    }

    #[test]
    fn parts_of_a_charge_are_told_apart() {
        let parts = Charge {
            memory_bytes: 120,
            page_cache_bytes: 880,
            kernel_bytes: 50,
        };
        let mut version_1 = vec![
            ("cpuacct/cpuacct.usage", "0"),
            ("memory/memory.stat", "cache 900\nrss 100\nshmem 20\n"),
            ("memory/memory.oom_control", ""),
            ("pids/pids.events", ""),
            ("memory/memory.kmem.usage_in_bytes", "50\n"),
        ];
        let mut version_2 = vec![
            ("cpu.stat", ""),
            (
                "memory.stat",
                "anon 100\nfile 900\nkernel 50\nkernel_stack 3\nshmem 20\n",
            ),
            ("memory.events", ""),
            ("pids.events", ""),
        ];
        assert_eq!(charged(&version_1), (parts, None));
        assert_eq!(charged(&version_2), (parts, None));
        version_1.push(("memory/memory.max_usage_in_bytes", "2000\n"));
        version_2.push(("memory.peak", "2000\n"));
        assert_eq!(charged(&version_1), (parts, Some(2000)));
        assert_eq!(charged(&version_2), (parts, Some(2000)));
    }

    #[test]
    fn the_hosts_root_is_never_taken_for_the_box() {
        assert_eq!(
            read(
                &[("cpu.stat", "usage_usec 1\n"), ("memory.stat", "anon 1\n")],
                "0::/\n"
            ),
            None
        );
        assert_eq!(read(&[], ""), None);
    }
}
