//! Hearing of things: events, work, workers, numbers.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use optimus_common::{LanguageName, WorkerId, job::Priority, result::Verdict};
use serde_json::json;
use tokio::{sync::broadcast, time};

use super::{
    StoreFactory,
    support::{
        PATIENCE, claim, claim_when_due, completed, depth, job, language, lost_at_once, pause, settings,
        submission_with, submit, submit_job, try_claim, with_priority, worker,
    },
};
use crate::{Audited, JobEvent, JobStore, PoolInfo, QueueDepth, WorkerInfo};

/// Far longer than [`PATIENCE`]: who waits this long was not woken.
const WITHOUT_END: Duration = Duration::from_hours(1);

async fn next(events: &mut broadcast::Receiver<JobEvent>) -> JobEvent {
    time::timeout(PATIENCE, events.recv())
        .await
        .expect("an event comes")
        .unwrap()
}

pub async fn ends_and_cancels_are_announced(factory: &dyn StoreFactory) {
    let store = &*factory.open(&settings(|_| ())).await;
    let (mut events, mut others) = (store.subscribe(), store.subscribe());
    let first = submit(store).await;
    let lease = claim(store).await.lease;
    store.cancel(first).await.unwrap();
    assert_eq!(next(&mut events).await, JobEvent::CancelRequested(first));
    store.finish(&lease, completed()).await.unwrap();
    assert_eq!(next(&mut events).await, JobEvent::Finished(first));
    let second = submit(store).await;
    store.cancel(second).await.unwrap();
    assert_eq!(next(&mut events).await, JobEvent::Finished(second));
    assert_eq!(
        next(&mut others).await,
        JobEvent::CancelRequested(first),
        "every subscriber hears of it"
    );
}

/// Waits as a worker does: until a claim succeeds.
fn wait_and_claim(store: Arc<dyn JobStore>, language: LanguageName) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        while store.claim(&language, &worker()).await.unwrap().is_none() {
            store.wait_for_work(&language, WITHOUT_END).await.unwrap();
        }
    })
}

async fn woken(waiting: tokio::task::JoinHandle<()>) {
    time::timeout(PATIENCE, waiting)
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
        time::timeout(PATIENCE, waiting)
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
        time::timeout(PATIENCE, waiting)
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

fn announced(id: &str, busy: u32) -> WorkerInfo {
    WorkerInfo {
        id: WorkerId::from(id.to_owned()),
        host: "höst".to_owned(),
        pools: vec![PoolInfo {
            language: language(),
            slots: 4,
            busy,
            unavailable: Some("no image".to_owned()),
            toolchain: Some("Python 3.11.2".to_owned()),
        }],
    }
}

async fn known(store: &dyn JobStore) -> BTreeSet<WorkerId> {
    store
        .workers()
        .await
        .unwrap()
        .into_iter()
        .map(|worker| worker.id)
        .collect()
}

pub async fn workers_are_known_until_they_leave(factory: &dyn StoreFactory) {
    let store = &*factory.open(&settings(|_| ())).await;
    assert_eq!(store.workers().await.unwrap(), []);
    store.heartbeat(&announced("a", 0)).await.unwrap();
    store.heartbeat(&announced("b", 0)).await.unwrap();
    store.heartbeat(&announced("a", 3)).await.unwrap();
    let mut workers = store.workers().await.unwrap();
    workers.sort_by(|x, y| x.id.cmp(&y.id));
    assert_eq!(
        workers,
        [announced("a", 3), announced("b", 0)],
        "the latest word of each"
    );
    store.deregister(&WorkerId::from("a".to_owned())).await.unwrap();
    store
        .deregister(&WorkerId::from("never seen".to_owned()))
        .await
        .unwrap();
    assert_eq!(store.workers().await.unwrap(), [announced("b", 0)]);
}

pub async fn silent_workers_are_forgotten(factory: &dyn StoreFactory) {
    let store = &*factory
        .open(&settings(|queue| queue.lease = Duration::from_millis(500)))
        .await;
    store.heartbeat(&announced("silent", 0)).await.unwrap();
    let start = Instant::now();
    let both = BTreeSet::from(["silent", "loud"].map(|id| WorkerId::from(id.to_owned())));
    loop {
        store.heartbeat(&announced("loud", 0)).await.unwrap();
        let known = known(store).await;
        assert!(known.is_subset(&both));
        if known.len() == 1 {
            assert!(
                known.contains(&WorkerId::from("loud".to_owned())),
                "the wrong one was forgotten"
            );
            assert!(
                start.elapsed() >= Duration::from_millis(499),
                "forgotten too early"
            );
            return;
        }
        pause(start, "the silent worker is forgotten").await;
    }
}

pub async fn depths_count_each_place(factory: &dyn StoreFactory) {
    let store = &*factory
        .open(&settings(|queue| {
            queue.retry_backoff = Duration::from_hours(1);
            queue.max_attempts = 2;
        }))
        .await;
    assert_eq!(store.queues(&[]).await.unwrap(), []);
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
    let depths = store.queues(&[empty.clone(), language()]).await.unwrap();
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

pub async fn an_audit_of_a_sound_store_mends_nothing(factory: &dyn StoreFactory) {
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
