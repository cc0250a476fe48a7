//! The store's time.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};

/// What the store takes for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment {
    /// Milliseconds since 1970, for everything that is kept.
    pub(super) wall: i64,
    /// Milliseconds since the database was opened, for leases: they end with the process anyhow, and no change of the
    /// system's clock may end them sooner.
    pub(super) steady: i64,
}

/// The system's clock made safe to count by: it never goes back.
///
/// Where the system's clock was set back, this one goes at half its speed until the other has caught up: delays
/// become longer, never endless, and times of one job stay in order.
#[derive(Debug)]
pub(super) struct Clock {
    opened: Instant,
    latest: Mutex<ClockReading>,
}

#[derive(Debug, Clone, Copy)]
struct ClockReading {
    at: Instant,
    wall: Duration,
}

impl Clock {
    pub(super) fn start() -> Self {
        let opened = Instant::now();
        Self {
            opened,
            latest: Mutex::new(ClockReading {
                at: opened,
                wall: system(),
            }),
        }
    }

    pub(super) fn now(&self) -> Moment {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        let at = Instant::now();
        let wall = advance(latest.wall, at.duration_since(latest.at), system());
        *latest = ClockReading { at, wall };
        Moment {
            wall: millis(wall),
            steady: millis(at.duration_since(self.opened)),
        }
    }
}

fn advance(last: Duration, elapsed: Duration, system: Duration) -> Duration {
    if system >= last + elapsed {
        system
    } else {
        system.max(last + elapsed / 2)
    }
}

fn system() -> Duration {
    SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default()
}

/// As SQLite counts it.
pub(super) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn it_follows_a_sound_clock_and_one_set_forward() {
        assert_eq!(advance(s(100), s(10), s(110)), s(110));
        assert_eq!(advance(s(100), s(10), s(5000)), s(5000));
    }

    #[test]
    fn it_goes_on_at_half_speed_where_the_clock_was_set_back_until_that_has_caught_up() {
        let mut now = s(1000);
        for system in (900..).step_by(10).take(30) {
            let next = advance(now, s(10), s(system));
            assert!(next >= s(system), "{system}");
            assert!(
                (s(5)..=s(10)).contains(&next.saturating_sub(now)),
                "{system}: {now:?} {next:?}"
            );
            now = next;
        }
        assert_eq!(now, s(900 + 290), "caught up");
    }

    #[test]
    fn it_never_stands_still() {
        let clock = Clock::start();
        let (first, begun) = (clock.now(), Instant::now());
        // The system's clock may be set while this runs: what one of the two says tells nothing of the other.
        let both_went_on = |now: Moment| now.wall > first.wall && now.steady > first.steady;
        while !both_went_on(clock.now()) {
            assert!(begun.elapsed() < Duration::from_secs(30), "it stands still");
        }
    }
}
