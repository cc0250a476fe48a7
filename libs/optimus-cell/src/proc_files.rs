//! What `/proc` says about the processes of one guest.
//!
//! A process belongs to whoever owns its folder there, which is its effective UID. Processes come and go while the
//! folder is read: one that vanishes is skipped. What is read is bytes, not text: a process may give itself any name.

use std::{
    collections::HashMap,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{
    disk_waits::is_wait_for_disk,
    error::CellError,
    guest_id::GuestId,
    leftovers::Leftovers,
    waited::{Waited, io_delay_of_stat, io_is_counted, run_delay_of_schedstat},
};

/// What the living processes of a guest use together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct LivingUsage {
    /// Their own CPU time and that of the children they have waited for.
    pub(crate) cpu: Duration,
    /// Anonymous and shared memory. Pages shared after a `fork` count once for each process.
    pub(crate) memory_bytes: u64,
}

/// Counts the processes of one guest, look by look.
#[derive(Debug, Default)]
pub(crate) struct ProcessCensus {
    /// What each of those that lived at the last look had used by itself.
    living: HashMap<ProcessId, Duration>,
    /// The same of those that have gone since, as they were last seen.
    gone: Duration,
}

/// The number of a process and its start in clock ticks: numbers are used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ProcessId {
    pub(crate) pid: u32,
    pub(crate) start: u64,
}

impl ProcessCensus {
    /// Sums over the guest's processes, in the order of their ids, so that a parent is mostly read before its children:
    /// a child that is waited for in between is then missed, never counted twice.
    pub(crate) fn take(&mut self, guest: GuestId) -> Result<LivingUsage, CellError> {
        let mut sum = LivingUsage::default();
        let mut living = HashMap::with_capacity(self.living.len());
        for process in processes(guest)? {
            if let Some(stat) = fs::read(process.join("stat"))
                .ok()
                .as_deref()
                .and_then(Stat::parse)
            {
                sum.cpu += stat.own_cpu + stat.waited_for_cpu;
                living.insert(stat.identity, stat.own_cpu);
            }
            if let Ok(status) = fs::read(process.join("status")) {
                sum.memory_bytes += memory_of_status(&status);
            }
        }
        self.count(living);
        Ok(sum)
    }

    /// CPU time of the living and of the dead, as far as it was seen. Children that nobody waits for are in no sum of
    /// the kernel's.
    pub(crate) fn seen_cpu(&self) -> Duration {
        self.gone + self.living.values().sum::<Duration>()
    }

    fn count(&mut self, living: HashMap<ProcessId, Duration>) {
        let before = std::mem::replace(&mut self.living, living);
        let gone = before
            .iter()
            .filter(|(process, _)| !self.living.contains_key(process));
        self.gone += gone.map(|(_, cpu)| *cpu).sum::<Duration>();
    }
}

pub(crate) fn has_processes(guest: GuestId) -> Result<Leftovers, CellError> {
    Ok(if processes(guest)?.next().is_some() {
        Leftovers::Some
    } else {
        Leftovers::None
    })
}

/// What is seen of living processes beside what they use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ThreadScan {
    pub(crate) threads: Vec<ThreadWait>,
    /// The most memory of files, such as its own code, that any one process has mapped.
    pub(crate) mapped_bytes: u64,
}

/// How a thread waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ThreadWait {
    pub(crate) thread: u32,
    /// How long it has waited since it began, as the kernel counts it.
    pub(crate) counted: Waited,
    /// Time on a CPU since then.
    pub(crate) ran: Duration,
    /// Whether it waits at this moment for what no signal ends, as a disk.
    pub(crate) is_blocked: bool,
}

impl ThreadWait {
    pub(crate) fn new(thread: u32) -> Self {
        Self {
            thread,
            counted: Waited::default(),
            ran: Duration::ZERO,
            is_blocked: false,
        }
    }

    /// By a thread's entry among those of its process.
    fn of(guest: GuestId, entry: &fs::DirEntry) -> Option<Self> {
        let path = entry.path();
        let stat = fs::read(path.join("stat")).ok()?;
        let schedstat = fs::read_to_string(path.join("schedstat")).ok()?;
        let ran = schedstat.split_ascii_whitespace().next()?.parse().ok()?;
        let counted = Waited {
            for_cpu: run_delay_of_schedstat(&schedstat),
            for_io: io_is_counted().then(|| io_delay_of_stat(&stat)).flatten(),
        };
        Some(Self {
            thread: entry.file_name().to_str()?.parse().ok()?,
            counted,
            ran: Duration::from_nanos(ran),
            is_blocked: state_of_stat(&stat) == Some(b'D') && waits_for_disk(guest, &path),
        })
    }
}

/// Looks at the processes of a guest.
pub(crate) fn scan_threads(guest: GuestId) -> Result<ThreadScan, CellError> {
    Ok(glance_into(guest, processes(guest)?))
}

/// Does what [`scan_threads`] does, for processes whose ids are known.
pub(crate) fn scan_threads_of(guest: GuestId, processes: &[i32]) -> ThreadScan {
    let proc = Path::new("/proc");
    let processes = processes.iter().map(|pid| proc.join(pid.to_string()));
    glance_into(guest, processes)
}

fn glance_into(guest: GuestId, processes: impl Iterator<Item = PathBuf>) -> ThreadScan {
    let mut seen = ThreadScan::default();
    for process in processes {
        if let Ok(status) = fs::read(process.join("status")) {
            seen.mapped_bytes = seen.mapped_bytes.max(bytes_of_status(&status, &[b"RssFile:"]));
        }
        let threads = fs::read_dir(process.join("task")).into_iter().flatten().flatten();
        seen.threads
            .extend(threads.filter_map(|entry| ThreadWait::of(guest, &entry)));
    }
    seen
}

/// A thread that could run, or would if it did not wait for a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RunnableThread {
    pub(crate) thread: u32,
    /// Time on a CPU. Does not grow while it waits. Not told of one that waits for a disk where the kernel does not count
    /// that: it is then believed to have waited from one look to the next.
    pub(crate) ran: u64,
}

/// The threads of a guest that do not sleep.
pub(crate) fn ready(guest: GuestId) -> Result<Vec<RunnableThread>, CellError> {
    Ok(ready_of(guest, processes(guest)?))
}

/// Does what [`ready`] does, for processes whose ids are known.
pub(crate) fn ready_at(guest: GuestId, processes: &[i32]) -> Vec<RunnableThread> {
    let proc = Path::new("/proc");
    let processes = processes.iter().map(|pid| proc.join(pid.to_string()));
    ready_of(guest, processes)
}

fn ready_of(guest: GuestId, processes: impl Iterator<Item = PathBuf>) -> Vec<RunnableThread> {
    let threads = processes
        .filter_map(|process| fs::read_dir(process.join("task")).ok())
        .flat_map(Iterator::flatten);
    let ready = |thread: fs::DirEntry| {
        let path = thread.path();
        let state = state_of_stat(&fs::read(path.join("stat")).ok()?)?;
        let schedstat = fs::read_to_string(path.join("schedstat")).ok()?;
        let ran = schedstat.split_ascii_whitespace().next()?.parse().ok()?;
        let thread = thread.file_name().to_str()?.parse().ok()?;
        match state {
            b'D' if !waits_for_disk(guest, &path) => None,
            b'D' if !io_is_counted() => Some(RunnableThread { thread, ran: 0 }),
            b'R' | b'D' => Some(RunnableThread { thread, ran }),
            _ => None,
        }
    };
    threads.filter_map(ready).collect()
}

/// Whether a thread that no signal reaches waits for a disk, by what it waits in.
fn waits_for_disk(guest: GuestId, thread: &Path) -> bool {
    let place = guest.with_fs_uid(|| fs::read_to_string(thread.join("wchan")));
    is_wait_for_disk(&place.unwrap_or_default())
}

/// Whether a process is dead and not waited for.
pub(crate) fn is_dead(pid: i32) -> bool {
    let stat = fs::read(format!("/proc/{pid}/stat")).unwrap_or_default();
    state_of_stat(&stat) == Some(b'Z')
}

/// The letter behind the name, whose closing parenthesis is the last one of the line.
fn state_of_stat(line: &[u8]) -> Option<u8> {
    let name_end = line.iter().rposition(|byte| *byte == b')')?;
    line.get(name_end + 2).copied()
}

fn processes(guest: GuestId) -> Result<impl Iterator<Item = PathBuf>, CellError> {
    let path = Path::new("/proc");
    let folder = fs::read_dir(path).map_err(|source| CellError::File {
        operation: "list",
        path: path.to_owned(),
        source,
    })?;
    Ok(folder.flatten().filter_map(move |entry| {
        entry
            .file_name()
            .to_str()?
            .bytes()
            .all(|b| b.is_ascii_digit())
            .then_some(())?;
        (entry.metadata().ok()?.uid() == guest.as_raw()).then(|| entry.path())
    }))
}

/// What `/proc/<pid>/stat` says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) identity: ProcessId,
    pub(crate) own_cpu: Duration,
    /// Of the children it has waited for, with theirs.
    pub(crate) waited_for_cpu: Duration,
}

impl Stat {
    /// The process' number is the first field; `utime`, `stime`, `cutime` and `cstime` are fields 14 to 17, and the
    /// start is field 22. The second field is the program's name, which may contain anything; its closing parenthesis
    /// is the last one of the line.
    pub(crate) fn parse(line: &[u8]) -> Option<Self> {
        let name_end = line.iter().rposition(|byte| *byte == b')')?;
        let pid = line.split(|byte| *byte == b' ').next()?;
        let pid = str::from_utf8(pid).ok()?.parse().ok()?;
        let fields: Vec<u64> = str::from_utf8(&line[name_end + 1..])
            .ok()?
            .split_ascii_whitespace()
            .skip(11)
            .take(9)
            .filter_map(|n| n.parse().ok())
            .collect();
        let [user, system, waited_user, waited_system, .., start] = fields[..] else {
            return None;
        };
        let time = |own: u64, of_system: u64| {
            let ticks = own.saturating_add(of_system);
            Duration::from_millis(ticks.saturating_mul(1000) / rustix::param::clock_ticks_per_second())
        };
        Some(Self {
            identity: ProcessId { pid, start },
            own_cpu: time(user, system),
            waited_for_cpu: time(waited_user, waited_system),
        })
    }
}

/// Anonymous and shared memory.
pub(crate) fn memory_of_status(status: &[u8]) -> u64 {
    bytes_of_status(status, &[b"RssAnon:", b"RssShmem:"])
}

/// The bytes that the lines with these keys, which are in KiB, stand for together.
fn bytes_of_status(status: &[u8], keys: &[&[u8]]) -> u64 {
    status
        .split(|byte| *byte == b'\n')
        .filter_map(|line| keys.iter().find_map(|key| line.strip_prefix(*key)))
        .filter_map(|value| {
            let kib = str::from_utf8(value).ok()?.trim().strip_suffix(" kB")?;
            kib.parse::<u64>().ok()
        })
        .fold(0_u64, |bytes, kib| bytes.saturating_add(kib.saturating_mul(1024)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{box_resources::GuestUids, guest::Guests};

    #[test]
    fn cpu_time_is_found_behind_a_hostile_name() {
        let stat = b"42 (a) R \xff\xfe 9 (b) S 1 42 42 0 -1 4194304 100 0 0 0 7 5 30 8 20 0 1 0 100 4096 50";
        let tick = Duration::from_millis(1000 / rustix::param::clock_ticks_per_second());
        let expected = Stat {
            identity: ProcessId { pid: 42, start: 100 },
            own_cpu: tick * 12,
            waited_for_cpu: tick * 38,
        };
        assert_eq!(Stat::parse(stat), Some(expected));
        assert_eq!(Stat::parse(b"nonsense"), None);
    }

    #[test]
    fn a_state_is_found_behind_a_hostile_name() {
        assert_eq!(state_of_stat(b"42 (a) S 9) R 1 42\n"), Some(b'R'));
        assert_eq!(state_of_stat(b"42 (a)"), None);
        assert_eq!(state_of_stat(b""), None);
    }

    #[test]
    fn a_thread_that_runs_is_ready() {
        let own = std::process::id().cast_signed();
        let itself = Guests::of_box(GuestUids::OfTheAgent).compile();
        let ready = ready_at(itself, &[own]);
        assert!(!ready.is_empty(), "this one runs");
    }

    #[test]
    fn what_the_dead_had_used_stays_counted() {
        let process = |pid, start| ProcessId { pid, start };
        let time = Duration::from_millis;
        let mut census = ProcessCensus::default();
        census.count(HashMap::from([
            (process(1, 0), time(10)),
            (process(2, 0), time(20)),
        ]));
        assert_eq!(census.seen_cpu(), time(30));
        // The second one's number has gone to another process.
        census.count(HashMap::from([
            (process(1, 0), time(15)),
            (process(2, 9), time(1)),
        ]));
        assert_eq!(census.seen_cpu(), time(36));
        census.count(HashMap::new());
        assert_eq!(census.seen_cpu(), time(36));
    }

    #[test]
    fn memory_is_anonymous_and_shared_only() {
        let status =
            b"Name:\t\xff\nVmRSS:\t  900 kB\nRssAnon:\t     300 kB\nRssFile:\t 500 kB\nRssShmem:\t 100 kB\n";
        assert_eq!(memory_of_status(status), 400 * 1024);
        assert_eq!(memory_of_status(b"State:\tZ (zombie)\n"), 0);
    }
}
