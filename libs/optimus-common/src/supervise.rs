//! Tasks that must not end by a fault of ours, and never in silence.

use std::time::Duration;

use tokio::time::sleep;
use tokio_util::task::AbortOnDropHandle;
use tracing::error;

/// From the end of a broken task to the start of its successor.
const PAUSE: Duration = Duration::from_secs(1);

/// Runs a task until it ends by itself; one that panics is started anew. Dropping the answer stops it.
pub async fn supervise<Task>(what: &str, mut start: impl FnMut() -> Task)
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

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    };

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_task_that_panics_is_started_anew_until_it_ends_by_itself() {
        let starts = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&starts);
        supervise("a test", move || {
            let starts = Arc::clone(&counted);
            async move {
                let before = starts.fetch_add(1, Ordering::SeqCst);
                assert!(before == 2, "as asked for");
            }
        })
        .await;
        assert_eq!(starts.load(Ordering::SeqCst), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn dropping_the_answer_stops_the_task() {
        let (held, mut gone) = tokio::sync::mpsc::channel::<()>(1);
        let supervised = supervise("a test", move || {
            let held = held.clone();
            async move {
                let _held = held;
                std::future::pending::<()>().await;
            }
        });
        tokio::time::timeout(Duration::from_secs(1), supervised)
            .await
            .unwrap_err();
        assert_eq!(gone.recv().await, None);
    }
}
