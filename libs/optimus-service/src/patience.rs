//! Waiting for a server that may well be there later.

use std::time::Duration;

use tokio::time::sleep;
use tracing::warn;

/// Rest between tries.
const RETRY: Duration = Duration::from_secs(1);

/// Tries until something comes of it; `unreachable` says why an error is one that waiting may mend, and any other is the
/// answer. `waiting_for` is a whole sentence that tells what is not there, and what to do about it.
pub async fn until_reachable<T, E>(
    waiting_for: &str,
    address: &str,
    connect: impl AsyncFn() -> Result<T, E>,
    unreachable: impl Fn(&E) -> Option<String>,
) -> Result<T, E> {
    let mut telling = Telling::default();
    loop {
        let connected = connect().await;
        let Some(error) = connected.as_ref().err().and_then(&unreachable) else {
            return connected;
        };
        if telling.is_due(&error) {
            warn!(address, error, "{waiting_for}");
        }
        sleep(RETRY).await;
    }
}

/// Tells the same error at the first, the second, the fourth, the eighth time, and so on.
#[derive(Debug, Default)]
pub struct Telling {
    error: String,
    times: u64,
}

impl Telling {
    pub fn is_due(&mut self, error: &str) -> bool {
        if self.error != error {
            error.clone_into(&mut self.error);
            self.times = 0;
        }
        self.times = self.times.saturating_add(1);
        self.times.is_power_of_two()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn an_error_is_told_at_once_and_then_ever_more_rarely() {
        let mut telling = Telling::default();
        let told = (1..=100).filter(|_| telling.is_due("refused")).count();
        assert_eq!(told, 7, "1, 2, 4, 8, 16, 32, 64");
        assert!(telling.is_due("no such host"));
        assert!(telling.is_due("refused"), "it is news again");
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_waiting_may_mend_is_waited_for() {
        let tries = AtomicU32::new(0);
        let connect = async || match tries.fetch_add(1, Ordering::Relaxed) {
            0..3 => Err("refused"),
            3 => Err("wrong password"),
            _ => Ok("connected"),
        };
        let unreachable = |error: &&str| (*error == "refused").then(|| (*error).to_owned());
        let first = until_reachable("not there", "here", connect, unreachable).await;
        assert_eq!(first, Err("wrong password"));
        let second = until_reachable("not there", "here", connect, unreachable).await;
        assert_eq!((second, tries.into_inner()), (Ok("connected"), 5));
    }
}
