//! How large things may become.

use optimus_common::{job::JobStatus, payload::text_or_base64, result::Verdict};
use optimus_queue::{
    Finish, JobQueue, Submitted,
    conformance::jobs::{accepted, claim, job_of, queue, submit},
};

use crate::folder::{Folder, accepted_with};

const MIB: usize = 1 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn the_largest_input_is_taken_while_others_go_on() {
    let folder = Folder::new();
    let store = folder.store(&queue()).await;
    submit(&store).await;
    let lease = claim(&store).await.lease;
    // Of bytes that are no text, so that it is a third larger as JSON.
    let bytes: Vec<u8> = (0..64 * MIB)
        .map(|i| u8::try_from(i * 7919 % 256).unwrap())
        .collect();
    let mut large = job_of("pass");
    let (input, input_base64) = text_or_base64(bytes);
    large.submission.test_cases[0].input = input;
    large.submission.test_cases[0].input_base64 = input_base64;
    let (submitted, finished) = tokio::join!(store.submit(large.clone()), store.finish(&lease, accepted()));
    assert_eq!(submitted.unwrap(), Submitted::Created);
    assert_eq!(finished.unwrap(), Finish::Accepted);
    let claim = claim(&store).await;
    assert_eq!(claim.lease.job, large.id);
    assert!(claim.submission == large.submission, "it came back changed");
    store.finish(&claim.lease, accepted_with(16 * MIB)).await.unwrap();
    assert_eq!(store.totals().await.unwrap().stored_bytes, 0);
}

#[tokio::test]
async fn a_result_of_absurd_size_fails_its_job() {
    let folder = Folder::new();
    let store = folder.store(&queue()).await;
    let id = submit(&store).await;
    let lease = claim(&store).await.lease;
    assert_eq!(
        store.finish(&lease, accepted_with(65 * MIB)).await.unwrap(),
        Finish::Accepted
    );
    let record = store.get(id).await.unwrap().unwrap();
    assert_eq!(record.status, JobStatus::Failed);
    assert!(record.error.unwrap().contains("result"));
    assert_eq!(record.result.unwrap().verdict, Verdict::InternalError);
}
