//! What `/proc` says about the processes of one guest.
//!
//! A process belongs to whoever owns its folder there, which is its effective UID. Processes come and go while the
//! folder is read: one that vanishes is skipped.

use std::{
    collections::HashMap,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::{error::CellError, guest::GuestId, kill::Remains};

/// What the living processes of a guest use together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Living {
    /// Their own CPU time and that of the children they have waited for.
    pub(crate) cpu: Duration,
    /// Anonymous and shared memory. Pages shared after a `fork` count once for each process.
    pub(crate) memory_bytes: u64,
}

/// Looks at the processes of one guest again and again.
#[derive(Debug, Default)]
pub(crate) struct Census {
    /// What each of those that lived at the last look had used by itself.
    living: HashMap<Identity, Duration>,
    /// The same of those that have gone since, as they were last seen.
    gone: Duration,
}

/// The number of a process and its start in clock ticks: numbers are used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Identity {
    pid: u32,
    start: u64,
}

impl Census {
    /// Sums over the guest's processes, in the order of their ids, so that a parent is mostly read before its children:
    /// a child that is waited for in between is then missed, never counted twice.
    pub(crate) fn take(&mut self, guest: GuestId) -> Result<Living, CellError> {
        let mut sum = Living::default();
        let mut living = HashMap::with_capacity(self.living.len());
        for process in processes(guest)? {
            if let Some(stat) = fs::read_to_string(process.join("stat"))
                .ok()
                .as_deref()
                .and_then(Stat::parse)
            {
                sum.cpu += stat.own_cpu + stat.waited_for_cpu;
                living.insert(stat.identity, stat.own_cpu);
            }
            if let Ok(status) = fs::read_to_string(process.join("status")) {
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

    fn count(&mut self, living: HashMap<Identity, Duration>) {
        let before = std::mem::replace(&mut self.living, living);
        let gone = before
            .iter()
            .filter(|(process, _)| !self.living.contains_key(process));
        self.gone += gone.map(|(_, cpu)| *cpu).sum::<Duration>();
    }
}

pub(crate) fn has_processes(guest: GuestId) -> Result<Remains, CellError> {
    Ok(if processes(guest)?.next().is_some() {
        Remains::Some
    } else {
        Remains::None
    })
}

/// The longest time any one thread of the guest has spent on a run queue, waiting for a CPU. Zero where the kernel does
/// not count it.
pub(crate) fn longest_run_delay(guest: GuestId) -> Result<Duration, CellError> {
    Ok(longest(processes(guest)?))
}

/// As [`longest_run_delay`], of the threads of these processes.
pub(crate) fn longest_run_delay_of(processes: &[i32]) -> Duration {
    longest(
        processes
            .iter()
            .map(|pid| Path::new("/proc").join(pid.to_string())),
    )
}

fn longest(processes: impl Iterator<Item = PathBuf>) -> Duration {
    processes
        .filter_map(|process| fs::read_dir(process.join("task")).ok())
        .flat_map(Iterator::flatten)
        .filter_map(|thread| fs::read_to_string(thread.path().join("schedstat")).ok())
        .filter_map(|schedstat| run_delay_of_schedstat(&schedstat))
        .max()
        .unwrap_or_default()
}

/// Nanoseconds on a CPU, nanoseconds waiting for one, time slices.
fn run_delay_of_schedstat(schedstat: &str) -> Option<Duration> {
    let waited = schedstat.split_ascii_whitespace().nth(1)?;
    waited.parse().ok().map(Duration::from_nanos)
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
struct Stat {
    identity: Identity,
    own_cpu: Duration,
    /// Of the children it has waited for, with theirs.
    waited_for_cpu: Duration,
}

impl Stat {
    /// The process' number is the first field; `utime`, `stime`, `cutime` and `cstime` are fields 14 to 17, and the
    /// start is field 22. The second field is the program's name, which may contain anything; its closing parenthesis
    /// is the last one of the line.
    fn parse(line: &str) -> Option<Self> {
        let (head, fields) = line.rsplit_once(')')?;
        let pid = head.split_ascii_whitespace().next()?.parse().ok()?;
        let fields: Vec<u64> = fields
            .split_ascii_whitespace()
            .skip(11)
            .take(9)
            .filter_map(|n| n.parse().ok())
            .collect();
        let [user, system, waited_user, waited_system, .., start] = fields[..] else {
            return None;
        };
        let time = |ticks: u64| Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second());
        Some(Self {
            identity: Identity { pid, start },
            own_cpu: time(user + system),
            waited_for_cpu: time(waited_user + waited_system),
        })
    }
}

fn memory_of_status(status: &str) -> u64 {
    let kib: u64 = status
        .lines()
        .filter_map(|line| {
            line.strip_prefix("RssAnon:")
                .or_else(|| line.strip_prefix("RssShmem:"))
        })
        .filter_map(|value| value.trim().strip_suffix(" kB")?.parse::<u64>().ok())
        .sum();
    kib * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_found_behind_a_hostile_name() {
        let stat = "42 (a) R 9 9 (b) S 1 42 42 0 -1 4194304 100 0 0 0 7 5 30 8 20 0 1 0 100 4096 50";
        let tick = Duration::from_millis(1000 / rustix::param::clock_ticks_per_second());
        let expected = Stat {
            identity: Identity { pid: 42, start: 100 },
            own_cpu: tick * 12,
            waited_for_cpu: tick * 38,
        };
        assert_eq!(Stat::parse(stat), Some(expected));
        assert_eq!(Stat::parse("nonsense"), None);
    }

    #[test]
    fn what_the_dead_had_used_stays_counted() {
        let process = |pid, start| Identity { pid, start };
        let time = Duration::from_millis;
        let mut census = Census::default();
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
    fn waiting_for_a_cpu_is_the_second_number() {
        assert_eq!(
            run_delay_of_schedstat("18659495 4028624 97\n"),
            Some(Duration::from_nanos(4_028_624))
        );
        assert_eq!(run_delay_of_schedstat(""), None);
    }

    #[test]
    fn memory_is_anonymous_and_shared_only() {
        let status =
            "Name:\tx\nVmRSS:\t  900 kB\nRssAnon:\t     300 kB\nRssFile:\t 500 kB\nRssShmem:\t 100 kB\n";
        assert_eq!(memory_of_status(status), 400 * 1024);
        assert_eq!(memory_of_status("State:\tZ (zombie)\n"), 0);
    }
}
