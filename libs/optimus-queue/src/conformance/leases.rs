//! Who may do something with a running job, and what follows when nobody does.

use std::time::{Duration, Instant};

use optimus_common::{FencingToken, job::JobStatus, result::Verdict};

use super::{
    StoreFactory,
    support::{
        claim, claim_when_due, completed, depth, language, lost_at_once, record, result, settings, status,
        submit, try_claim,
    },
};
use crate::{Finish, Reaped, Renewal, Retry, settings::QueueSettings};

pub async fn a_job_finishes_once(factory: &dyn StoreFactory) {
    let store = &*factory.open(&settings(|_| ())).await;
    let id = submit(store).await;
    let lease = claim(store).await.lease;
    assert_eq!(store.finish(&lease, completed()).await.unwrap(), Finish::Accepted);
    let other = optimus_common::job::Outcome::Completed(result(Verdict::Accepted));
    assert_eq!(
        store.finish(&lease, other).await.unwrap(),
        Finish::Accepted,
        "its answer may have been lost"
    );
    assert_eq!(store.renew(&lease).await.unwrap(), Renewal::Lost);
    assert_eq!(store.release(&lease).await.unwrap(), Finish::Refused);
    assert_eq!(store.retry(&lease, "x").await.unwrap(), Retry::Refused);
    assert_eq!(
        record(store, id).await.result,
        Some(result(Verdict::WrongAnswer)),
        "the first result stands"
    );
}

pub async fn only_who_finished_a_job_may_repeat_it(factory: &dyn StoreFactory) {
    let once = |queue: &mut QueueSettings| {
        lost_at_once(queue);
        queue.max_attempts = 1;
    };
    let store = &*factory.open(&settings(once)).await;
    // Over under the token of its latest lease, but not by it.
    submit(store).await;
    let out_of_attempts = claim(store).await.lease;
    assert_eq!(store.reap().await.unwrap(), Reaped { requeued: 0, dead: 1 });
    submit(store).await;
    let given_up = claim(store).await.lease;
    assert_eq!(store.retry(&given_up, "x").await.unwrap(), Retry::Dead);
    let cancelled = submit(store).await;
    let released = claim(store).await.lease;
    store.cancel(cancelled).await.unwrap();
    assert_eq!(store.release(&released).await.unwrap(), Finish::Accepted);
    for lease in [out_of_attempts, given_up, released] {
        assert_eq!(store.finish(&lease, completed()).await.unwrap(), Finish::Refused);
    }
    // And nothing is counted twice.
    submit(store).await;
    let lease = claim(store).await.lease;
    for _ in 0..3 {
        assert_eq!(store.finish(&lease, completed()).await.unwrap(), Finish::Accepted);
    }
    let totals = store.totals().await.unwrap();
    let finished = &totals.finished[&(language(), "wrong_answer".to_owned())];
    assert_eq!((*finished, totals.stored_bytes), (1, 0));
}

pub async fn a_stale_token_can_do_nothing(factory: &dyn StoreFactory) {
    let store = &*factory.open(&settings(lost_at_once)).await;
    let id = submit(store).await;
    let first = claim(store).await.lease;
    assert_eq!(store.reap().await.unwrap(), Reaped { requeued: 1, dead: 0 });
    let refuse_all = async |when: &str| {
        assert_eq!(store.renew(&first).await.unwrap(), Renewal::Lost, "{when}");
        assert_eq!(
            store.finish(&first, completed()).await.unwrap(),
            Finish::Refused,
            "{when}"
        );
        assert_eq!(store.release(&first).await.unwrap(), Finish::Refused, "{when}");
        assert_eq!(store.retry(&first, "x").await.unwrap(), Retry::Refused, "{when}");
    };
    refuse_all("queued again").await;
    assert_eq!(status(store, id).await, JobStatus::Queued);

    let second = claim_when_due(store).await;
    assert_eq!((second.lease.job, second.attempt), (id, 2));
    refuse_all("claimed by another").await;
    assert_eq!(status(store, id).await, JobStatus::Running);

    assert_eq!(
        store.finish(&second.lease, completed()).await.unwrap(),
        Finish::Accepted
    );
    refuse_all("finished by another").await;
    assert_eq!(status(store, id).await, JobStatus::Completed);
}

pub async fn tokens_grow(factory: &dyn StoreFactory) {
    let store = &*factory.open(&settings(|_| ())).await;
    submit(store).await;
    let mut last = FencingToken(0);
    for _ in 0..5 {
        let lease = claim(store).await.lease;
        assert!(lease.token > last);
        last = lease.token;
        store.release(&lease).await.unwrap();
    }
}

pub async fn a_lease_lasts_as_long_as_it_is_renewed(factory: &dyn StoreFactory) {
    // Long enough that no pause of a busy machine outlasts it between two renewals.
    let lease_time = Duration::from_secs(2);
    let store = &*factory.open(&settings(|queue| queue.lease = lease_time)).await;
    let id = submit(store).await;
    let lease = claim(store).await.lease;
    let start = Instant::now();
    while start.elapsed() < lease_time + lease_time / 2 {
        assert_eq!(store.renew(&lease).await.unwrap(), Renewal::Held);
        assert_eq!(store.reap().await.unwrap(), Reaped::default());
        tokio::time::sleep(lease_time / 50).await;
    }
    assert_eq!(status(store, id).await, JobStatus::Running);
    assert_eq!(store.finish(&lease, completed()).await.unwrap(), Finish::Accepted);
}

pub async fn a_released_job_loses_no_attempt_and_comes_first(factory: &dyn StoreFactory) {
    let store = &*factory.open(&settings(|queue| queue.max_attempts = 1)).await;
    let (first, second) = (submit(store).await, submit(store).await);
    for _ in 0..3 {
        let claim = claim(store).await;
        assert_eq!((claim.lease.job, claim.attempt), (first, 1));
        assert_eq!(store.release(&claim.lease).await.unwrap(), Finish::Accepted);
        let record = record(store, first).await;
        assert_eq!(
            (record.status, record.attempts, record.started_at),
            (JobStatus::Queued, 0, None)
        );
    }
    assert_eq!(claim(store).await.lease.job, first);
    assert_eq!(claim(store).await.lease.job, second);
}

pub async fn a_retried_job_waits_for_its_backoff(factory: &dyn StoreFactory) {
    let store = &*factory
        .open(&settings(|queue| queue.retry_backoff = Duration::from_hours(1)))
        .await;
    let id = submit(store).await;
    let lease = claim(store).await.lease;
    assert_eq!(store.retry(&lease, "no box").await.unwrap(), Retry::Requeued);
    assert_eq!(status(store, id).await, JobStatus::Queued);
    assert!(try_claim(store).await.is_none(), "not due yet");
    let depth = depth(store).await;
    assert_eq!(
        (depth.delayed, depth.normal, depth.running, depth.waiting()),
        (1, 0, 0, 1)
    );
}

pub async fn each_backoff_is_twice_the_last(factory: &dyn StoreFactory) {
    let backoff = Duration::from_millis(100);
    let store = &*factory
        .open(&settings(|queue| {
            queue.retry_backoff = backoff;
            queue.max_attempts = 4;
        }))
        .await;
    submit(store).await;
    let mut lease = claim(store).await.lease;
    for least in [backoff, 2 * backoff, 4 * backoff] {
        let start = Instant::now();
        assert_eq!(store.retry(&lease, "x").await.unwrap(), Retry::Requeued);
        lease = claim_when_due(store).await.lease;
        // The store counts whole milliseconds.
        assert!(
            start.elapsed() + Duration::from_millis(1) >= least,
            "{:?} for {least:?}",
            start.elapsed()
        );
    }
}

pub async fn a_job_retried_too_often_fails_for_the_reason_given(factory: &dyn StoreFactory) {
    let store = &*factory
        .open(&settings(|queue| {
            lost_at_once(queue);
            queue.max_attempts = 2;
        }))
        .await;
    let id = submit(store).await;
    let lease = claim(store).await.lease;
    assert_eq!(
        store.retry(&lease, "the engine is down").await.unwrap(),
        Retry::Requeued
    );
    let lease = claim_when_due(store).await.lease;
    assert_eq!(
        store.retry(&lease, "the disk is full").await.unwrap(),
        Retry::Dead
    );
    let record = record(store, id).await;
    assert_eq!(record.status, JobStatus::Failed);
    assert!(
        record.error.as_ref().unwrap().contains("the disk is full"),
        "{:?}",
        record.error
    );
    assert_eq!(depth(store).await.dead, 1);
}

pub async fn only_so_many_dead_jobs_are_kept(factory: &dyn StoreFactory) {
    for kept in [0, 2] {
        let store = &*factory
            .open(&settings(|queue| {
                queue.max_attempts = 1;
                queue.max_dead_jobs = kept;
            }))
            .await;
        for _ in 0..4 {
            submit(store).await;
            let lease = store
                .claim(&language(), &super::support::worker())
                .await
                .unwrap()
                .unwrap()
                .lease;
            assert_eq!(store.retry(&lease, "x").await.unwrap(), Retry::Dead);
        }
        assert_eq!(depth(store).await.dead, kept);
    }
}
