//! What was told of jobs ends with the process; that it was told does not.

use optimus_common::job::JobStatus;
use optimus_queue::{
    EventBus, Followed, JobQueue, JobUpdate, JobUpdates, Progress,
    conformance::jobs::{accepted, claim, queue, submit},
};

use crate::folder::Folder;

async fn next(updates: &mut JobUpdates) -> Option<Followed> {
    updates.next().await.map(Result::unwrap)
}

#[tokio::test]
async fn an_end_is_told_of_after_a_restart_to_whoever_has_not_heard_it() {
    let folder = Folder::new();
    let store = folder.store(&queue()).await;
    submit(&store).await;
    let lease = claim(&store).await.lease;
    store.publish(&lease, Progress::Started { attempt: 1 });
    store.finish(&lease, accepted()).await.unwrap();
    drop(store);

    let store = folder.store(&queue()).await;
    // It has the start of the attempt, and not the end.
    let mut updates = store.follow(lease.job, 2).await.unwrap().unwrap();
    assert_eq!(next(&mut updates).await, Some(Followed::Missed));
    let Some(Followed::Update { number, update }) = next(&mut updates).await else {
        panic!("an end is told");
    };
    let status = JobStatus::Completed;
    assert_eq!(update, JobUpdate::Ended { status });
    assert_eq!(next(&mut updates).await, None);
    let again = store.follow(lease.job, number).await.unwrap().unwrap();
    assert!(again.has_heard_all());
}

#[tokio::test]
async fn an_end_is_told_of_a_job_whose_attempt_did_not_count() {
    let folder = Folder::new();
    let store = folder.store(&queue()).await;
    submit(&store).await;
    let lease = claim(&store).await.lease;
    store.publish(&lease, Progress::Started { attempt: 1 });
    store.release(&lease).await.unwrap();
    drop(store);

    let store = folder.store(&queue()).await;
    store.cancel(lease.job).await.unwrap();
    // It has the start of that attempt, and not the end.
    let mut updates = store.follow(lease.job, 2).await.unwrap().unwrap();
    assert!(!updates.has_heard_all());
    assert_eq!(next(&mut updates).await, Some(Followed::Missed));
    let Some(Followed::Update { update, .. }) = next(&mut updates).await else {
        panic!("an end is told");
    };
    let status = JobStatus::Cancelled;
    assert_eq!(update, JobUpdate::Ended { status });
}

#[tokio::test]
async fn numbers_go_on_after_a_restart() {
    let folder = Folder::new();
    let store = folder.store(&queue()).await;
    let job = submit(&store).await;
    let lease = claim(&store).await.lease;
    for _ in 0..5 {
        store.publish(&lease, Progress::Started { attempt: 1 });
    }
    drop(store);

    let store = folder.store(&queue()).await;
    // It has four of the updates, of which nothing is kept.
    let mut updates = store.follow(job, 4).await.unwrap().unwrap();
    let lease = loop {
        if let Some(claim) = store
            .claim(&lease.language, &"w2".to_owned().into())
            .await
            .unwrap()
        {
            break claim.lease;
        }
        store
            .wait_for_work(&lease.language, std::time::Duration::from_secs(1))
            .await
            .unwrap();
    };
    for attempt in 2..20 {
        store.publish(&lease, Progress::Started { attempt });
    }
    assert_eq!(next(&mut updates).await, Some(Followed::Missed));
    let Some(Followed::Update { update, .. }) = next(&mut updates).await else {
        panic!("an update is told");
    };
    let first = Progress::Started { attempt: 2 };
    assert_eq!(update, JobUpdate::Progress(first));
}
