//! The settings of the queue, as the transitions count them.

use super::clock::millis;
use crate::settings::QueueSettings;

#[derive(Debug)]
pub(super) struct Rules {
    pub(super) max_waiting_jobs: u64,
    pub(super) max_stored_bytes: u64,
    pub(super) max_result_bytes: u64,
    pub(super) max_attempts: i64,
    pub(super) max_dead_jobs: i64,
    // Milliseconds.
    pub(super) lease: i64,
    pub(super) retry_backoff: i64,
    pub(super) priority_head_start: i64,
    pub(super) result_ttl: i64,
}

impl Rules {
    pub(super) fn of(queue: &QueueSettings) -> Self {
        Self {
            max_waiting_jobs: queue.max_waiting_jobs,
            max_stored_bytes: queue.max_stored_bytes,
            max_result_bytes: queue.max_result_bytes,
            max_attempts: queue.max_attempts.into(),
            max_dead_jobs: i64::try_from(queue.max_dead_jobs).unwrap_or(i64::MAX),
            lease: millis(queue.lease),
            retry_backoff: millis(queue.retry_backoff),
            priority_head_start: millis(queue.priority_head_start),
            result_ttl: millis(queue.result_ttl),
        }
    }

    /// The delay before the next claim of a job that was claimed this often.
    pub(super) fn backoff(&self, attempts: i64) -> i64 {
        self.retry_backoff
            .saturating_mul(1 << (attempts - 1).clamp(0, 16))
    }
}

#[cfg(test)]
mod tests {

    use super::*;

    #[test]
    fn a_backoff_doubles_up_to_a_bound() {
        let mut rules = Rules::of(&optimus_settings::defaults_of::<QueueSettings>("queue"));
        rules.retry_backoff = 1000;
        assert_eq!(
            [1, 2, 3].map(|attempts| rules.backoff(attempts)),
            [1000, 2000, 4000]
        );
        assert_eq!(rules.backoff(1000), rules.backoff(17));
        rules.retry_backoff = i64::MAX;
        assert_eq!(rules.backoff(2), i64::MAX);
    }
}
