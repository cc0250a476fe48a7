//! Waiting for a server that may well be there later.

use std::time::Duration;

use tokio::time::sleep;
use tracing::warn;

use crate::repeated_error::RepeatedError;

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
    let mut repeated = RepeatedError::default();
    loop {
        let connected = connect().await;
        let Some(error) = connected.as_ref().err().and_then(&unreachable) else {
            return connected;
        };
        if repeated.is_due(&error) {
            warn!(address, error, "{waiting_for}");
        }
        sleep(RETRY).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

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
