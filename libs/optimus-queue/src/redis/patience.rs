//! How a process comes by the store that starts with it: the server may well be there later.

use std::time::Duration;

use optimus_common::{
    causes,
    settings::{Queue, Redis},
};
use tokio::time::sleep;
use tracing::warn;

use super::RedisStore;
use crate::StoreError;

/// Rest between tries.
const RETRY: Duration = Duration::from_secs(1);

impl RedisStore {
    /// As [`RedisStore::connect`], but waits for a server that is not reachable. One that is not safe is an error.
    pub async fn connect_patiently(redis: &Redis, queue: &Queue) -> Result<Self, StoreError> {
        let mut telling = Telling::default();
        loop {
            match Self::connect(redis, queue).await {
                Err(StoreError::Unavailable(cause)) => {
                    let reason = causes(&*cause);
                    if telling.is_due(&reason) {
                        warn!(
                            address = redis.address(),
                            reason,
                            "the job store is not reachable; trying again (its address is the setting redis.url, or REDIS_URL)"
                        );
                    }
                    sleep(RETRY).await;
                }
                settled => return settled,
            }
        }
    }
}

/// Tells the same reason at the first, the second, the fourth, the eighth time, and so on.
#[derive(Debug, Default)]
struct Telling {
    reason: String,
    times: u64,
}

impl Telling {
    fn is_due(&mut self, reason: &str) -> bool {
        if self.reason != reason {
            reason.clone_into(&mut self.reason);
            self.times = 0;
        }
        self.times = self.times.saturating_add(1);
        self.times.is_power_of_two()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_told_at_once_and_then_ever_more_rarely() {
        let mut telling = Telling::default();
        let told = (1..=100).filter(|_| telling.is_due("refused")).count();
        assert_eq!(told, 7, "1, 2, 4, 8, 16, 32, 64");
        assert!(telling.is_due("no such host"));
        assert!(telling.is_due("refused"), "it is news again");
    }
}
