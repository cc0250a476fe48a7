//! How results are kept, read in parts, and make room for newer ones.

use std::time::{Duration, Instant};

use optimus_common::{
    JobId,
    job::{JobStatus, Outcome},
    result::{CompileResult, CompileVerdict, JobResult, Verdict},
};

use super::{
    StoreFactory,
    support::{claim, completed, pause, record, result, settings, submit},
};
use crate::{Finish, JobStore, StoredJob};

/// A result with so many bytes of output.
fn large(bytes: usize) -> JobResult {
    JobResult {
        compile: Some(CompileResult {
            stdout_truncated: false,
            stderr_truncated: false,
            verdict: CompileVerdict::Ok,
            stdout: "x".repeat(bytes),
            stderr: String::new(),
            execution_time_ms: 0,
            cpu_time_ms: 0,
            peak_memory_bytes: 0,
            message: None,
            evidence: None,
        }),
        score: Some(0.5),
        passed_tests: 1,
        ..result(Verdict::WrongAnswer)
    }
}

async fn finished(store: &dyn JobStore, result: JobResult) -> JobId {
    let id = submit(store).await;
    let lease = claim(store).await.lease;
    let outcome = Outcome::Completed(result);
    assert_eq!(store.finish(&lease, outcome).await.unwrap(), Finish::Accepted);
    id
}

pub async fn a_large_result_comes_in_parts(factory: &dyn StoreFactory) {
    let store = &*factory.open(&settings(|_| ())).await;
    let kept = large(1_000_000);
    let json = serde_json::to_vec(&kept).unwrap();
    let id = finished(store, kept).await;
    let StoredJob { record, result, .. } = store.lookup(id).await.unwrap().unwrap();
    assert_eq!((record.status, record.result), (JobStatus::Completed, None));
    let stored = result.unwrap();
    assert_eq!(stored.bytes, json.len() as u64);
    assert!(stored.head.len() < 100_000, "a small part comes with the job");
    let gist: JobResult = serde_json::from_slice(&stored.gist.unwrap()).unwrap();
    assert_eq!(
        (gist.verdict, gist.score, gist.passed_tests, gist.compile),
        (Verdict::WrongAnswer, Some(0.5), 1, None)
    );
    let mut all = stored.head;
    for part in 1.. {
        let Some(more) = store.result_part(id, part).await.unwrap() else {
            break;
        };
        assert!((1..100_000).contains(&more.len()));
        all.extend(more);
    }
    assert!(all == json, "the parts make the whole as it was written");
    assert_eq!(store.result_part(id, 0).await.unwrap(), None);
    assert_eq!(store.result_part(JobId::new(), 1).await.unwrap(), None);
    assert_eq!(store.totals().await.unwrap().result_bytes, json.len() as u64);
}

pub async fn an_unfinished_job_has_no_parts(factory: &dyn StoreFactory) {
    let store = &*factory.open(&settings(|_| ())).await;
    let id = submit(store).await;
    assert_eq!(store.lookup(id).await.unwrap().unwrap().result, None);
    assert_eq!(store.result_part(id, 1).await.unwrap(), None);
    let small = finished(store, result(Verdict::WrongAnswer)).await;
    assert_eq!(store.result_part(small, 1).await.unwrap(), None);
}

pub async fn the_oldest_results_make_room(factory: &dyn StoreFactory) {
    let store = &*factory
        .open(&settings(|queue| queue.max_result_bytes = 500_000))
        .await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(finished(store, large(200_000)).await);
        // The order of their ends is told by the clock.
        tokio::time::sleep(Duration::from_millis(2)).await;
        let held = store.totals().await.unwrap().result_bytes;
        assert!(held <= 500_000, "{held} bytes are held");
    }
    for (id, is_whole) in ids.iter().zip([false, false, false, true, true]) {
        let record = record(store, *id).await;
        assert_eq!(record.details_dropped, !is_whole);
        let expected = if is_whole {
            large(200_000)
        } else {
            JobResult {
                compile: None,
                ..large(0)
            }
        };
        assert!(record.result == Some(expected), "verdict, score and totals stay");
        assert_eq!(store.result_part(*id, 1).await.unwrap().is_some(), is_whole);
    }
}

pub async fn a_result_larger_than_all_may_be_keeps_its_totals(factory: &dyn StoreFactory) {
    let store = &*factory
        .open(&settings(|queue| queue.max_result_bytes = 100))
        .await;
    let id = finished(store, large(200_000)).await;
    let record = record(store, id).await;
    assert!(record.details_dropped);
    assert_eq!(record.result.unwrap().score, Some(0.5));
    assert_eq!(store.totals().await.unwrap().result_bytes, 0);
}

pub async fn expired_results_no_longer_count(factory: &dyn StoreFactory) {
    let store = &*factory
        .open(&settings(|queue| queue.result_ttl = Duration::from_millis(50)))
        .await;
    submit(store).await;
    let lease = claim(store).await.lease;
    store.finish(&lease, completed()).await.unwrap();
    let start = Instant::now();
    loop {
        store.reap().await.unwrap();
        if store.totals().await.unwrap().result_bytes == 0 {
            break;
        }
        pause(start, "nothing is counted").await;
    }
}
