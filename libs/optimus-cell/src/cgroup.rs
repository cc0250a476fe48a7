//! The counters of the box's own cgroup, version 1 or 2, read-only.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::error::CellError;

const ROOT: &str = "/sys/fs/cgroup";

/// Open counter files. The kernel makes their contents anew for each read at offset 0.
#[derive(Debug)]
pub(crate) struct BoxCgroup {
    version: Version,
    cpu: Counters,
    memory: Counters,
    oom: Counters,
    pids: Counters,
}

#[derive(Debug, Clone, Copy)]
enum Version {
    V1,
    V2,
}

#[derive(Debug)]
struct Counters {
    path: PathBuf,
    file: File,
}

/// Events of the whole box since it was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Events {
    pub(crate) oom_kills: u64,
    pub(crate) process_limit_hits: u64,
}

impl BoxCgroup {
    /// `None` where the box shows no cgroup of its own.
    pub(crate) fn open() -> Option<Self> {
        let membership = fs::read_to_string("/proc/self/cgroup").ok()?;
        Self::open_below(Path::new(ROOT), &membership)
    }

    fn open_below(root: &Path, membership: &str) -> Option<Self> {
        Self::open_v1(root).or_else(|| Self::open_v2(root, membership))
    }

    /// Each controller's folder shows the box's own group.
    fn open_v1(root: &Path) -> Option<Self> {
        Some(Self {
            version: Version::V1,
            cpu: Counters::open(&root.join("cpuacct/cpuacct.usage"))?,
            memory: Counters::open(&root.join("memory/memory.stat"))?,
            oom: Counters::open(&root.join("memory/memory.oom_control"))?,
            pids: Counters::open(&root.join("pids/pids.events"))?,
        })
    }

    /// `0::/` in a cgroup namespace of the box's own; else the path below the host's root.
    fn open_v2(root: &Path, membership: &str) -> Option<Self> {
        let own = membership.lines().find_map(|line| line.strip_prefix("0::/"))?;
        let folder = root.join(own);
        Some(Self {
            version: Version::V2,
            cpu: Counters::open(&folder.join("cpu.stat"))?,
            memory: Counters::open(&folder.join("memory.stat"))?,
            // The host's root has none of these two, so the host is never taken for the box.
            oom: Counters::open(&folder.join("memory.events"))?,
            pids: Counters::open(&folder.join("pids.events"))?,
        })
    }

    /// CPU time of everything that ever ran in the box.
    pub(crate) fn cpu(&self) -> Result<Duration, CellError> {
        self.cpu.read(|text| match self.version {
            Version::V1 => Duration::from_nanos(text.trim().parse().unwrap_or(0)),
            Version::V2 => Duration::from_micros(value(text, "usage_usec")),
        })
    }

    /// Memory that belongs to processes and to files in memory, without the page cache, which the kernel gives back.
    pub(crate) fn memory_bytes(&self) -> Result<u64, CellError> {
        self.memory.read(|text| match self.version {
            Version::V1 => value(text, "rss") + value(text, "shmem"),
            Version::V2 => value(text, "anon") + value(text, "shmem"),
        })
    }

    pub(crate) fn events(&self) -> Result<Events, CellError> {
        Ok(Events {
            oom_kills: self.oom.read(|text| value(text, "oom_kill"))?,
            process_limit_hits: self.pids.read(|text| value(text, "max"))?,
        })
    }
}

impl Counters {
    fn open(path: &Path) -> Option<Self> {
        Some(Self {
            file: File::open(path).ok()?,
            path: path.to_owned(),
        })
    }

    fn read<T>(&self, parse: impl FnOnce(&str) -> T) -> Result<T, CellError> {
        let mut buffer = [0; 8192];
        let read = self
            .file
            .read_at(&mut buffer, 0)
            .map_err(|source| CellError::File {
                operation: "read",
                path: self.path.clone(),
                source,
            })?;
        Ok(parse(std::str::from_utf8(&buffer[..read]).unwrap_or_default()))
    }
}

/// The number behind `key` in lines of `key number`.
fn value(text: &str, key: &str) -> u64 {
    text.lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A cgroup file system with these files, and what is read from it.
    fn read(files: &[(&str, &str)], membership: &str) -> Option<(Duration, u64, Events)> {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let cgroup = BoxCgroup::open_below(root.path(), membership)?;
        Some((
            cgroup.cpu().unwrap(),
            cgroup.memory_bytes().unwrap(),
            cgroup.events().unwrap(),
        ))
    }

    const EVENTS: Events = Events {
        oom_kills: 3,
        process_limit_hits: 4,
    };

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
            Some((Duration::from_micros(1500), 120, EVENTS))
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
                Some((Duration::from_micros(1500), 120, EVENTS))
            );
        }
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

    #[test]
    fn a_key_is_not_taken_for_a_longer_one() {
        let text = "rss_huge 7\nrss 12\noom_kill_disable 0\noom_kill 3\nbad x\n";
        assert_eq!(value(text, "rss"), 12);
        assert_eq!(value(text, "oom_kill"), 3);
        assert_eq!(value(text, "bad"), 0);
        assert_eq!(value(text, "shmem"), 0);
    }
}
