//! Following one job.

use std::sync::Arc;

use futures_util::future;
use optimus_common::{
    JobId,
    job::JobStatus,
    result::{CompileVerdict, Verdict},
};
use tokio::time;

use super::{
    StoreFactory,
    support::{PATIENCE, claim, completed, settings, submit},
};
use crate::{Followed, JobStore, JobUpdate, JobUpdates, KEPT_UPDATES, Progress};

const STARTED: Progress = Progress::Started { attempt: 1 };
const COMPILED: Progress = Progress::Compiled {
    attempt: 1,
    verdict: CompileVerdict::Ok,
    execution_time_ms: 310,
    cpu_time_ms: 290,
    peak_memory_bytes: 1 << 26,
};

/// Every third one ended by a signal.
fn run_done(test_id: u64) -> Progress {
    let is_killed = test_id.is_multiple_of(3);
    Progress::RunDone {
        attempt: 1,
        test_id,
        verdict: if is_killed {
            Verdict::RuntimeError
        } else {
            Verdict::Accepted
        },
        execution_time_ms: 12,
        cpu_time_ms: 7,
        peak_memory_bytes: u64::MAX,
        exit_code: (!is_killed).then_some(-1),
        signal: is_killed.then(|| "SIGSEGV".to_owned()),
    }
}

async fn follow(store: &dyn JobStore, job: JobId, after: u64) -> JobUpdates {
    store.follow(job, after).await.unwrap().expect("the job is known")
}

fn tell(store: &dyn JobStore, job: JobId, told: &[Progress]) {
    for progress in told {
        store.publish(job, progress.clone());
    }
}

async fn next(updates: &mut JobUpdates) -> Option<Followed> {
    time::timeout(PATIENCE, updates.next())
        .await
        .expect("an update comes")
        .transpose()
        .unwrap()
}

/// The next ones are these, numbered from that number.
async fn are(updates: &mut JobUpdates, first: u64, expected: impl IntoIterator<Item = JobUpdate>) {
    for (number, update) in (first..).zip(expected) {
        assert_eq!(next(updates).await, Some(Followed::Update { number, update }));
    }
}

fn progress(progress: impl IntoIterator<Item = Progress>) -> impl Iterator<Item = JobUpdate> {
    progress.into_iter().map(JobUpdate::Progress)
}

async fn ends(updates: &mut JobUpdates, number: u64, status: JobStatus) {
    are(updates, number, [JobUpdate::Ended { status }]).await;
    assert_eq!(next(updates).await, None);
    assert_eq!(next(updates).await, None, "it stays over");
}

pub async fn a_job_is_followed_from_its_queue_to_its_end(factory: &dyn StoreFactory) {
    let store = &*factory.open(&settings(|_| ())).await;
    let job = submit(store).await;
    let mut updates = follow(store, job, 0).await;
    are(&mut updates, 1, [JobUpdate::Queued]).await;
    let lease = claim(store).await.lease;
    for (number, told) in (2..).zip([STARTED, COMPILED, run_done(1), run_done(u64::MAX)]) {
        store.publish(job, told.clone());
        are(&mut updates, number, progress([told])).await;
    }
    store.finish(&lease, completed()).await.unwrap();
    ends(&mut updates, 6, JobStatus::Completed).await;
}

pub async fn a_job_that_never_ran_is_followed_as_well(factory: &dyn StoreFactory) {
    let store = &*factory.open(&settings(|_| ())).await;
    let job = submit(store).await;
    let mut updates = follow(store, job, 0).await;
    are(&mut updates, 1, [JobUpdate::Queued]).await;
    store.cancel(job).await.unwrap();
    ends(&mut updates, 2, JobStatus::Cancelled).await;
    let mut later = follow(store, job, 0).await;
    are(&mut later, 1, [JobUpdate::Queued]).await;
    ends(&mut later, 2, JobStatus::Cancelled).await;
}

pub async fn a_follower_goes_on_after_a_number(factory: &dyn StoreFactory) {
    let store = &*factory.open(&settings(|_| ())).await;
    let job = submit(store).await;
    let told = [STARTED, COMPILED, run_done(1), run_done(2)];
    let mut first = follow(store, job, 1).await;
    tell(store, job, &told);
    are(&mut first, 2, progress(told.clone())).await;
    for after in 1..=5 {
        let mut resumed = follow(store, job, after).await;
        let left = told.iter().skip(usize::try_from(after).unwrap() - 1).cloned();
        are(&mut resumed, after + 1, progress(left)).await;
    }
    let lease = claim(store).await.lease;
    store.finish(&lease, completed()).await.unwrap();
    let mut last = follow(store, job, 5).await;
    ends(&mut last, 6, JobStatus::Completed).await;
    let resumed = follow(store, job, 5).await;
    assert!(!resumed.has_heard_all(), "its end is still to be told");
    let mut over = follow(store, job, 6).await;
    assert!(over.has_heard_all());
    assert_eq!(next(&mut over).await, None, "nothing comes after the end");
}

pub async fn what_is_flushed_is_heard_before_the_end(factory: &dyn StoreFactory) {
    const JOBS: usize = 8;
    let store = &*factory.open(&settings(|_| ())).await;
    let mut leases = Vec::new();
    for _ in 0..JOBS {
        submit(store).await;
        leases.push(claim(store).await.lease);
    }
    for test in 1..=400 {
        for lease in &leases {
            store.publish(lease.job, run_done(test));
        }
    }
    for lease in &leases {
        time::timeout(PATIENCE, store.flush(lease.job))
            .await
            .expect("it is flushed");
        store.finish(lease, completed()).await.unwrap();
        // Read in one go, so nothing that would be late is waited for.
        let mut updates = follow(store, lease.job, 0).await;
        are(&mut updates, 1, [JobUpdate::Queued]).await;
        are(&mut updates, 2, progress((1..=400).map(run_done))).await;
        ends(&mut updates, 402, JobStatus::Completed).await;
    }
    let unknown = JobId::new();
    time::timeout(PATIENCE, store.flush(unknown))
        .await
        .expect("there is nothing to flush");
}

pub async fn what_is_told_after_the_end_is_dropped(factory: &dyn StoreFactory) {
    let store = &*factory.open(&settings(|_| ())).await;
    let job = submit(store).await;
    let lease = claim(store).await.lease;
    store.publish(job, STARTED);
    time::timeout(PATIENCE, store.flush(job))
        .await
        .expect("it is flushed");
    store.finish(&lease, completed()).await.unwrap();
    store.publish(job, run_done(1));
    time::timeout(PATIENCE, store.flush(job))
        .await
        .expect("it is flushed");
    let mut updates = follow(store, job, 0).await;
    are(&mut updates, 1, [JobUpdate::Queued]).await;
    are(&mut updates, 2, progress([STARTED])).await;
    ends(&mut updates, 3, JobStatus::Completed).await;
    assert!(follow(store, job, 3).await.has_heard_all());
}

pub async fn all_that_is_kept_is_heard_later(factory: &dyn StoreFactory) {
    let store = &*factory.open(&settings(|_| ())).await;
    let job = submit(store).await;
    let told: Vec<_> = (1..=600).map(run_done).collect();
    let mut first = follow(store, job, 1).await;
    tell(store, job, &told);
    are(&mut first, 2, progress(told.clone())).await;
    let lease = claim(store).await.lease;
    store.finish(&lease, completed()).await.unwrap();
    let mut late = follow(store, job, 0).await;
    are(&mut late, 1, [JobUpdate::Queued]).await;
    are(&mut late, 2, progress(told)).await;
    ends(&mut late, 602, JobStatus::Completed).await;
}

pub async fn the_oldest_updates_make_room(factory: &dyn StoreFactory) {
    let store = &*factory.open(&settings(|_| ())).await;
    let job = submit(store).await;
    let last = KEPT_UPDATES as u64 + 10;
    (1..=last).for_each(|test| store.publish(job, run_done(test)));
    let mut first = follow(store, job, 0).await;
    // All have been told when the last one is heard.
    let is_last =
        |followed: &Followed| matches!(followed, Followed::Update { number, .. } if *number == last + 1);
    while !is_last(&next(&mut first).await.expect("the job is not over")) {}

    let mut late = follow(store, job, 0).await;
    are(&mut late, 1, [JobUpdate::Queued]).await;
    assert_eq!(next(&mut late).await, Some(Followed::Missed));
    are(&mut late, 12, progress((11..=last).map(run_done))).await;
    for beyond in [last + 100, u64::MAX] {
        let mut beyond = follow(store, job, beyond).await;
        assert_eq!(
            next(&mut beyond).await,
            Some(Followed::Missed),
            "it was told of another log"
        );
    }
}

pub async fn jobs_are_followed_apart(factory: &dyn StoreFactory) {
    let store = &*factory.open(&settings(|_| ())).await;
    let jobs = [submit(store).await, submit(store).await];
    let mut updates = [follow(store, jobs[0], 1).await, follow(store, jobs[1], 1).await];
    for test in 1..=50 {
        store.publish(jobs[0], run_done(test));
        store.publish(jobs[1], run_done(1000 + test));
    }
    are(&mut updates[1], 2, progress((1001..=1050).map(run_done))).await;
    are(&mut updates[0], 2, progress((1..=50).map(run_done))).await;
}

pub async fn followers_come_and_go(factory: &dyn StoreFactory) {
    let store: Arc<dyn JobStore> = factory.open(&settings(|_| ())).await;
    let job = submit(&*store).await;
    let mut stays = follow(&*store, job, 1).await;
    for test in 1..=20 {
        let mut leaves = follow(&*store, job, test).await;
        store.publish(job, run_done(test));
        are(&mut leaves, test + 1, progress([run_done(test)])).await;
        drop(leaves);
    }
    are(&mut stays, 2, progress((1..=20).map(run_done))).await;
    let lease = claim(&*store).await.lease;
    let waiting = tokio::spawn(async move { next(&mut stays).await });
    store.finish(&lease, completed()).await.unwrap();
    let status = JobStatus::Completed;
    assert_eq!(
        waiting.await.unwrap(),
        Some(Followed::Update {
            number: 22,
            update: JobUpdate::Ended { status }
        })
    );
}

pub async fn a_crowd_of_followers_comes_and_goes(factory: &dyn StoreFactory) {
    const JOBS: u64 = 100;
    let store = &*factory.open(&settings(|_| ())).await;
    let jobs = future::join_all((0..JOBS).map(|_| submit(store))).await;
    let follow_all = || future::join_all(jobs.iter().map(|job| follow(store, *job, 1)));
    for _ in 0..5 {
        drop(follow_all().await);
    }
    let mut crowd = follow_all().await;
    for (test, job) in (1..).zip(&jobs) {
        store.publish(*job, run_done(test));
    }
    for (test, updates) in (1..).zip(&mut crowd) {
        are(updates, 2, progress([run_done(test)])).await;
    }
}

pub async fn an_unknown_job_cannot_be_followed(factory: &dyn StoreFactory) {
    let store = &*factory.open(&settings(|_| ())).await;
    assert!(store.follow(JobId::new(), 0).await.unwrap().is_none());
    let unknown = JobId::new();
    store.publish(unknown, STARTED);
    assert!(
        store.follow(unknown, 0).await.unwrap().is_none(),
        "telling makes no job"
    );
}
