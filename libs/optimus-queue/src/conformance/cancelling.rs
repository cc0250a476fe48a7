//! Cancelling in every state, and against whatever else happens at the same moment.

use std::time::Duration;

use optimus_common::{
    job::{JobStatus, Outcome, Priority},
    result::{OverallStatus, Verdict},
};

use super::{
    StoreFactory,
    support::{
        claim, completed, depth, lost_at_once, record, result, settings, status, submit, submit_job,
        try_claim, with_priority,
    },
};
use crate::{Cancel, Finish, Reaped, Renewal, Retry};

const ROUNDS: usize = 100;

pub async fn a_queued_job_is_cancelled_at_once(factory: &dyn StoreFactory) {
    let store = &*factory.open(&settings(|_| ())).await;
    for priority in Priority::ALL {
        let id = submit_job(store, with_priority(priority)).await;
        let other = submit_job(store, with_priority(priority)).await;
        assert_eq!(store.cancel(id).await.unwrap(), Cancel::Cancelled);
        let record = record(store, id).await;
        assert_eq!((record.status, record.attempts), (JobStatus::Cancelled, 0));
        assert!(record.finished_at.is_some());
        let result = record.result.unwrap();
        assert_eq!(
            (result.overall_status, result.verdict),
            (OverallStatus::Cancelled, Verdict::Cancelled)
        );
        assert_eq!((result.score, result.total_tests), (None, 2));
        assert_eq!(depth(store).await.waiting(), 1, "its place is free again");
        let next = claim(store).await.lease;
        assert_eq!(next.job, other);
        store.finish(&next, completed()).await.unwrap();
    }
    assert_eq!(store.totals().await.unwrap().stored_bytes, 0);
}

pub async fn a_delayed_job_is_cancelled_at_once(factory: &dyn StoreFactory) {
    let store = &*factory
        .open(&settings(|queue| queue.retry_backoff = Duration::from_hours(1)))
        .await;
    let id = submit(store).await;
    let lease = claim(store).await.lease;
    store.retry(&lease, "x").await.unwrap();
    assert_eq!(store.cancel(id).await.unwrap(), Cancel::Cancelled);
    assert_eq!(status(store, id).await, JobStatus::Cancelled);
    assert_eq!(depth(store).await.waiting(), 0);
}

pub async fn a_running_job_is_asked_for(factory: &dyn StoreFactory) {
    let store = &*factory.open(&settings(|_| ())).await;
    let outcomes = [
        (
            Outcome::Cancelled(result(Verdict::Cancelled)),
            JobStatus::Cancelled,
        ),
        // Graded before its worker heard of it.
        (completed(), JobStatus::Completed),
    ];
    for (outcome, end) in outcomes {
        let id = submit(store).await;
        let lease = claim(store).await.lease;
        assert_eq!(store.renew(&lease).await.unwrap(), Renewal::Held);
        for _ in 0..2 {
            assert_eq!(store.cancel(id).await.unwrap(), Cancel::Requested);
            assert_eq!(store.renew(&lease).await.unwrap(), Renewal::CancelRequested);
        }
        assert_eq!(status(store, id).await, JobStatus::Running);
        assert_eq!(store.finish(&lease, outcome).await.unwrap(), Finish::Accepted);
        assert_eq!(status(store, id).await, end);
    }
}

pub async fn a_finished_job_stays_as_it_is(factory: &dyn StoreFactory) {
    let store = &*factory.open(&settings(|_| ())).await;
    let failed = Outcome::Failed {
        result: result(Verdict::InternalError),
        error: "x".to_owned(),
    };
    for outcome in [
        completed(),
        failed,
        Outcome::Cancelled(result(Verdict::Cancelled)),
    ] {
        let id = submit(store).await;
        let lease = claim(store).await.lease;
        let end = outcome.status();
        store.finish(&lease, outcome).await.unwrap();
        let before = record(store, id).await;
        assert_eq!(store.cancel(id).await.unwrap(), Cancel::AlreadyFinished(end));
        assert_eq!(record(store, id).await, before);
    }
}

pub async fn a_job_given_back_after_a_cancel_is_over(factory: &dyn StoreFactory) {
    let store = &*factory.open(&settings(lost_at_once)).await;
    for way in ["release", "retry", "reap"] {
        let id = submit(store).await;
        let lease = claim(store).await.lease;
        assert_eq!(store.cancel(id).await.unwrap(), Cancel::Requested);
        match way {
            "release" => assert_eq!(store.release(&lease).await.unwrap(), Finish::Accepted),
            "retry" => assert_eq!(store.retry(&lease, "x").await.unwrap(), Retry::Cancelled),
            _ => assert_eq!(store.reap().await.unwrap(), Reaped::default()),
        }
        let record = record(store, id).await;
        assert_eq!(record.status, JobStatus::Cancelled, "{way}");
        assert_eq!(
            (record.result.unwrap().verdict, record.error),
            (Verdict::Cancelled, None),
            "{way}"
        );
        assert!(try_claim(store).await.is_none(), "{way}");
    }
    let depth = depth(store).await;
    assert_eq!((depth.waiting(), depth.running, depth.dead), (0, 0, 0));
}

pub async fn a_cancel_and_a_finish_at_once_end_the_job_once(factory: &dyn StoreFactory) {
    let store = &*factory.open(&settings(|_| ())).await;
    for _ in 0..ROUNDS {
        let id = submit(store).await;
        let lease = claim(store).await.lease;
        let (finish, cancel) = tokio::join!(store.finish(&lease, completed()), store.cancel(id));
        assert_eq!(finish.unwrap(), Finish::Accepted, "the lease was held");
        assert!(matches!(
            cancel.unwrap(),
            Cancel::Requested | Cancel::AlreadyFinished(JobStatus::Completed)
        ));
        assert_eq!(status(store, id).await, JobStatus::Completed);
    }
    let totals = store.totals().await.unwrap();
    assert_eq!(totals.finished.values().sum::<u64>(), ROUNDS as u64);
    assert_eq!(totals.stored_bytes, 0);
}

pub async fn a_cancel_and_a_claim_at_once_agree(factory: &dyn StoreFactory) {
    let store = &*factory.open(&settings(|_| ())).await;
    for _ in 0..ROUNDS {
        let id = submit(store).await;
        let (claim, cancel) = tokio::join!(try_claim(store), store.cancel(id));
        match cancel.unwrap() {
            Cancel::Cancelled => {
                assert!(claim.is_none(), "a cancelled job was handed out");
                assert_eq!(status(store, id).await, JobStatus::Cancelled);
            }
            Cancel::Requested => {
                let lease = claim.expect("a running job has an owner").lease;
                assert_eq!(store.renew(&lease).await.unwrap(), Renewal::CancelRequested);
                assert_eq!(store.release(&lease).await.unwrap(), Finish::Accepted);
                assert_eq!(status(store, id).await, JobStatus::Cancelled);
            }
            other => panic!("a job that was not over: {other:?}"),
        }
    }
}
