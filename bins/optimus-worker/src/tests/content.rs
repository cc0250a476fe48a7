//! Jobs whose content is named.

use super::*;

/// A submission of one test, whose input and expected output are this content.
fn naming(content: &[u8]) -> Submission {
    let digest: [u8; 32] = sha2::Sha256::digest(content).into();
    let named = NamedContent::new(Digest::from(digest));
    let mut submission = fakes::submission("echo", &[("", "")]);
    let test = &mut submission.test_cases[0];
    (test.input, test.expected_output) = (None, None);
    (test.input_sha256, test.expected_output_sha256) = (Some(named.clone()), Some(named));
    submission
}

async fn put_content(store: &dyn ContentStore, bytes: &'static [u8]) -> Digest {
    let digest = Digest::from(<[u8; 32]>::from(sha2::Sha256::digest(bytes)));
    let mut incoming = store.begin(digest).await.unwrap();
    incoming.write(bytes::Bytes::from_static(bytes)).await.unwrap();
    incoming.finish().await.unwrap();
    digest
}

#[tokio::test(start_paused = true)]
async fn a_job_is_graded_by_the_content_it_names() {
    let running = Running::start();
    put_content(&running.content, b"large").await;
    let record = running.graded(naming(b"large")).await;
    assert_eq!(verdicts(&record), [Verdict::Accepted]);
    assert_eq!(record.result.unwrap().test_results[0].stdout, "large");
    running.leave().await;
}

#[tokio::test(start_paused = true)]
async fn content_that_is_gone_is_a_failure_of_ours() {
    let running = Running::start();
    let digest = put_content(&running.content, b"large").await;
    running.memory.damage(digest, None);
    let id = running.store.put(naming(b"large")).await;
    let record = running.store.until(id, JobStatus::Failed).await;
    let error = record.error.unwrap();
    assert!(
        error.contains(&digest.to_string()) && error.contains("gone"),
        "{error}"
    );
    // It is not the language's failure.
    put_content(&running.content, b"large").await;
    let record = running.graded(naming(b"large")).await;
    assert_eq!(verdicts(&record), [Verdict::Accepted]);
    running.leave().await;
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_the_content_store_uses_no_attempts() {
    let running = Running::start();
    put_content(&running.content, b"large").await;
    running.content.set_unreachable(true);
    let id = running.store.put(naming(b"large")).await;
    running.until_pool(|pool| pool.unavailable.is_some()).await;
    // Much longer than all attempts take.
    tokio::time::sleep(Duration::from_mins(10)).await;
    let record = running.store.get(id).await.unwrap().unwrap();
    assert_eq!((record.status, record.attempts), (JobStatus::Queued, 0));
    running.content.set_unreachable(false);
    let record = running.store.until(id, JobStatus::Completed).await;
    assert_eq!((record.attempts, verdicts(&record)), (1, vec![Verdict::Accepted]));
    running.until_pool(|pool| pool.unavailable.is_none()).await;
    running.leave().await;
}

#[tokio::test(start_paused = true)]
async fn damaged_content_uses_attempts_until_it_is_put_again() {
    let running = Running::start();
    let digest = put_content(&running.content, b"large").await;
    running
        .memory
        .damage(digest, Some(bytes::Bytes::from_static(b"LARGE")));
    let id = running.store.put(naming(b"large")).await;
    let record = running.store.until(id, JobStatus::Failed).await;
    assert!(record.error.unwrap().contains("gone"));
    assert_eq!(record.attempts, 3);

    // Put again when the first attempt has failed, it is there for the second.
    let id = running.store.put(naming(b"large")).await;
    while running.store.get(id).await.unwrap().unwrap().attempts < 2 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    put_content(&running.content, b"large").await;
    let record = running.store.until(id, JobStatus::Completed).await;
    assert_eq!((record.attempts, verdicts(&record)), (2, vec![Verdict::Accepted]));
    running.leave().await;
}
