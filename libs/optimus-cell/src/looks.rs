//! When a run's processes are looked at one by one, and whether they wait for a CPU or a disk.
//!
//! The kernel counts how long a thread has waited only when that is over. A thread that is waiting at the very
//! moment its run's time is over, as one that has just been woken up on a busy machine, is known by not getting on: it could
//! run, and its time on a CPU does not grow.

use std::time::{Duration, Instant};

use optimus_common::limits::Limits;

use crate::{proc_files::Ready, waited::Waited};

/// The looks at one run. They cost more than a sample: the first one soon where a short run would leave no other trace, and
/// then fewer and fewer.
#[derive(Debug)]
pub(crate) struct Looks {
    pub(crate) next: Instant,
    pause: Duration,
    longest: Duration,
    /// As far as it was seen.
    pub(crate) waited: Waited,
    /// The question asked when the time was over.
    question: Option<Question>,
}

/// Whether threads wait.
#[derive(Debug)]
struct Question {
    /// Those that could run when it was asked, and have not got on since.
    waiting: Vec<Ready>,
    /// What the kernel had counted then.
    counted: Duration,
}

impl Looks {
    /// About what a program takes to load.
    pub(crate) const FIRST: Duration = Duration::from_millis(2);

    /// For a run that tells at its end what the looks at a short one are for.
    pub(crate) const FIRST_OF_KNOWN: Duration = Duration::from_millis(20);

    pub(crate) fn new(started: Instant, first: Duration, limits: &Limits) -> Self {
        let longest = (limits.wall_time / 16).max(Self::FIRST);
        let pause = first.min(longest);
        Self {
            next: started + pause,
            pause,
            longest,
            waited: Waited::default(),
            question: None,
        }
    }

    pub(crate) fn took_place(&mut self, now: Instant, waited: Waited) {
        // Threads that are gone are not seen any more.
        self.waited = self.waited.or_longer(waited);
        self.pause = (self.pause * 2).min(self.longest);
        self.next = now + self.pause;
    }

    /// Whether a run whose time is over waits for a CPU or a disk at this moment, as far as is known: if so, the next look tells
    /// more. Whatever could run is believed to wait until it is seen again.
    pub(crate) fn is_waiting(&mut self, ready: Vec<Ready>) -> bool {
        // What was waiting has got its CPU, and the time was prolonged. It may have to wait again.
        let counted = self.waited.total();
        let asked = self.question.take();
        let question = match asked.filter(|question| counted < question.counted + Self::FIRST) {
            None => Question {
                waiting: ready,
                counted,
            },
            Some(mut question) => {
                question.waiting.retain(|thread| ready.contains(thread));
                question
            }
        };
        let is_waiting = !question.waiting.is_empty();
        self.question = Some(question);
        is_waiting
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn looks() -> Looks {
        let limits = Limits {
            cpu_time: MS,
            wall_time: MS * 320,
            memory_bytes: 0,
            output_bytes: 0,
            processes: 0,
            open_files: 0,
            file_size_bytes: 0,
        };
        Looks::new(Instant::now(), Looks::FIRST, &limits)
    }

    fn cpu(waited: Duration) -> Waited {
        Waited {
            for_cpu: Some(waited),
            for_io: None,
        }
    }

    fn thread(ran: u64) -> Vec<Ready> {
        vec![Ready { thread: 7, ran }]
    }

    #[test]
    fn looks_become_rarer() {
        let mut looks = looks();
        let start = looks.next;
        let pauses: Vec<_> = (0..6)
            .map(|_| {
                looks.took_place(start, Waited::default());
                looks.next - start
            })
            .collect();
        assert_eq!(pauses, [MS * 4, MS * 8, MS * 16, MS * 20, MS * 20, MS * 20]);
    }

    #[test]
    fn who_sleeps_does_not_wait() {
        assert!(!looks().is_waiting(Vec::new()));
    }

    #[test]
    fn who_runs_is_believed_to_wait_until_it_is_seen_again() {
        let mut looks = looks();
        assert!(looks.is_waiting(thread(1)));
        assert!(!looks.is_waiting(thread(2)));
        assert!(!looks.is_waiting(thread(3)));
    }

    #[test]
    fn who_gets_no_cpu_waits() {
        let mut looks = looks();
        for _ in 0..9 {
            assert!(looks.is_waiting(thread(1)));
        }
        // It got one, and slept again when the time it was granted for that was over.
        looks.took_place(Instant::now(), cpu(MS * 20));
        assert!(!looks.is_waiting(Vec::new()));
    }

    #[test]
    fn who_has_waited_may_have_to_wait_again() {
        let mut looks = looks();
        assert!(looks.is_waiting(thread(1)));
        looks.took_place(Instant::now(), cpu(MS));
        assert!(!looks.is_waiting(thread(2)), "it waited for nothing worth a word");
        looks.took_place(Instant::now(), cpu(MS * 9));
        assert!(looks.is_waiting(thread(3)));
    }
}
