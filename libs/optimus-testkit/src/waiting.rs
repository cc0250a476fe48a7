//! Waiting for what comes about, without a word about how soon.

use std::{
    thread,
    time::{Duration, Instant},
};

use tokio::time::sleep;

/// Longer than anything awaited in a test takes on a busy machine; it bounds a test that hangs.
pub const TIMEOUT: Duration = Duration::from_secs(90);

/// Between two looks at a condition.
const INTERVAL: Duration = Duration::from_millis(20);

/// Waits for a condition, and panics where it does not come about.
pub async fn until(what: &str, condition: impl AsyncFnMut() -> bool) {
    until_within(TIMEOUT, what, condition).await;
}

/// As [`until`], for what may take another time.
pub async fn until_within(timeout: Duration, what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !condition().await {
        assert!(started.elapsed() < timeout, "in vain: {what}");
        sleep(INTERVAL).await;
    }
}

/// As [`until`], where there is no runtime.
pub fn until_blocking(what: &str, mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < TIMEOUT, "in vain: {what}");
        thread::sleep(INTERVAL);
    }
}
