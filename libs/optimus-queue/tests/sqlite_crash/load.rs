//! What the process does that will be killed, and how it says what it was promised.
//!
//! Each line is one write, made after the store answered: a line that was read was promised before the kill.

use std::{io::Write, path::Path, sync::Arc, time::Duration};

use optimus_common::{
    LanguageName, WorkerId,
    job::Outcome,
    result::{JobResult, OverallStatus, Verdict},
    submission::Submission,
};
use optimus_queue::{
    Cancel, Claim, Finish, JobQueue, NewJob, Submitted, Upkeep, settings::QueueSettings, sqlite::SqliteStore,
};
use serde_json::json;
use tokio::task::JoinSet;

pub(crate) fn queue() -> QueueSettings {
    QueueSettings {
        // A job that is killed with its process again and again is still one to count.
        max_attempts: 1000,
        retry_backoff: Duration::from_millis(1),
        ..optimus_settings::defaults_of::<QueueSettings>("queue")
    }
}

fn python() -> LanguageName {
    "python".parse().unwrap()
}

pub(crate) async fn work(database: &Path) {
    let store = Arc::new(SqliteStore::open(database, &queue()).await.unwrap());
    let mut actors = JoinSet::new();
    for actor in 0..8_usize {
        let (submitting, working) = (store.clone(), store.clone());
        actors.spawn(async move {
            loop {
                submit(&submitting, 1000 * actor).await;
            }
        });
        actors.spawn(async move {
            let worker = WorkerId::new();
            loop {
                match working.claim(&python(), &worker).await.unwrap() {
                    Some(claim) => finish(&working, &claim, &|line| say(&line)).await,
                    None => working
                        .wait_for_work(&python(), Duration::from_secs(1))
                        .await
                        .unwrap(),
                }
            }
        });
    }
    let housekeeping = store.clone();
    actors.spawn(async move {
        loop {
            housekeeping.reap().await.unwrap();
            housekeeping.audit().await.unwrap();
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    actors.join_all().await;
}

/// Every tenth job is cancelled again.
async fn submit(store: &SqliteStore, bytes: usize) {
    let submission: Submission = serde_json::from_value(json!({
        "language": "python",
        "source_code": "x".repeat(bytes),
        "test_cases": [{"id": 1, "input": "", "expected_output": ""}],
    }))
    .unwrap();
    let job = NewJob::new(submission);
    let id = job.id;
    match store.submit(job).await.unwrap() {
        Submitted::Created => say(&format!("accepted {id}")),
        Submitted::Full => tokio::time::sleep(Duration::from_millis(10)).await,
        other => panic!("{other:?}"),
    }
    if id.to_string().ends_with('0') && store.cancel(id).await.unwrap() == Cancel::Cancelled {
        say(&format!("cancelled {id}"));
    }
}

/// The result carries the token, by which it can be told from any other.
async fn finish(store: &SqliteStore, claim: &Claim, say: &impl Fn(String)) {
    let token = claim.lease.token.0;
    let tests = u32::try_from(token).unwrap();
    let outcome = Outcome::Completed(JobResult::not_graded(
        OverallStatus::Failed,
        Verdict::WrongAnswer,
        tests,
    ));
    if store.finish(&claim.lease, outcome).await.unwrap() == Finish::Accepted {
        say(format!("finished {} {token}", claim.lease.job));
    }
}

/// Works until nothing is left.
pub(crate) async fn finish_all(store: &SqliteStore, mut note: impl FnMut(String)) {
    let worker = WorkerId::new();
    while store.depths(&[python()]).await.unwrap()[0].waiting() > 0 {
        match store.claim(&python(), &worker).await.unwrap() {
            Some(claim) => {
                let said = std::cell::RefCell::new(Vec::new());
                finish(store, &claim, &|line| said.borrow_mut().push(line)).await;
                said.into_inner().into_iter().for_each(&mut note);
            }
            None => store
                .wait_for_work(&python(), Duration::from_secs(1))
                .await
                .unwrap(),
        }
    }
}

fn say(line: &str) {
    // In one piece: it is killed before or after it, or the reader sees a line without an end.
    let line = format!("{line}\n");
    std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
}
