//! What a control group counts, through files that stay open.

use std::{
    ffi::CStr,
    fs::File,
    io,
    os::{fd::OwnedFd, unix::fs::FileExt},
    time::Duration,
};

/// Open counter files of one group. The kernel makes their contents anew for each read at offset 0.
#[derive(Debug)]
pub struct Counters {
    pub(super) version: Version,
    pub(super) cpu: File,
    pub(super) memory: File,
    pub(super) oom: File,
    pub(super) pids: File,
    /// What the kernel's own memory is for this group; of version 2 it is with the rest.
    pub(super) kernel_memory: Option<File>,
    /// The highest charge; `None` where the kernel keeps none: version 2 before Linux 5.19. Where it can be written to,
    /// it can be forgotten.
    pub(super) highest: Option<File>,
}

/// What a group is charged for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Charge {
    /// Memory that belongs to processes and to files in memory.
    pub memory_bytes: u64,
    /// Page cache of other files, which the kernel gives back.
    pub page_cache_bytes: u64,
    /// Page tables, stacks of threads, and whatever else the kernel keeps for the processes.
    pub kernel_bytes: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    V1,
    V2,
}

/// Names of the four files, in the order of the fields of [`Counters`].
pub(super) const FILES_V1: [&CStr; 4] = [
    c"cpuacct.usage",
    c"memory.stat",
    c"memory.oom_control",
    c"pids.events",
];
pub(super) const FILES_V2: [&CStr; 4] = [c"cpu.stat", c"memory.stat", c"memory.events", c"pids.events"];

pub(super) const KERNEL_MEMORY_V1: &CStr = c"memory.kmem.usage_in_bytes";
pub(super) const HIGHEST_V1: &CStr = c"memory.max_usage_in_bytes";
pub(super) const HIGHEST_V2: &CStr = c"memory.peak";

impl Counters {
    pub(super) fn new(
        version: Version,
        files: [OwnedFd; 4],
        kernel_memory: Option<OwnedFd>,
        highest: Option<OwnedFd>,
    ) -> Self {
        let [cpu, memory, oom, pids] = files.map(File::from);
        Self {
            version,
            cpu,
            memory,
            oom,
            pids,
            kernel_memory: kernel_memory.map(File::from),
            highest: highest.map(File::from),
        }
    }

    /// CPU time of everything that ever ran in the group.
    pub fn cpu(&self) -> io::Result<Duration> {
        read(&self.cpu, |text| match self.version {
            Version::V1 => Duration::from_nanos(text.trim().parse().unwrap_or(0)),
            Version::V2 => Duration::from_micros(value(text, "usage_usec")),
        })
    }

    /// Memory that belongs to processes and to files in memory, without the page cache, which the kernel gives back.
    pub fn memory_bytes(&self) -> io::Result<u64> {
        Ok(self.charge()?.memory_bytes)
    }

    /// Everything it is charged for at this moment. The kernel may be some MiB behind with the parts of a group that
    /// grows.
    pub fn charge(&self) -> io::Result<Charge> {
        let kernel = self.kernel_memory.as_ref().map(number).transpose()?;
        read(&self.memory, |text| {
            let (own, files, shared) = match self.version {
                Version::V1 => ("rss", "cache", "shmem"),
                Version::V2 => ("anon", "file", "shmem"),
            };
            let shared = value(text, shared);
            Charge {
                memory_bytes: value(text, own) + shared,
                page_cache_bytes: value(text, files).saturating_sub(shared),
                kernel_bytes: kernel.unwrap_or_else(|| value(text, "kernel")),
            }
        })
    }

    /// The most it was charged for at any moment since that was last forgotten, all parts together.
    pub fn highest_charge(&self) -> io::Result<Option<u64>> {
        self.highest.as_ref().map(number).transpose()
    }

    /// Begins anew with the highest charge, where this process may: version 2 needs Linux 6.12.
    pub fn forget_highest_charge(&self) {
        if let Some(highest) = &self.highest {
            // Whoever needs to know sees it by the number that is still there.
            let _ = highest.write_at(b"0", 0);
        }
    }

    /// Processes of the group that the kernel's OOM killer struck.
    pub fn oom_kills(&self) -> io::Result<u64> {
        read(&self.oom, |text| value(text, "oom_kill"))
    }

    /// Times a process or thread was refused for the group's limit.
    pub fn process_limit_hits(&self) -> io::Result<u64> {
        read(&self.pids, |text| value(text, "max"))
    }
}

fn read<T>(file: &File, parse: impl FnOnce(&str) -> T) -> io::Result<T> {
    let mut buffer = [0; 8192];
    let read = file.read_at(&mut buffer, 0)?;
    Ok(parse(std::str::from_utf8(&buffer[..read]).unwrap_or_default()))
}

fn number(file: &File) -> io::Result<u64> {
    read(file, |text| text.trim().parse().unwrap_or(0))
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

    #[test]
    fn a_key_is_not_taken_for_a_longer_one() {
        let text = "rss_huge 7\nrss 12\noom_kill_disable 0\noom_kill 3\nbad x\n";
        assert_eq!(value(text, "rss"), 12);
        assert_eq!(value(text, "oom_kill"), 3);
        assert_eq!(value(text, "bad"), 0);
        assert_eq!(value(text, "shmem"), 0);
    }
}
