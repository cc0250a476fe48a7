//! What is taken in, what is not, and that it stays as it was sent.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use optimus_common::{
    JobId,
    payload::{Base64Bytes, text_or_base64},
    submission::{Submission, TestCase},
};
use serde_json::json;
use tokio::task::JoinSet;

use super::{
    StoreFactory,
    support::{
        claim, completed, depth, job, pause, record, settings, submission, submission_with, submit,
        submit_job, try_claim,
    },
};
use crate::{Idempotency, NewJob, Submitted};

fn keyed(key: &str, body: u8) -> NewJob {
    let idempotency = Idempotency {
        key: key.to_owned(),
        body_sha256: [body; 32],
    };
    NewJob {
        idempotency: Some(idempotency),
        ..job(submission())
    }
}

pub async fn the_same_key_and_body_is_the_same_job(factory: &dyn StoreFactory) {
    let store = &*factory.open(&settings(|_| ())).await;
    // A client may put anything into its key.
    for key in ["k", "", "a b:c*?\r\n\0é", &"long".repeat(5000)] {
        let first = submit_job(store, keyed(key, 1)).await;
        let second = keyed(key, 1);
        let unused = second.id;
        assert_eq!(store.submit(second).await.unwrap(), Submitted::Existing(first));
        assert_eq!(store.get(unused).await.unwrap(), None);
        let lease = claim(store).await.lease;
        assert_eq!(lease.job, first);
        assert!(try_claim(store).await.is_none(), "there is one job");
        store.finish(&lease, completed()).await.unwrap();
        assert_eq!(
            store.submit(keyed(key, 1)).await.unwrap(),
            Submitted::Existing(first),
            "also when it is over"
        );
    }
}

pub async fn the_same_key_with_another_body_is_refused(factory: &dyn StoreFactory) {
    let store = &*factory.open(&settings(|_| ())).await;
    submit_job(store, keyed("k", 1)).await;
    assert_eq!(store.submit(keyed("k", 2)).await.unwrap(), Submitted::KeyReused);
    assert_eq!(store.submit(keyed("other", 2)).await.unwrap(), Submitted::Created);
    assert_eq!(depth(store).await.waiting(), 2);
}

pub async fn a_key_is_its_owners_alone(factory: &dyn StoreFactory) {
    let store = &*factory.open(&settings(|_| ())).await;
    let owned = |owner: &str, body| {
        let mut job = keyed("k", body);
        job.context.owner = owner.parse().unwrap();
        job
    };
    let first = submit_job(store, keyed("k", 1)).await;
    let other = submit_job(store, owned("other", 2)).await;
    for (job, known) in [
        (keyed("k", 1), Submitted::Existing(first)),
        (owned("default", 1), Submitted::Existing(first)),
        (owned("other", 2), Submitted::Existing(other)),
        (owned("other", 1), Submitted::KeyReused),
    ] {
        assert_eq!(store.submit(job).await.unwrap(), known);
    }
}

pub async fn what_a_key_made_is_known_without_submitting(factory: &dyn StoreFactory) {
    let store = &*factory.open(&settings(|_| ())).await;
    let asked = async |key: &str, body, owner: &str| {
        let idempotency = keyed(key, body).idempotency.unwrap();
        let owner = owner.parse().unwrap();
        store.submitted_before(&owner, &idempotency).await.unwrap()
    };
    assert_eq!(asked("k", 1, "default").await, None);
    assert_eq!(depth(store).await.waiting(), 0, "asking submits nothing");
    let first = submit_job(store, keyed("k", 1)).await;
    for _ in 0..2 {
        assert_eq!(asked("k", 1, "default").await, Some(Submitted::Existing(first)));
        assert_eq!(asked("k", 2, "default").await, Some(Submitted::KeyReused));
        assert_eq!(asked("other", 1, "default").await, None);
        assert_eq!(asked("k", 1, "other").await, None);
    }
    store
        .finish(&claim(store).await.lease, completed())
        .await
        .unwrap();
    assert_eq!(asked("k", 1, "default").await, Some(Submitted::Existing(first)));
}

pub async fn duplicates_at_once_make_one_job(factory: &dyn StoreFactory) {
    let store = factory.open(&settings(|_| ())).await;
    let mut callers = JoinSet::new();
    for _ in 0..50 {
        let store = store.clone();
        callers.spawn(async move {
            let job = keyed("k", 1);
            match store.submit(job.clone()).await.unwrap() {
                Submitted::Created => (job.id, 1),
                Submitted::Existing(id) => (id, 0),
                other => panic!("{other:?}"),
            }
        });
    }
    let answers = callers.join_all().await;
    assert_eq!(answers.iter().map(|(_, created)| created).sum::<u32>(), 1);
    assert!(
        answers.iter().all(|(id, _)| *id == answers[0].0),
        "all are told of one job"
    );
    assert_eq!(depth(&*store).await.waiting(), 1);
}

pub async fn a_submission_repeated_by_its_id_is_one_job(factory: &dyn StoreFactory) {
    let store = &*factory.open(&settings(|_| ())).await;
    for job in [job(submission()), keyed("k", 1)] {
        let before = depth(store).await.waiting();
        for _ in 0..3 {
            assert_eq!(store.submit(job.clone()).await.unwrap(), Submitted::Created);
        }
        assert_eq!(depth(store).await.waiting(), before + 1);
    }
}

pub async fn a_key_is_free_again_after_its_time(factory: &dyn StoreFactory) {
    let store = &*factory
        .open(&settings(|queue| queue.result_ttl = Duration::from_millis(50)))
        .await;
    submit_job(store, keyed("k", 1)).await;
    let start = Instant::now();
    while store.submit(keyed("k", 2)).await.unwrap() != Submitted::Created {
        pause(start, "the key is free again").await;
    }
}

pub async fn a_full_queue_takes_no_more(factory: &dyn StoreFactory) {
    let store = &*factory
        .open(&settings(|queue| {
            queue.max_waiting_jobs = 3;
            queue.retry_backoff = Duration::from_hours(1);
        }))
        .await;
    for priority in ["interactive", "normal", "batch"] {
        submit_job(store, job(submission_with(json!({"priority": priority})))).await;
    }
    let refused = job(submission());
    assert_eq!(store.submit(refused.clone()).await.unwrap(), Submitted::Full);
    assert_eq!(
        store.get(refused.id).await.unwrap(),
        None,
        "nothing of it is kept"
    );
    let elsewhere = job(submission_with(json!({"language": "rust"})));
    assert_eq!(
        store.submit(elsewhere).await.unwrap(),
        Submitted::Created,
        "the limit is each language's own"
    );

    let lease = claim(store).await.lease;
    assert_eq!(
        store.submit(refused.clone()).await.unwrap(),
        Submitted::Created,
        "a running job does not wait"
    );
    store.retry(&lease, "x").await.unwrap();
    store.cancel(refused.id).await.unwrap();
    assert_eq!(
        store.submit(job(submission())).await.unwrap(),
        Submitted::Full,
        "a delayed job waits"
    );
}

pub async fn a_full_store_takes_no_more_bytes(factory: &dyn StoreFactory) {
    let large = || job(submission_with(json!({"source_code": "x".repeat(10_000)})));
    let store = &*factory
        .open(&settings(|queue| queue.max_stored_bytes = 25_000))
        .await;
    let waiting = submit_job(store, large()).await;
    submit_job(store, large()).await;
    assert_eq!(store.submit(large()).await.unwrap(), Submitted::Full);
    assert!((20_000..25_000).contains(&store.totals().await.unwrap().stored_bytes));
    submit(store).await;

    store.cancel(waiting).await.unwrap();
    submit_job(store, large()).await;
    let lease = claim(store).await.lease;
    assert_eq!(
        store.submit(large()).await.unwrap(),
        Submitted::Full,
        "a running job's bytes are kept"
    );
    store.finish(&lease, completed()).await.unwrap();
    submit_job(store, large()).await;
}

pub async fn a_known_key_is_answered_by_a_full_queue(factory: &dyn StoreFactory) {
    let store = &*factory.open(&settings(|queue| queue.max_waiting_jobs = 1)).await;
    let first = submit_job(store, keyed("k", 1)).await;
    assert_eq!(
        store.submit(keyed("k", 1)).await.unwrap(),
        Submitted::Existing(first)
    );
    assert_eq!(store.submit(keyed("k", 2)).await.unwrap(), Submitted::KeyReused);
    assert_eq!(store.submit(keyed("new", 1)).await.unwrap(), Submitted::Full);
    store.cancel(first).await.unwrap();
    assert_eq!(
        store.submit(keyed("new", 1)).await.unwrap(),
        Submitted::Created,
        "a refusal binds no key"
    );
}

pub async fn bytes_that_are_no_text_come_back_unchanged(factory: &dyn StoreFactory) {
    let store = &*factory.open(&settings(|_| ())).await;
    let inputs: [Vec<u8>; 4] = [
        (0..=255).collect(),
        vec![0; 100],
        b"a\0b\r\n".to_vec(),
        vec![0xff, 0xfe, 0xc0],
    ];
    let test_cases = inputs.iter().enumerate().map(|(id, bytes)| {
        let (input, input_base64) = text_or_base64(bytes.clone());
        TestCase {
            input,
            input_base64,
            expected_output: None,
            expected_output_base64: Some(Base64Bytes(bytes.clone())),
            points: Some(0.1),
            ..TestCase::new(id as u64, "", "")
        }
    });
    let sent = Submission {
        test_cases: test_cases.collect(),
        ..submission()
    };
    let id = submit_job(store, job(sent.clone())).await;
    let claimed = claim(store).await.submission;
    assert_eq!(claimed, sent);
    for (test, bytes) in claimed.test_cases.iter().zip(&inputs) {
        assert_eq!(
            (test.input(), test.expected_output()),
            (bytes.as_slice(), bytes.as_slice())
        );
    }
    assert_eq!(record(store, id).await.attempts, 1);
}

pub async fn large_payloads_come_back_unchanged(factory: &dyn StoreFactory) {
    const BYTES: usize = 32 << 20;
    let store = factory.open(&settings(|_| ())).await;
    let input: String = (0..BYTES)
        .map(|i| char::from(b' ' + u8::try_from(i * 7919 % 90).unwrap()))
        .collect();
    let mut sent = submission();
    sent.test_cases[0].input = Some(input);
    let sent = Arc::new(sent);
    let id = submit_job(&*store, job(Submission::clone(&sent))).await;
    assert!(store.totals().await.unwrap().stored_bytes >= BYTES as u64);
    let claim = claim(&*store).await;
    assert_eq!(claim.lease.job, id);
    assert!(claim.submission == *sent, "{BYTES} bytes came back changed");
    store.finish(&claim.lease, completed()).await.unwrap();
    assert_eq!(store.totals().await.unwrap().stored_bytes, 0);
    assert_eq!(store.get(JobId::new()).await.unwrap(), None);
}
