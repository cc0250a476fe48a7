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
    /// `None` where the kernel keeps no highest charge: version 2 before Linux 5.19.
    pub(super) charges: Option<Charges>,
}

/// What a group is charged for: memory, page cache, and the kernel's own memory.
#[derive(Debug)]
pub(super) struct Charges {
    pub(super) now: File,
    /// Where it can be written to, the highest one can be forgotten.
    pub(super) highest: File,
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

/// Names of the two files of [`Charges`].
pub(super) const CHARGES_V1: [&CStr; 2] = [c"memory.usage_in_bytes", c"memory.max_usage_in_bytes"];
pub(super) const CHARGES_V2: [&CStr; 2] = [c"memory.current", c"memory.peak"];

impl Counters {
    pub(super) fn new(version: Version, files: [OwnedFd; 4], charges: Option<Charges>) -> Self {
        let [cpu, memory, oom, pids] = files.map(File::from);
        Self {
            version,
            cpu,
            memory,
            oom,
            pids,
            charges,
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
        read(&self.memory, |text| match self.version {
            Version::V1 => value(text, "rss") + value(text, "shmem"),
            Version::V2 => value(text, "anon") + value(text, "shmem"),
        })
    }

    /// What the group is charged for at this moment.
    pub(crate) fn charge(&self) -> io::Result<Option<u64>> {
        self.charges
            .as_ref()
            .map(|charges| number(&charges.now))
            .transpose()
    }

    /// The most it was charged for at any moment, since that was last forgotten.
    pub(crate) fn highest_charge(&self) -> io::Result<Option<u64>> {
        self.charges
            .as_ref()
            .map(|charges| number(&charges.highest))
            .transpose()
    }

    /// Begins anew with the highest charge, where this process may: version 2 needs Linux 6.12.
    pub(crate) fn forget_highest_charge(&self) {
        if let Some(charges) = &self.charges {
            // Whoever needs to know sees it by the number that is still there.
            let _ = charges.highest.write_at(b"0", 0);
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
