//! The wall clock of a run: when it stands still, what it is granted on top, and when its time is over.
//!
//! Whoever prints must not wait for its reader on its own account, and a busy machine must not fail a program. But a program can keep
//! its machine busy and its pipe full itself, and to wait until another program reads is a part of the task. So only while the
//! whole box is held, which is nobody's doing in it, the clock stands still without a bound; while only the agent has no CPU, that
//! has one bound with what is granted for waits.

use std::time::{Duration, Instant};

use optimus_common::limits::Limits;

use crate::waited::Waited;

#[derive(Debug)]
pub(crate) struct WallClock {
    started: Instant,
    /// The end of its time, as far as it is known.
    deadline: Instant,
    /// How long it has stood still with the whole box.
    held_with_box: Duration,
    /// How long it has stood still for an agent without a CPU.
    held_for_agent: Duration,
    limits: Limits,
}

impl WallClock {
    pub(crate) fn new(started: Instant, limits: Limits) -> Self {
        Self {
            started,
            deadline: started + limits.wall_time,
            held_with_box: Duration::ZERO,
            held_for_agent: Duration::ZERO,
            limits,
        }
    }

    pub(crate) fn started(&self) -> Instant {
        self.started
    }

    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// How long it has stood still.
    pub(crate) fn held(&self) -> Duration {
        self.held_with_box + self.held_for_agent
    }

    /// Lets it stand still for so long, because nothing is read of the whole box. CPU time bounds a run all the same, and so does the
    /// limit of its output.
    pub(crate) fn hold(&mut self, time: Duration) {
        self.held_with_box += time;
        self.deadline += time;
    }

    /// The same for an agent without a CPU, as far as anything is left to be granted.
    pub(crate) fn hold_for_agent(&mut self, late: Duration, waited: Waited) {
        let granted = self.held_for_agent + waited.total();
        let late = late.min(self.limits.most_granted().saturating_sub(granted));
        self.held_for_agent += late;
        self.deadline = (self.deadline + late).min(self.longest());
    }

    /// Takes note of what the run has waited in all.
    pub(crate) fn grant(&mut self, waited: Waited) {
        let granted = self.started + self.held() + self.limits.wall_time_granting(waited.total());
        self.deadline = self.deadline.max(granted.min(self.longest()));
    }

    /// Whether its time is over, and could still be prolonged.
    pub(crate) fn is_over_but_for_waits(&self, now: Instant) -> bool {
        (self.deadline..self.longest()).contains(&now)
    }

    pub(crate) fn prolong(&mut self, until: Instant) {
        self.deadline = until;
    }

    /// When its time is over whatever is granted.
    fn longest(&self) -> Instant {
        self.started + self.held_with_box + self.limits.longest_wall_time()
    }

    /// How long it stood still, if so much is granted for waits as well: together they keep to their bound.
    pub(crate) fn held_beside(&self, waited: Waited) -> Duration {
        let granted = self.held_for_agent + waited.total();
        let beyond = granted.saturating_sub(self.limits.most_granted());
        self.held_with_box + self.held_for_agent.saturating_sub(beyond)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn clock() -> (Instant, WallClock) {
        let limits = Limits {
            cpu_time: SECOND,
            wall_time: SECOND,
            memory_bytes: 0,
            output_bytes: 0,
            processes: 0,
            open_files: 0,
            file_size_bytes: 0,
        };
        let started = Instant::now();
        (started, WallClock::new(started, limits))
    }

    fn waited(for_cpu: Duration) -> Waited {
        Waited {
            for_cpu: Some(for_cpu),
            for_io: None,
        }
    }

    #[test]
    fn what_is_granted_for_waits_and_for_a_late_agent_has_one_bound() {
        let (started, mut clock) = clock();
        let mut all = Duration::ZERO;
        for _ in 0..20 {
            all += SECOND / 2;
            clock.hold_for_agent(SECOND / 2, waited(all));
            clock.grant(waited(all));
        }
        assert_eq!(clock.deadline(), started + SECOND * 4);
        assert!(!clock.is_over_but_for_waits(started + SECOND * 4));
    }

    #[test]
    fn what_is_granted_leaves_so_much_less_for_a_late_agent() {
        let (started, mut clock) = clock();
        clock.grant(waited(SECOND * 2));
        clock.hold_for_agent(SECOND * 2, waited(SECOND * 2));
        assert_eq!((clock.held(), clock.deadline()), (SECOND, started + SECOND * 4));
        clock.hold_for_agent(SECOND * 2, waited(SECOND * 2));
        assert_eq!(clock.held(), SECOND);
    }

    #[test]
    fn a_box_that_is_held_has_no_bound() {
        let (started, mut clock) = clock();
        clock.hold(SECOND * 60);
        assert_eq!(clock.deadline(), started + SECOND * 61);
        clock.hold_for_agent(SECOND * 60, waited(Duration::ZERO));
        assert_eq!(clock.deadline(), started + SECOND * 64);
        assert_eq!(clock.held_beside(waited(Duration::ZERO)), SECOND * 63);
    }

    /// A program may end before anybody sees that its time is over.
    #[test]
    fn what_is_told_keeps_to_the_bound_as_well() {
        let (_, mut clock) = clock();
        clock.hold_for_agent(SECOND * 2, waited(Duration::ZERO));
        assert_eq!(clock.held_beside(waited(SECOND)), SECOND * 2);
        assert_eq!(clock.held_beside(waited(SECOND * 2)), SECOND);
        assert_eq!(clock.held_beside(waited(SECOND * 9)), Duration::ZERO);
    }
}
