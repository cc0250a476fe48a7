//! The store in memory, and the one that fails when it is told to.

#![expect(clippy::unwrap_used, reason = "a panic is how a test says what is wrong")]

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::FutureExt;
use optimus_common::submission::{Submission, TestCase};
use optimus_queue::{
    EventBus, JobEvent, JobQueue, JobStore, NewJob, StoreError, Submitted, Upkeep,
    conformance::StoreFactory,
    faulty::{Fault, FaultyStore, StoreCall},
    memory::MemoryStore,
    settings::QueueSettings,
};

struct Memory;

#[async_trait]
impl StoreFactory for Memory {
    async fn open(&self, queue: &QueueSettings) -> Arc<dyn JobStore> {
        Arc::new(MemoryStore::new(queue))
    }
}

mod conformance {
    optimus_queue::conformance_tests!(crate::Memory);
}

/// Nothing goes wrong with a store that was not told to fail.
struct Sound;

#[async_trait]
impl StoreFactory for Sound {
    async fn open(&self, queue: &QueueSettings) -> Arc<dyn JobStore> {
        Arc::new(FaultyStore::new(MemoryStore::new(queue)))
    }
}

mod sound {
    optimus_queue::conformance_tests!(crate::Sound);
}

fn store() -> FaultyStore<MemoryStore> {
    FaultyStore::new(MemoryStore::new(&optimus_settings::defaults_of::<QueueSettings>(
        "queue",
    )))
}

fn job() -> NewJob {
    let test = TestCase::new(1, "", "");
    NewJob::new(Submission::new("python".parse().unwrap(), "pass", vec![test]))
}

#[tokio::test]
async fn what_is_refused_does_not_happen_and_what_loses_its_answer_does() {
    let store = store();
    let (refused, lost) = (job(), job());
    store.fail_next(StoreCall::Submit, Fault::Refused);
    store.fail_next(StoreCall::Submit, Fault::LostAnswer);
    for (job, is_there) in [(&refused, false), (&lost, true)] {
        let error = store.submit(job.clone()).await.unwrap_err();
        assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
        assert_eq!(store.lookup(job.id).await.unwrap().is_some(), is_there);
    }
    assert_eq!(
        store.submit(lost).await.unwrap(),
        Submitted::Created,
        "safe to call again"
    );
    assert_eq!(store.calls(StoreCall::Submit), 3);
}

#[tokio::test]
async fn a_store_that_is_switched_off_answers_nothing_and_keeps_everything() {
    let store = store();
    let job = job();
    store.submit(job.clone()).await.unwrap();
    store.set_unreachable(true);
    store.ping().await.unwrap_err();
    store.lookup(job.id).await.unwrap_err();
    store.set_unreachable(false);
    assert!(store.lookup(job.id).await.unwrap().is_some());
}

#[tokio::test]
async fn events_can_be_lost() {
    let store = store();
    let mut events = store.subscribe();
    let (unheard, heard) = (job(), job());
    for (job, lost) in [(&unheard, true), (&heard, false)] {
        store.submit(job.clone()).await.unwrap();
        store.lose_events(lost);
        store.cancel(job.id).await.unwrap();
        if lost {
            assert!(events.next().now_or_never().is_none(), "nothing is heard");
        }
    }
    assert_eq!(events.next().await, Some(JobEvent::Finished(heard.id)));
}
