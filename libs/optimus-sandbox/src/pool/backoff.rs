//! Delays between failures.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(10);

/// Doubles with each failure, and spreads, so that the pools of many workers do not return to a sick engine at once.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    pub(super) fn failing(&self) -> bool {
        self.failures > 0
    }

    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// How long to wait after one more failure: between half of the present delay and the whole of it.
    pub(super) fn failed(&mut self) -> Duration {
        let doubled = FIRST.saturating_mul(2_u32.saturating_pow(self.failures));
        self.failures = self.failures.saturating_add(1);
        // Each RandomState hashes with keys of its own.
        let percent = 50 + u32::try_from(RandomState::new().hash_one(()) % 51).unwrap_or(0);
        doubled.min(LONGEST) * percent / 100
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_up_to_a_bound_and_start_anew_after_a_success() {
        let mut backoff = Backoff::default();
        let mut expected = FIRST;
        for _ in 0..50 {
            let delay = backoff.failed();
            assert!(
                delay >= expected / 2 && delay <= expected,
                "{delay:?} of {expected:?}"
            );
            expected = (expected * 2).min(LONGEST);
        }
        backoff.succeeded();
        assert!(!backoff.failing());
        assert!(backoff.failed() <= FIRST);
    }
}
