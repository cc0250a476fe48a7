//! When a run's processes are looked at one by one, and whether they wait for a CPU or a disk.
//!
//! The kernel counts how long a thread has waited only when that is over. A thread that is waiting at the very
//! moment its run's time is over, as one that has just been woken up on a busy machine, is known by not getting on: it could
//! run, and its time on a CPU does not grow.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use optimus_common::limits::Limits;

use crate::{
    proc_files::{RunnableThread, ThreadWait},
    waited::Waited,
};

/// The looks at one run. They cost more than a sample: the first one soon where a short run would leave no other trace, and
/// then fewer and fewer.
#[derive(Debug)]
pub(crate) struct Scans {
    pub(crate) next: Instant,
    pause: Duration,
    longest: Duration,
    started: Instant,
    /// When the last one took place, or the run began.
    last: Instant,
    /// How long the run's clock had stood still by then.
    held: Duration,
    /// The threads that were there then.
    threads: HashMap<u32, CreditedWait>,
    /// Of the thread that waited longest in all, as far as it was seen and is believed.
    pub(crate) waited: Waited,
    /// The most that any one thread is believed to have waited for a disk.
    most_for_io: Duration,
    /// The question asked when the time was over.
    stall_check: Option<StallCheck>,
}

/// A thread as it was seen last, and what it is believed to have waited for a disk: what the kernel has counted, or what it
/// was seen to, whichever is more. Kernels from 6.12 on, when the CPUs are busy, begin to count a wait too late, not at all, or
/// from a wait long before, if not from the start of the machine. So of what is counted no more is believed than the time between
/// two looks; and who is seen blocked at two looks in a row has been in between. Of neither is more believed than the time in which
/// the thread did not run and waited for no CPU.
///
/// One look alone tells nothing of the time before it: a program that knows when it is looked at could be found blocked then, and
/// sleep in between.
#[derive(Debug, Clone, Copy)]
struct CreditedWait {
    seen: ThreadWait,
    /// Time in which it neither ran nor waited for a CPU.
    idle: Duration,
    counted: Duration,
    blocked: Duration,
}

impl CreditedWait {
    /// Of a thread that is seen again, or for the first time, so long after the last look.
    fn next(before: Option<&Self>, seen: ThreadWait, elapsed: Duration) -> Self {
        // A number may have gone to another thread since, of which less is counted.
        let before = before.copied().unwrap_or(Self {
            seen: ThreadWait::new(seen.thread),
            idle: Duration::ZERO,
            counted: Duration::ZERO,
            blocked: Duration::ZERO,
        });
        let since = |of: fn(&ThreadWait) -> Duration| of(&seen).saturating_sub(of(&before.seen));
        let for_cpu = since(|waiting| waiting.counted.for_cpu.unwrap_or_default());
        let for_io = since(|waiting| waiting.counted.for_io.unwrap_or_default());
        let idle = elapsed.saturating_sub(since(|waiting| waiting.ran) + for_cpu);
        let blocked = if seen.is_blocked && before.seen.is_blocked {
            idle
        } else {
            Duration::ZERO
        };
        let all_idle = before.idle + idle;
        Self {
            seen,
            idle: all_idle,
            counted: (before.counted + for_io.min(idle + Scans::TICKS)).min(all_idle),
            blocked: before.blocked + blocked,
        }
    }

    /// While the clock has gone for so long, of which the thread ran for some.
    fn waited(&self, passed: Duration) -> Waited {
        let blocked = Some(self.blocked).filter(|blocked| !blocked.is_zero());
        let counted = self.seen.counted.for_io.map(|_| self.counted);
        let waited = Waited {
            for_cpu: self.seen.counted.for_cpu,
            for_io: counted.max(blocked),
        };
        waited.at_most(passed.saturating_sub(self.seen.ran))
    }
}

/// Whether threads wait.
#[derive(Debug)]
struct StallCheck {
    /// Those that could run when it was asked, and have not got on since.
    waiting: Vec<RunnableThread>,
    /// What the kernel had counted then.
    counted: Duration,
}

impl Scans {
    /// About what a program takes to load.
    pub(crate) const FIRST: Duration = Duration::from_millis(2);

    /// For a run that tells at its end what the looks at a short one are for.
    pub(crate) const FIRST_WHEN_REPORTED: Duration = Duration::from_millis(20);

    /// A wait for a disk is counted in ticks of the clock, of which two may be more than the time that has passed.
    const TICKS: Duration = Duration::from_millis(20);

    pub(crate) fn new(started: Instant, first: Duration, limits: &Limits) -> Self {
        let longest = (limits.wall_time / 16).max(Self::FIRST);
        let pause = first.min(longest);
        Self {
            next: started + pause,
            pause,
            longest,
            started,
            last: started,
            held: Duration::ZERO,
            threads: HashMap::new(),
            waited: Waited::default(),
            most_for_io: Duration::ZERO,
            stall_check: None,
        }
    }

    /// `held` is how long the run's clock has stood still in all. What a thread has waited for then is not granted once more.
    pub(crate) fn record(&mut self, now: Instant, held: Duration, threads: &[ThreadWait]) {
        let held_since = held.saturating_sub(self.held);
        let elapsed = now
            .saturating_duration_since(self.last)
            .saturating_sub(held_since);
        let passed = now.saturating_duration_since(self.started).saturating_sub(held);
        let before = std::mem::take(&mut self.threads);
        for seen in threads {
            let believed = CreditedWait::next(before.get(&seen.thread), *seen, elapsed);
            let waited = believed.waited(passed);
            // Threads that are gone are not seen any more.
            self.waited = self.waited.or_longer(waited);
            self.most_for_io = self.most_for_io.max(waited.for_io.unwrap_or_default());
            self.threads.insert(seen.thread, believed);
        }
        (self.last, self.held) = (now, held);
        self.pause = (self.pause * 2).min(self.longest);
        self.next = now + self.pause;
    }

    /// What the run has waited in all, with what its first thread had when it died at that moment.
    pub(crate) fn with_end(&self, at: Instant, held: Duration, first: Waited) -> Waited {
        let since = |moment| at.saturating_duration_since(moment);
        let seen = self.most_for_io + since(self.last) + Self::TICKS;
        let for_io = first.for_io.map(|waited| waited.min(seen));
        let passed = since(self.started).saturating_sub(held);
        self.waited.or_longer(Waited { for_io, ..first }.at_most(passed))
    }

    /// Whether a run whose time is over waits for a CPU or a disk at this moment, as far as is known: if so, the next look tells
    /// more. Whatever could run is believed to wait until it is seen again.
    pub(crate) fn is_waiting(&mut self, ready: Vec<RunnableThread>) -> bool {
        // What was waiting has got its CPU, and the time was prolonged. It may have to wait again.
        let counted = self.waited.total();
        let before = self.stall_check.take();
        let check = match before.filter(|check| counted < check.counted + Self::FIRST) {
            None => StallCheck {
                waiting: ready,
                counted,
            },
            Some(mut check) => {
                check.waiting.retain(|thread| ready.contains(thread));
                check
            }
        };
        let is_waiting = !check.waiting.is_empty();
        self.stall_check = Some(check);
        is_waiting
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn scans() -> Scans {
        let limits = Limits {
            cpu_time: MS,
            wall_time: MS * 320,
            memory_bytes: 0,
            output_bytes: 0,
            processes: 0,
            open_files: 0,
            file_size_bytes: 0,
        };
        Scans::new(Instant::now(), Scans::FIRST, &limits)
    }

    fn cpu(waited: Duration) -> [ThreadWait; 1] {
        let counted = Waited {
            for_cpu: Some(waited),
            for_io: None,
        };
        [ThreadWait {
            counted,
            ..ThreadWait::new(7)
        }]
    }

    fn io(thread: u32, counted: Duration) -> ThreadWait {
        let counted = Waited {
            for_cpu: None,
            for_io: Some(counted),
        };
        ThreadWait {
            counted,
            ..ThreadWait::new(thread)
        }
    }

    fn thread(ran: u64) -> Vec<RunnableThread> {
        vec![RunnableThread { thread: 7, ran }]
    }

    #[test]
    fn looks_become_rarer() {
        let mut scans = scans();
        let start = scans.next;
        let pauses: Vec<_> = (0..6)
            .map(|_| {
                scans.record(start, Duration::ZERO, &[]);
                scans.next - start
            })
            .collect();
        assert_eq!(pauses, [MS * 4, MS * 8, MS * 16, MS * 20, MS * 20, MS * 20]);
    }

    #[test]
    fn who_sleeps_does_not_wait() {
        assert!(!scans().is_waiting(Vec::new()));
    }

    #[test]
    fn who_runs_is_believed_to_wait_until_it_is_seen_again() {
        let mut scans = scans();
        assert!(scans.is_waiting(thread(1)));
        assert!(!scans.is_waiting(thread(2)));
        assert!(!scans.is_waiting(thread(3)));
    }

    #[test]
    fn who_gets_no_cpu_waits() {
        let mut scans = scans();
        for _ in 0..9 {
            assert!(scans.is_waiting(thread(1)));
        }
        // It got one, and slept again when the time it was granted for that was over.
        let now = scans.last + MS * 40;
        scans.record(now, Duration::ZERO, &cpu(MS * 20));
        assert!(!scans.is_waiting(Vec::new()));
    }

    #[test]
    fn who_has_waited_may_have_to_wait_again() {
        let mut scans = scans();
        let start = scans.last;
        assert!(scans.is_waiting(thread(1)));
        scans.record(start + MS * 10, Duration::ZERO, &cpu(MS));
        assert!(!scans.is_waiting(thread(2)), "it waited for nothing worth a word");
        scans.record(start + MS * 20, Duration::ZERO, &cpu(MS * 9));
        assert!(scans.is_waiting(thread(3)));
    }

    #[test]
    fn nobody_has_waited_for_a_disk_longer_than_it_was_there() {
        let mut scans = scans();
        let start = scans.last;
        let told = |scans: &Scans| scans.waited.for_io.unwrap();
        scans.record(
            start + MS * 100,
            Duration::ZERO,
            &[io(7, MS * 60), io(8, MS * 10)],
        );
        assert_eq!(told(&scans), MS * 60);
        // Counted from the start of the machine: what is believed is the time between two looks.
        let uptime = Duration::from_secs(14_044);
        scans.record(
            start + MS * 200,
            Duration::ZERO,
            &[io(7, MS * 60 + uptime), io(8, MS * 20)],
        );
        assert_eq!(told(&scans), MS * 160 + Scans::TICKS);
        // What comes after it counts as ever, of this thread and of the others.
        scans.record(
            start + MS * 300,
            Duration::ZERO,
            &[io(7, MS * 70 + uptime), io(8, MS * 110)],
        );
        assert_eq!(told(&scans), MS * 170 + Scans::TICKS);
        for round in 4..9 {
            let counted = io(8, MS * (100 * round - 190));
            scans.record(start + MS * 100 * round, Duration::ZERO, &[counted]);
        }
        assert_eq!(told(&scans), MS * 610);
    }

    #[test]
    fn who_is_seen_blocked_has_waited_but_for_what_it_did() {
        let mut scans = scans();
        let start = scans.last;
        let seen = |ran, is_blocked, for_cpu| {
            [ThreadWait {
                ran,
                is_blocked,
                counted: Waited {
                    for_cpu: Some(for_cpu),
                    for_io: None,
                },
                ..ThreadWait::new(7)
            }]
        };
        scans.record(start + MS * 10, Duration::ZERO, &seen(MS * 9, false, MS));
        assert_eq!(scans.waited.for_io, None);
        scans.record(start + MS * 20, Duration::ZERO, &seen(MS * 9, true, MS));
        assert_eq!(
            scans.waited.for_io, None,
            "it may have slept until it was looked at"
        );
        scans.record(start + MS * 30, Duration::ZERO, &seen(MS * 12, true, MS * 3));
        assert_eq!(scans.waited.for_io, Some(MS * 5));
        scans.record(start + MS * 40, Duration::ZERO, &seen(MS * 12, true, MS * 3));
        assert_eq!(scans.waited.for_io, Some(MS * 15));
        scans.record(start + MS * 50, Duration::ZERO, &seen(MS * 13, false, MS * 3));
        assert_eq!(scans.waited.for_io, Some(MS * 15));
    }

    #[test]
    fn nobody_has_waited_longer_than_there_was_time() {
        let mut scans = scans();
        let start = scans.last;
        let seen = |thread, ran, for_cpu, for_io| ThreadWait {
            ran,
            is_blocked: true,
            counted: Waited {
                for_cpu: Some(for_cpu),
                for_io: Some(for_io),
            },
            ..ThreadWait::new(thread)
        };
        for round in 1..9 {
            let passed = MS * 10 * round;
            // One waits for CPUs all the time, and one for a disk whenever it does not run; the kernel counts more than there was.
            let threads = [
                seen(7, Duration::ZERO, passed, Duration::ZERO),
                seen(8, MS * round, MS * round, MS * 100 * round),
            ];
            scans.record(start + passed, Duration::ZERO, &threads);
            assert!(scans.waited.total() <= passed, "{:?}", scans.waited);
        }
        let end = start + MS * 85;
        let first = seen(8, MS * 8, MS * 8, MS * 900).counted;
        assert!(scans.with_end(end, Duration::ZERO, first).total() <= MS * 85);
    }

    #[test]
    fn what_is_counted_at_the_end_is_believed_as_far_as_it_can_be() {
        let mut scans = scans();
        let start = scans.last;
        let at = start + MS * 30;
        let end = |counted: Duration| io(7, counted).counted;
        let told = |scans: &Scans, counted| scans.with_end(at, Duration::ZERO, end(counted)).for_io.unwrap();
        assert_eq!(told(&scans, MS * 30), MS * 30);
        assert_eq!(told(&scans, Duration::from_secs(14_044)), MS * 30);
        scans.record(start + MS * 20, Duration::ZERO, &[io(7, Duration::ZERO)]);
        assert_eq!(told(&scans, MS * 15), MS * 15);
        assert_eq!(told(&scans, Duration::from_secs(14_044)), MS * 10 + Scans::TICKS);
    }

    #[test]
    fn what_is_waited_for_while_the_clock_stands_still_is_not_granted_again() {
        let mut scans = scans();
        let start = scans.last;
        let seen = |ran, for_cpu| ThreadWait {
            ran,
            ..cpu(for_cpu)[0]
        };
        // It waited for a CPU for 30 ms of 40, of which 25 are held already, and ran for 5.
        scans.record(start + MS * 40, MS * 25, &[seen(MS * 5, MS * 30)]);
        assert_eq!(scans.waited.total(), MS * 10);
        // What it has waited for beside all that counts whole.
        scans.record(start + MS * 80, MS * 25, &[seen(MS * 15, MS * 60)]);
        assert_eq!(scans.waited.total(), MS * 40);
        let end = |held| scans.with_end(start + MS * 100, held, cpu(MS * 75)[0].counted);
        assert_eq!(end(MS * 25).total(), MS * 75);
        assert_eq!(end(MS * 45).total(), MS * 55);
    }
}
