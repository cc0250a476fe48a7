//! Tasks that must not end by a fault of ours, and never in silence.

use std::time::Duration;

use optimus_common::causes;
use tokio::{task::JoinError, time::sleep};
use tokio_util::task::AbortOnDropHandle;
use tracing::error;

/// From the end of a broken task to the start of its successor.
const PAUSE: Duration = Duration::from_secs(1);

/// Runs a task until it ends by itself; one that panics is started anew. Dropping the answer stops it.
pub async fn supervise<Task>(what: &str, mut start: impl FnMut() -> Task)
where
    Task: Future<Output = ()> + Send + 'static,
{
    while let Err(panic) = run(start()).await {
        told(what, &panic, "a task broke; starting it again");
        sleep(PAUSE).await;
    }
}

/// As [`supervise`], for a task that somebody waits for: after so many attempts it is given up, with the last panic.
pub async fn supervise_at_most<Task>(
    attempts: u32,
    what: &str,
    mut start: impl FnMut() -> Task,
) -> Result<(), JoinError>
where
    Task: Future<Output = ()> + Send + 'static,
{
    for _ in 1..attempts {
        let Err(panic) = run(start()).await else {
            return Ok(());
        };
        told(what, &panic, "a task broke; starting it again");
        sleep(PAUSE).await;
    }
    let last = run(start()).await;
    if let Err(panic) = &last {
        told(what, panic, "a task broke; it is given up");
    }
    last
}

async fn run(task: impl Future<Output = ()> + Send + 'static) -> Result<(), JoinError> {
    AbortOnDropHandle::new(tokio::spawn(task)).await
}

fn told(what: &str, panic: &JoinError, then: &str) {
    error!(task = what, error = causes(panic), "{then}");
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
    async fn a_task_that_panics_again_and_again_is_given_up() {
        for (good_at, is_done, wanted) in [(2, true, 2), (3, true, 3), (9, false, 3)] {
            let starts = Arc::new(AtomicU32::new(0));
            let counted = Arc::clone(&starts);
            let ended = supervise_at_most(3, "a test", move || {
                let starts = Arc::clone(&counted);
                async move {
                    let start = starts.fetch_add(1, Ordering::SeqCst) + 1;
                    assert!(start == good_at, "as asked for");
                }
            });
            assert_eq!(ended.await.is_ok(), is_done);
            assert_eq!(starts.load(Ordering::SeqCst), wanted);
        }
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
