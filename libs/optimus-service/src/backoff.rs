//! Delays between tries.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

/// Delays that double from a first to a longest one. Each is shortened at random by up to half, so that many workers
/// that lost the same server do not come back at the same moment.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
    failing: bool,
}

impl Backoff {
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self {
            first,
            longest,
            next: first,
            failing: false,
        }
    }

    /// Whether there was a failure since the last success.
    pub fn failing(&self) -> bool {
        self.failing
    }

    /// How long to wait after one more failure.
    pub fn next_delay(&mut self) -> Duration {
        self.failing = true;
        let delay = self.next;
        self.next = (delay * 2).min(self.longest);
        // Each RandomState is keyed afresh, so hashing a constant draws a random number.
        let sixteenths = u32::try_from(RandomState::new().hash_one(()) % 9).unwrap_or(0);
        delay * (16 - sixteenths) / 16
    }

    /// After a success.
    pub fn reset(&mut self) {
        self.next = self.first;
        self.failing = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_to_the_longest_and_are_spread() {
        let (first, longest) = (Duration::from_millis(100), Duration::from_secs(1));
        let mut backoff = Backoff::new(first, longest);
        assert!(!backoff.failing());
        let mut ceiling = first;
        let mut distinct = std::collections::HashSet::new();
        for _ in 0..100 {
            let delay = backoff.next_delay();
            assert!(
                delay <= ceiling && delay >= ceiling / 2,
                "{delay:?} of {ceiling:?}"
            );
            distinct.insert(delay);
            ceiling = (ceiling * 2).min(longest);
        }
        assert!(distinct.len() > 3, "{distinct:?}");
        assert!(backoff.failing());
        backoff.reset();
        assert!(!backoff.failing());
        assert!(backoff.next_delay() <= first);
    }
}
