//! How long a run has waited for what it has no power over: a CPU that others have, or a disk.
//!
//! A guest can only ever wait for a disk because files of ours are not in memory. The kernel counts that where
//! `kernel.task_delayacct` is on, in whole clock ticks, and like the wait for a CPU only once it is over.

use std::{fs, path::Path, sync::OnceLock, time::Duration};

/// `None` where nobody looked, or where the kernel does not count it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Waited {
    pub(crate) for_cpu: Option<Duration>,
    pub(crate) for_io: Option<Duration>,
}

impl Waited {
    /// Of a thread, by its folder in `/proc`. That of a process stands for its first thread, also where that is dead and not
    /// waited for.
    pub(crate) fn of_thread(folder: &Path) -> Self {
        let for_cpu = fs::read_to_string(folder.join("schedstat"));
        let for_io = io_is_counted().then(|| fs::read(folder.join("stat")).ok());
        Self {
            for_cpu: for_cpu
                .ok()
                .and_then(|schedstat| run_delay_of_schedstat(&schedstat)),
            for_io: for_io.flatten().and_then(|stat| io_delay_of_stat(&stat)),
        }
    }

    /// The one that is longer in all; of two that are as long, the one that more is known of. What two threads have waited for at the
    /// same time is thus never counted twice.
    pub(crate) fn or_longer(self, other: Self) -> Self {
        let known = |waited: Self| [waited.for_cpu, waited.for_io].iter().flatten().count();
        std::cmp::max_by_key(self, other, |waited| (waited.total(), known(*waited)))
    }

    /// Not more than this in all, the wait for a CPU first: the kernel counts that one right.
    pub(crate) fn at_most(self, all: Duration) -> Self {
        let for_cpu = self.for_cpu.map(|waited| waited.min(all));
        let left = all.saturating_sub(for_cpu.unwrap_or_default());
        let for_io = self.for_io.map(|waited| waited.min(left));
        Self { for_cpu, for_io }
    }

    pub(crate) fn total(self) -> Duration {
        [self.for_cpu, self.for_io].into_iter().flatten().sum()
    }
}

/// Whether the kernel counts the wait for a disk. Where it cannot be asked, what it counts is looked at.
pub(crate) fn io_is_counted() -> bool {
    static COUNTED: OnceLock<bool> = OnceLock::new();
    *COUNTED.get_or_init(|| {
        fs::read("/proc/sys/kernel/task_delayacct").map_or(true, |setting| setting.starts_with(b"1"))
    })
}

/// How long this thread has waited for a CPU; zero where the kernel does not tell.
pub(crate) fn own_run_delay() -> Duration {
    let schedstat = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    run_delay_of_schedstat(&schedstat).unwrap_or_default()
}

/// Nanoseconds on a CPU, nanoseconds waiting for one, time slices.
pub(crate) fn run_delay_of_schedstat(schedstat: &str) -> Option<Duration> {
    let waited = schedstat.split_ascii_whitespace().nth(1)?;
    waited.parse().ok().map(Duration::from_nanos)
}

/// Field 42, clock ticks. The second field is the program's name, which may contain anything; its closing parenthesis is
/// the last one of the line. Allocates nothing.
pub(crate) fn io_delay_of_stat(line: &[u8]) -> Option<Duration> {
    let name_end = line.iter().rposition(|byte| *byte == b')')?;
    // The first one behind the name is field 3.
    let field = str::from_utf8(line.get(name_end + 1..)?)
        .ok()?
        .split_ascii_whitespace()
        .nth(42 - 3)?;
    let ticks: u64 = field.parse().ok()?;
    Some(Duration::from_millis(
        ticks.saturating_mul(1000) / rustix::param::clock_ticks_per_second(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_for_a_cpu_is_the_second_number() {
        assert_eq!(
            run_delay_of_schedstat("18659495 4028624 97\n"),
            Some(Duration::from_nanos(4_028_624))
        );
        assert_eq!(run_delay_of_schedstat(""), None);
    }

    #[test]
    fn waiting_for_a_disk_is_found_behind_a_hostile_name() {
        let fields: Vec<_> = (4..=52).map(|field| field.to_string()).collect();
        let line = format!("7 (a) 1 2) R {}\n", fields.join(" "));
        let tick = Duration::from_millis(1000 / rustix::param::clock_ticks_per_second());
        assert_eq!(io_delay_of_stat(line.as_bytes()), Some(tick * 42));
        assert_eq!(io_delay_of_stat(b"7 (a) R 1 2"), None);
        assert_eq!(io_delay_of_stat(b""), None);
    }

    #[test]
    fn this_process_can_be_looked_at() {
        let waited = Waited::of_thread(Path::new("/proc/self"));
        assert!(waited.for_cpu.is_some());
        assert_eq!(waited.for_io.is_some(), io_is_counted());
        assert_eq!(Waited::of_thread(Path::new("/proc/0")), Waited::default());
    }

    #[test]
    fn the_longer_one_in_all_counts() {
        let ms = |time: u64| Some(Duration::from_millis(time));
        let waited = |cpu, io| Waited {
            for_cpu: ms(cpu),
            for_io: ms(io),
        };
        for (first, second) in [
            (waited(1, 5), waited(3, 2)),
            (waited(3, 3), waited(0, 5)),
            (waited(2, 2), waited(1, 2)),
        ] {
            assert_eq!(first.or_longer(second), first);
            assert_eq!(second.or_longer(first), first);
        }
        let known = waited(0, 0);
        assert_eq!(Waited::default().or_longer(known), known);
        assert_eq!(known.or_longer(Waited::default()), known);
        assert_eq!(waited(1, 5).total(), Duration::from_millis(6));
        assert_eq!(Waited::default().total(), Duration::ZERO);
    }
}
