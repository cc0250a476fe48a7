//! Which job comes next.

use std::time::{Duration, Instant};

use optimus_common::{JobId, job::Priority};
use serde_json::json;

use super::{
    StoreFactory,
    support::{
        claim, job, language, pause, record, settings, submission_with, submit, submit_job, try_claim,
        with_priority, worker,
    },
};
use crate::JobStore;

pub async fn jobs_of_one_priority_come_in_order(factory: &dyn StoreFactory) {
    let store = &*factory.open(&settings(|_| ())).await;
    let mut submitted = Vec::new();
    for _ in 0..10 {
        submitted.push(submit(store).await);
    }
    assert_eq!(claim_all(store).await, submitted);
}

pub async fn interactive_comes_before_normal_before_batch(factory: &dyn StoreFactory) {
    let store = &*factory.open(&settings(|_| ())).await;
    let mut by_priority = [Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..3 {
        for (place, priority) in Priority::ALL.into_iter().enumerate().rev() {
            by_priority[place].push(submit_job(store, with_priority(priority)).await);
        }
    }
    assert_eq!(claim_all(store).await, by_priority.concat());
}

pub async fn waiting_jobs_age(factory: &dyn StoreFactory) {
    let head_start = Duration::from_millis(20);
    let store = &*factory
        .open(&settings(|queue| queue.priority_head_start = head_start))
        .await;
    // By the rule, a job counts as submitted later by the head starts it gives.
    let given = |priority| match priority {
        Priority::Interactive => Duration::ZERO,
        Priority::Normal => head_start,
        Priority::Batch => 11 * head_start,
    };
    let mut expected = Vec::new();
    let start = Instant::now();
    let mut overtaken = false;
    while !overtaken {
        for priority in [Priority::Batch, Priority::Normal, Priority::Interactive] {
            let id = submit_job(store, with_priority(priority)).await;
            let created = record(store, id).await.created_at;
            expected.push((created + given(priority), priority as u8, created, id));
        }
        let (first, last) = (expected[0].0, expected[expected.len() - 1].0);
        // The first batch job is older than the last interactive one by more than all head starts.
        overtaken = last > first + head_start;
        pause(start, "jobs are apart in time").await;
    }
    // Jobs of one priority keep their order; the store's clock may give two of them one time.
    expected.sort_by_key(|(counts_from, priority, created, _)| (*counts_from, *priority, *created));
    let expected: Vec<_> = expected.into_iter().map(|(.., id)| id).collect();
    assert_eq!(claim_all(store).await, expected);
}

pub async fn languages_are_apart(factory: &dyn StoreFactory) {
    let store = &*factory.open(&settings(|_| ())).await;
    let id = submit_job(store, job(submission_with(json!({"language": "rust"})))).await;
    assert!(try_claim(store).await.is_none());
    let rust = "rust".parse().unwrap();
    assert_eq!(
        store.claim(&rust, &worker()).await.unwrap().unwrap().lease.job,
        id
    );
    let depths = store.depths(&[language(), rust]).await.unwrap();
    assert_eq!((depths[0].running, depths[1].running), (0, 1));
}

async fn claim_all(store: &dyn JobStore) -> Vec<JobId> {
    let mut claimed = vec![claim(store).await.lease.job];
    while let Some(next) = try_claim(store).await {
        claimed.push(next.lease.job);
    }
    claimed
}
