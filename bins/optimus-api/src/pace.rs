//! How slow a client may be.

use std::time::Duration;

use crate::settings::ApiSettings;

/// The least rate at which a client must send a body and take an answer, and how long it may fall behind.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    pub(crate) grace: Duration,
    pub(crate) bytes_per_second: u64,
}

impl Pace {
    pub(crate) fn of(api: &ApiSettings) -> Self {
        Self {
            grace: api.slow_client,
            bytes_per_second: api.least_bytes_per_second.max(1),
        }
    }
}

/// What is left of a client's grace. Time it lets us wait takes from it, bytes it moves give back; never more than the
/// whole, so that what came quickly at first is no credit for what is held back in the end.
#[derive(Debug)]
pub(crate) struct Grace {
    pace: Pace,
    left: Duration,
}

impl Grace {
    pub(crate) fn new(pace: Pace) -> Self {
        Self {
            pace,
            left: pace.grace,
        }
    }

    pub(crate) fn left(&self) -> Duration {
        self.left
    }

    pub(crate) fn waited(&mut self, time: Duration) {
        self.left = self.left.saturating_sub(time);
    }

    pub(crate) fn moved(&mut self, bytes: usize) {
        #[expect(clippy::cast_precision_loss, reason = "a rate, not a count")]
        let earned = bytes as f64 / self.pace.bytes_per_second as f64;
        self.left = (self.left + Duration::from_secs_f64(earned)).min(self.pace.grace);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grace() -> Grace {
        Grace::new(Pace {
            grace: Duration::from_secs(10),
            bytes_per_second: 1000,
        })
    }

    #[test]
    fn whoever_keeps_the_rate_is_never_cut_off() {
        let mut grace = grace();
        for _ in 0..1000 {
            grace.waited(Duration::from_secs(5));
            grace.moved(5000);
        }
        assert_eq!(grace.left(), Duration::from_secs(10));
    }

    #[test]
    fn a_quick_beginning_is_no_credit_for_a_drip() {
        let mut grace = grace();
        grace.moved(1 << 30);
        let between = Duration::from_secs(3);
        let mut drops = 0;
        while grace.left() > between {
            grace.waited(between);
            grace.moved(1);
            drops += 1;
        }
        assert_eq!(drops, 3);
    }
}
