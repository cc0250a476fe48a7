//! Nothing is left of jobs that are over.

use std::time::{Duration, Instant};

use optimus_queue::{
    Idempotency, JobQueue, Submitted, Upkeep,
    conformance::jobs::{TIMEOUT, claim, job_of, queue},
    settings::QueueSettings,
};

use crate::folder::{Folder, accepted_with};

const MIB: usize = 1 << 20;

#[tokio::test]
async fn rows_and_room_return_to_where_they_were() {
    let folder = Folder::new();
    let store = folder
        .store(&QueueSettings {
            result_ttl: Duration::from_millis(200),
            ..queue()
        })
        .await;
    for key in 0..30 {
        let mut job = job_of(&"x".repeat(2 * MIB));
        job.idempotency = Some(Idempotency {
            key: key.to_string(),
            body_sha256: [0; 32],
        });
        assert_eq!(store.submit(job).await.unwrap(), Submitted::Created);
        let cancelled = job_of(&"x".repeat(MIB));
        assert_eq!(store.submit(cancelled.clone()).await.unwrap(), Submitted::Created);
        store.cancel(cancelled.id).await.unwrap();
        let lease = claim(&store).await.lease;
        store.finish(&lease, accepted_with(2 * MIB)).await.unwrap();
    }
    let most = folder.bytes_on_disk();
    assert!(most > 50 * MIB as u64, "{most} bytes");

    let rows = || {
        ["jobs", "submissions", "results", "result_parts", "idempotency"].map(|table| {
            folder
                .look()
                .query_row(&format!("SELECT COUNT(*) FROM {table}"), [], |row| {
                    row.get::<_, u32>(0)
                })
                .unwrap()
        })
    };
    let (mut least, mut progressed) = (u64::MAX, Instant::now());
    // As far as the log and the spare pages go. However slow the disk is: less has to be left from time to time.
    while rows() != [0; 5] || folder.bytes_on_disk() > 24 * MIB as u64 {
        let left = folder.bytes_on_disk() + rows().iter().copied().map(u64::from).sum::<u64>();
        if left < least {
            (least, progressed) = (left, Instant::now());
        }
        assert!(
            progressed.elapsed() < TIMEOUT,
            "{:?} rows and {} of {most} bytes are left",
            rows(),
            folder.bytes_on_disk()
        );
        store.reap().await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    drop(store);
    assert!(
        folder.bytes_on_disk() < 6 * MIB as u64,
        "{} bytes are left",
        folder.bytes_on_disk()
    );
}
