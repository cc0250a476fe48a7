//! Depths and totals.

use std::time::Duration;

use optimus_common::{LanguageName, job::Priority, result::Verdict};
use serde_json::json;

use super::{
    StoreFactory,
    support::{
        claim, claim_when_due, completed, depth, job, language, lost_at_once, settings, submission_with,
        submit, submit_job, with_priority,
    },
};
use crate::QueueDepth;

pub async fn depths_count_each_place(factory: &dyn StoreFactory) {
    let store = &*factory
        .open(&settings(|queue| {
            queue.retry_backoff = Duration::from_hours(1);
            queue.max_attempts = 2;
        }))
        .await;
    assert_eq!(store.depths(&[]).await.unwrap(), []);
    submit(store).await;
    let delayed = claim(store).await.lease;
    store.retry(&delayed, "x").await.unwrap();
    submit(store).await;
    claim(store).await;
    for (count, priority) in [
        (3, Priority::Interactive),
        (2, Priority::Normal),
        (1, Priority::Batch),
    ] {
        for _ in 0..count {
            submit_job(store, with_priority(priority)).await;
        }
    }
    let expected = QueueDepth {
        language: language(),
        interactive: 3,
        normal: 2,
        batch: 1,
        delayed: 1,
        running: 1,
        dead: 0,
    };
    assert_eq!(depth(store).await, expected);
    assert_eq!(expected.waiting(), 7);
    let empty: LanguageName = "never".parse().unwrap();
    let depths = store.depths(&[empty.clone(), language()]).await.unwrap();
    assert_eq!(
        (&depths[0].language, depths[0].waiting(), &depths[1]),
        (&empty, 0, &expected)
    );
}

pub async fn totals_count_each_event(factory: &dyn StoreFactory) {
    let store = &*factory
        .open(&settings(|queue| {
            lost_at_once(queue);
            queue.max_attempts = 2;
        }))
        .await;
    assert_eq!(store.totals().await.unwrap(), crate::Totals::default());
    submit(store).await;
    store
        .finish(&claim(store).await.lease, completed())
        .await
        .unwrap();
    let cancelled = submit(store).await;
    store.cancel(cancelled).await.unwrap();
    submit_job(store, job(submission_with(json!({"language": "rust"})))).await;
    submit(store).await;
    claim(store).await;
    store.reap().await.unwrap();
    store
        .retry(&claim_when_due(store).await.lease, "x")
        .await
        .unwrap();
    submit(store).await;
    store.release(&claim(store).await.lease).await.unwrap();

    let totals = store.totals().await.unwrap();
    let rust: LanguageName = "rust".parse().unwrap();
    assert_eq!(totals.submitted, [(language(), 4), (rust, 1)].into());
    let finished = |verdict: Verdict| ((language(), verdict.as_str().to_owned()), 1);
    let expected = [Verdict::WrongAnswer, Verdict::Cancelled, Verdict::InternalError].map(finished);
    assert_eq!(totals.finished, expected.into());
    assert_eq!(totals.requeued, [(language(), 1)].into(), "a release is none");
    assert!(totals.stored_bytes > 0, "two jobs are not over");
}
