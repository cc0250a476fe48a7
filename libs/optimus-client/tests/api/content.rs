//! What is large travels once, as far as the installation takes it.

use optimus_common::{
    WorkerId,
    submission::{Submission, TestCase},
};
use optimus_content::ContentStore;
use optimus_queue::{PoolInfo, WorkerInfo, WorkerRegistry};

use crate::support::Api;

/// The least that is sent apart.
const LARGE: usize = 1 << 20;

fn submission() -> Submission {
    let tests = vec![TestCase::new(1, "x".repeat(LARGE), "small")];
    Submission::new("python".parse().unwrap(), "", tests)
}

#[tokio::test]
async fn what_is_large_is_stored_and_named() {
    let api = Api::start_with(|settings| settings.content.max_bytes = LARGE as u64).await;
    let client = api.client();
    // The second time it is there.
    for _ in 0..2 {
        let mut submission = submission();
        client.store_large(&mut submission).await.unwrap();
        let test = &submission.test_cases[0];
        assert_eq!((&test.input, &test.input_base64), (&None, &None));
        assert_eq!(test.expected_output.as_deref(), Some("small"));
        let digest = test.input_sha256.as_ref().unwrap().digest();
        let stored = api.content.get(digest).await.unwrap().unwrap();
        assert!(stored.into_bytes(1 << 30).await.unwrap()[..] == *"x".repeat(LARGE).as_bytes());
        client.submit(&submission, None).await.unwrap();
    }
}

#[tokio::test]
async fn what_is_not_taken_is_sent_along() {
    let api = Api::start_with(|settings| settings.content.max_bytes = LARGE as u64 - 1).await;
    let mut sent = submission();
    api.client().store_large(&mut sent).await.unwrap();
    assert_eq!(sent, submission());
}

#[tokio::test]
async fn all_is_sent_along_while_the_content_store_is_away() {
    let api = Api::start().await;
    api.content.set_unreachable(true);
    let job = api.client().submit_large(submission(), None).await.unwrap();
    let claim = api.claim().await;
    assert_eq!(
        (claim.lease.job, claim.submission),
        (job.job_id, submission()),
        "whole"
    );
}

#[tokio::test]
async fn all_is_sent_along_where_no_worker_has_what_was_stored() {
    let api = Api::start().await;
    let elsewhere = WorkerInfo {
        id: WorkerId::new(),
        host: "there".to_owned(),
        pools: vec![PoolInfo {
            language: "python".parse().unwrap(),
            slots: 1,
            busy: 0,
            unavailable: None,
            toolchain: None,
        }],
        // No store has this name.
        content: Some(uuid::Uuid::nil()),
    };
    api.store.heartbeat(&elsewhere).await.unwrap();
    let job = api.client().submit_large(submission(), None).await.unwrap();
    let claim = api.claim().await;
    assert_eq!((claim.lease.job, claim.submission), (job.job_id, submission()));
}

#[tokio::test]
async fn what_is_stored_is_named_in_the_job() {
    let api = Api::start().await;
    api.client().submit_large(submission(), None).await.unwrap();
    let test = &api.claim().await.submission.test_cases[0];
    assert!(test.input.is_none() && test.input_sha256.is_some());
}
