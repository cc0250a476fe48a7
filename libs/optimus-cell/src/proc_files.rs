//! What `/proc` says about the processes of one guest.
//!
//! A process belongs to whoever owns its folder there, which is its effective UID. Processes come and go while the
//! folder is read: one that vanishes is skipped.

use std::{
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

pub(crate) fn has_processes(guest: GuestId) -> Result<Remains, CellError> {
    Ok(if processes(guest)?.next().is_some() {
        Remains::Some
    } else {
        Remains::None
    })
}

/// Sums over the guest's processes, in the order of their ids, so that a parent is mostly read before its children:
/// a child that is waited for in between is then missed, never counted twice.
pub(crate) fn living(guest: GuestId) -> Result<Living, CellError> {
    let mut sum = Living::default();
    for process in processes(guest)? {
        if let Some(cpu) = fs::read_to_string(process.join("stat"))
            .ok()
            .as_deref()
            .and_then(cpu_of_stat)
        {
            sum.cpu += cpu;
        }
        if let Ok(status) = fs::read_to_string(process.join("status")) {
            sum.memory_bytes += memory_of_status(&status);
        }
    }
    Ok(sum)
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

/// `utime`, `stime`, `cutime` and `cstime`, fields 14 to 17. The second field is the program's name, which may contain
/// anything; its closing parenthesis is the last one of the line.
fn cpu_of_stat(stat: &str) -> Option<Duration> {
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks: u64 = fields
        .split_ascii_whitespace()
        .skip(11)
        .take(4)
        .filter_map(|n| n.parse::<u64>().ok())
        .sum();
    Some(Duration::from_millis(
        ticks * 1000 / rustix::param::clock_ticks_per_second(),
    ))
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
        assert_eq!(cpu_of_stat(stat), Some(tick * 50));
        assert_eq!(cpu_of_stat("nonsense"), None);
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
