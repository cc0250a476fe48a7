//! Leases that are over, and the audit.

use std::time::Duration;

use optimus_common::{
    job::{JobStatus, Priority},
    result::Verdict,
};

use super::{
    StoreFactory,
    support::{
        claim, claim_when_due, completed, depth, lost_at_once, record, settings, status, submit, submit_job,
        try_claim, with_priority,
    },
};
use crate::{Audited, Finish, Reaped, Renewal};

pub async fn an_expired_lease_holds_until_it_is_reaped(factory: &dyn StoreFactory) {
    let store = &*factory.open(&settings(lost_at_once)).await;
    let id = submit(store).await;
    let lease = claim(store).await.lease;
    assert_eq!(store.renew(&lease).await.unwrap(), Renewal::Held);
    assert_eq!(store.finish(&lease, completed()).await.unwrap(), Finish::Accepted);
    assert_eq!(store.reap().await.unwrap(), Reaped::default());
    assert_eq!(status(store, id).await, JobStatus::Completed);
}

pub async fn a_lost_lease_is_an_attempt(factory: &dyn StoreFactory) {
    let store = &*factory.open(&settings(lost_at_once)).await;
    let id = submit(store).await;
    claim(store).await;
    assert_eq!(store.reap().await.unwrap(), Reaped { requeued: 1, dead: 0 });
    let queued = record(store, id).await;
    assert_eq!((queued.status, queued.attempts), (JobStatus::Queued, 1));
    assert_eq!(depth(store).await.running, 0);
    assert_eq!(claim_when_due(store).await.attempt, 2);
}

pub async fn a_job_out_of_attempts_is_dead(factory: &dyn StoreFactory) {
    let store = &*factory
        .open(&settings(|queue| {
            lost_at_once(queue);
            queue.max_attempts = 2;
        }))
        .await;
    let id = submit(store).await;
    claim(store).await;
    assert_eq!(store.reap().await.unwrap(), Reaped { requeued: 1, dead: 0 });
    claim_when_due(store).await;
    assert_eq!(store.reap().await.unwrap(), Reaped { requeued: 0, dead: 1 });

    let record = record(store, id).await;
    assert_eq!((record.status, record.attempts), (JobStatus::Failed, 2));
    let error = record.error.unwrap();
    assert!(
        error.contains("worker") && error.contains('2'),
        "names the cause: {error}"
    );
    let result = record.result.unwrap();
    assert_eq!(
        (result.verdict, result.score, result.total_tests),
        (Verdict::InternalError, None, 2)
    );
    assert_eq!((depth(store).await.dead, depth(store).await.waiting()), (1, 0));
    assert!(try_claim(store).await.is_none());
    assert_eq!(store.totals().await.unwrap().stored_bytes, 0);
}

pub async fn an_audit_of_a_sound_store_repairs_nothing(factory: &dyn StoreFactory) {
    let store = &*factory
        .open(&settings(|queue| queue.retry_backoff = Duration::from_hours(1)))
        .await;
    for priority in Priority::ALL {
        for _ in 0..3 {
            submit_job(store, with_priority(priority)).await;
        }
    }
    store.retry(&claim(store).await.lease, "x").await.unwrap();
    store
        .finish(&claim(store).await.lease, completed())
        .await
        .unwrap();
    let running = claim(store).await.lease;
    let before = (depth(store).await, store.totals().await.unwrap());
    assert_eq!(store.audit().await.unwrap(), Audited::default());
    assert_eq!((depth(store).await, store.totals().await.unwrap()), before);
    assert_eq!(store.renew(&running).await.unwrap(), crate::Renewal::Held);
    assert!(try_claim(store).await.is_some());
}
