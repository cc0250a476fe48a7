//! Tasks that must not end by a fault of ours, and never in silence.

use std::time::Duration;

use tokio::time::sleep;
use tokio_util::task::AbortOnDropHandle;
use tracing::error;

/// From the end of a broken task to the start of its successor.
const PAUSE: Duration = Duration::from_secs(1);

/// Runs a task until it ends by itself; one that panics is started anew. Dropping the answer stops it.
pub(crate) async fn supervise<Task>(what: &str, mut start: impl FnMut() -> Task)
where
    Task: Future<Output = ()> + Send + 'static,
{
    while let Err(panic) = AbortOnDropHandle::new(tokio::spawn(start())).await {
        error!(
            task = what,
            error = &panic as &dyn std::error::Error,
            "a task broke; starting it again"
        );
        sleep(PAUSE).await;
    }
}
