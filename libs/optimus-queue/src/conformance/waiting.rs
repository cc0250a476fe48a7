//! Waiting for work.

use std::{sync::Arc, time::Duration};

use optimus_common::{LanguageName, job::Priority};
use serde_json::json;
use tokio::time;

use super::{
    StoreFactory,
    support::{
        TIMEOUT, claim, job, language, settings, submission_with, submit, submit_job, with_priority, worker,
    },
};
use crate::JobStore;

/// Far longer than [`TIMEOUT`]: who waits this long was not woken.
const WITHOUT_END: Duration = Duration::from_hours(1);

/// Waits as a worker does: until a claim succeeds.
fn wait_and_claim(store: Arc<dyn JobStore>, language: LanguageName) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        while store.claim(&language, &worker()).await.unwrap().is_none() {
            store.wait_for_work(&language, WITHOUT_END).await.unwrap();
        }
    })
}

async fn woken(waiting: tokio::task::JoinHandle<()>) {
    time::timeout(TIMEOUT, waiting)
        .await
        .expect("the waiting worker is woken")
        .unwrap();
}

pub async fn a_waiting_worker_hears_of_a_job(factory: &dyn StoreFactory) {
    let store = factory.open(&settings(|_| ())).await;
    // Several times, so that the submission meets the wait at different moments.
    for round in 0..20 {
        let waiting = wait_and_claim(store.clone(), language());
        time::sleep(Duration::from_millis(round % 5)).await;
        submit_job(
            &*store,
            with_priority(Priority::ALL[usize::try_from(round % 3).unwrap()]),
        )
        .await;
        woken(waiting).await;
    }
}

pub async fn workers_of_several_languages_wait_at_once(factory: &dyn StoreFactory) {
    let store = factory.open(&settings(|_| ())).await;
    let names = ["c", "go", "java", "rust"];
    let waiting: Vec<_> = names
        .iter()
        .map(|name| wait_and_claim(store.clone(), name.parse().unwrap()))
        .collect();
    // The last first: none waits for another's end.
    for (name, waiting) in names.iter().zip(waiting).rev() {
        submit_job(&*store, job(submission_with(json!({"language": name})))).await;
        woken(waiting).await;
    }
}

pub async fn a_wait_abandoned_takes_nothing_with_it(factory: &dyn StoreFactory) {
    let store = factory.open(&settings(|_| ())).await;
    let language = language();
    for round in 0..20 {
        let abandoned = time::timeout(
            Duration::from_millis(round),
            store.wait_for_work(&language, WITHOUT_END),
        );
        assert!(abandoned.await.is_err(), "there was nothing to wake for");
        let waiting = wait_and_claim(store.clone(), language.clone());
        time::sleep(Duration::from_millis(round)).await;
        submit(&*store).await;
        woken(waiting).await;
    }
}

pub async fn waiting_ends_where_a_job_waits_already(factory: &dyn StoreFactory) {
    let store = &*factory.open(&settings(|_| ())).await;
    let language = language();
    submit(store).await;
    for _ in 0..3 {
        let waiting = store.wait_for_work(&language, WITHOUT_END);
        time::timeout(TIMEOUT, waiting)
            .await
            .expect("a job waits")
            .unwrap();
    }
}

pub async fn waiting_ends_with_its_time(factory: &dyn StoreFactory) {
    let store = &*factory.open(&settings(|_| ())).await;
    let language = language();
    for millis in [0, 1, 30] {
        let waiting = store.wait_for_work(&language, Duration::from_millis(millis));
        time::timeout(TIMEOUT, waiting)
            .await
            .expect("the time is over")
            .unwrap();
    }
}

pub async fn waiting_ends_with_a_backoff(factory: &dyn StoreFactory) {
    let store = factory
        .open(&settings(|queue| {
            queue.retry_backoff = Duration::from_millis(100);
        }))
        .await;
    // Where the wait begins within the backoff, and where it began before: ever longer, so that it surely did.
    for begun_before in [None, Some(0), Some(5), Some(50)] {
        submit(&*store).await;
        let lease = claim(&*store).await.lease;
        let mut waiting = None;
        if let Some(millis) = begun_before {
            waiting = Some(wait_and_claim(store.clone(), language()));
            time::sleep(Duration::from_millis(millis)).await;
        }
        store.retry(&lease, "x").await.unwrap();
        woken(waiting.unwrap_or_else(|| wait_and_claim(store.clone(), language()))).await;
    }
}
