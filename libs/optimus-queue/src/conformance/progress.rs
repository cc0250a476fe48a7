//! Following one job.

use std::{sync::Arc, time::Duration};

use futures_util::future;
use optimus_common::{
    FencingToken, JobId,
    job::JobStatus,
    result::{CompileVerdict, Verdict},
};
use tokio::time;

use super::{
    StoreFactory,
    support::{TIMEOUT, claim, claim_when_due, completed, language, settings, submit},
};
use crate::{Followed, JobStore, JobUpdate, JobUpdates, KEPT_UPDATES, Lease, Progress};

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

fn tell(store: &dyn JobStore, lease: &Lease, told: &[Progress]) {
    for progress in told {
        store.publish(lease, progress.clone());
    }
}

/// A job that somebody works on.
async fn under_way(store: &dyn JobStore) -> Lease {
    submit(store).await;
    claim(store).await.lease
}

async fn next(updates: &mut JobUpdates) -> Option<Followed> {
    time::timeout(TIMEOUT, updates.next())
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
        store.publish(&lease, told.clone());
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
    let lease = under_way(store).await;
    let job = lease.job;
    let told = [STARTED, COMPILED, run_done(1), run_done(2)];
    let mut first = follow(store, job, 1).await;
    tell(store, &lease, &told);
    are(&mut first, 2, progress(told.clone())).await;
    for after in 1..=5 {
        let mut resumed = follow(store, job, after).await;
        let left = told.iter().skip(usize::try_from(after).unwrap() - 1).cloned();
        are(&mut resumed, after + 1, progress(left)).await;
    }
    store.finish(&lease, completed()).await.unwrap();
    let mut last = follow(store, job, 5).await;
    ends(&mut last, 6, JobStatus::Completed).await;
    let resumed = follow(store, job, 5).await;
    assert!(!resumed.has_heard_all(), "its end is still to be told");
    let mut over = follow(store, job, 6).await;
    assert!(over.has_heard_all());
    assert_eq!(next(&mut over).await, None, "nothing comes after the end");
}

pub async fn what_was_told_is_heard_before_the_end(factory: &dyn StoreFactory) {
    const JOBS: usize = 8;
    let store = &*factory.open(&settings(|_| ())).await;
    let mut leases = Vec::new();
    for _ in 0..JOBS {
        leases.push(under_way(store).await);
    }
    for test in 1..=400 {
        for lease in &leases {
            store.publish(lease, run_done(test));
        }
    }
    for lease in &leases {
        store.finish(lease, completed()).await.unwrap();
        // Read in one go, so nothing that would be late is waited for.
        let mut updates = follow(store, lease.job, 0).await;
        are(&mut updates, 1, [JobUpdate::Queued]).await;
        are(&mut updates, 2, progress((1..=400).map(run_done))).await;
        ends(&mut updates, 402, JobStatus::Completed).await;
    }
}

/// Whether somebody follows it meanwhile or not, and whether it is given back or fails.
pub async fn attempts_are_told_one_after_the_other(factory: &dyn StoreFactory) {
    let store = &*factory
        .open(&settings(|queue| queue.retry_backoff = Duration::ZERO))
        .await;
    for is_followed in [false, true] {
        let first = under_way(store).await;
        let mut follower = None;
        if is_followed {
            let mut updates = follow(store, first.job, 1).await;
            store.publish(&first, STARTED);
            are(&mut updates, 2, progress([STARTED])).await;
            follower = Some(updates);
        } else {
            store.publish(&first, STARTED);
        }
        store.publish(&first, run_done(1));
        store.retry(&first, "x").await.unwrap();
        let second = claim_when_due(store).await.lease;
        tell(store, &second, &[Progress::Started { attempt: 2 }, COMPILED]);
        store.release(&second).await.unwrap();
        let third = claim(store).await.lease;
        let again = [Progress::Started { attempt: 2 }, run_done(1), run_done(2)];
        tell(store, &third, &again);
        store.finish(&third, completed()).await.unwrap();

        let told = [STARTED, run_done(1), Progress::Started { attempt: 2 }, COMPILED];
        let all = || progress(told.clone().into_iter().chain(again.clone()));
        let mut later = follow(store, first.job, 0).await;
        are(&mut later, 1, [JobUpdate::Queued]).await;
        are(&mut later, 2, all()).await;
        ends(&mut later, 9, JobStatus::Completed).await;
        if let Some(mut updates) = follower {
            are(&mut updates, 3, all().skip(1)).await;
            ends(&mut updates, 9, JobStatus::Completed).await;
        }
    }
}

pub async fn only_who_holds_a_job_tells_of_it(factory: &dyn StoreFactory) {
    let store = &*factory
        .open(&settings(|queue| queue.retry_backoff = Duration::ZERO))
        .await;
    let first = under_way(store).await;
    store.publish(&first, STARTED);
    store.retry(&first, "x").await.unwrap();
    // It does not know yet that it has lost the job, which waits, runs elsewhere, and is over at last.
    store.publish(&first, run_done(1));
    let second = claim_when_due(store).await.lease;
    let mut updates = follow(store, first.job, 1).await;
    are(&mut updates, 2, progress([STARTED])).await;
    store.publish(&first, run_done(2));
    store.publish(&second, COMPILED);
    are(&mut updates, 3, progress([COMPILED])).await;
    let stranger = Lease {
        token: FencingToken(second.token.0 + 1),
        ..second.clone()
    };
    store.publish(&stranger, run_done(3));
    store.publish(&first, run_done(4));
    store.finish(&second, completed()).await.unwrap();
    for lease in [&first, &second, &stranger] {
        store.publish(lease, run_done(5));
    }
    ends(&mut updates, 4, JobStatus::Completed).await;
    let mut later = follow(store, first.job, 0).await;
    are(&mut later, 1, [JobUpdate::Queued]).await;
    are(&mut later, 2, progress([STARTED, COMPILED])).await;
    ends(&mut later, 4, JobStatus::Completed).await;
    assert!(follow(store, first.job, 4).await.has_heard_all());
}

pub async fn what_is_told_after_the_end_is_dropped(factory: &dyn StoreFactory) {
    let store = &*factory.open(&settings(|_| ())).await;
    let lease = under_way(store).await;
    store.publish(&lease, STARTED);
    store.finish(&lease, completed()).await.unwrap();
    store.publish(&lease, run_done(1));
    let mut updates = follow(store, lease.job, 0).await;
    are(&mut updates, 1, [JobUpdate::Queued]).await;
    are(&mut updates, 2, progress([STARTED])).await;
    ends(&mut updates, 3, JobStatus::Completed).await;
    assert!(follow(store, lease.job, 3).await.has_heard_all());
}

pub async fn all_that_is_kept_is_heard_later(factory: &dyn StoreFactory) {
    let store = &*factory.open(&settings(|_| ())).await;
    let lease = under_way(store).await;
    let job = lease.job;
    let told: Vec<_> = (1..=600).map(run_done).collect();
    let mut first = follow(store, job, 1).await;
    tell(store, &lease, &told);
    are(&mut first, 2, progress(told.clone())).await;
    store.finish(&lease, completed()).await.unwrap();
    let mut late = follow(store, job, 0).await;
    are(&mut late, 1, [JobUpdate::Queued]).await;
    are(&mut late, 2, progress(told)).await;
    ends(&mut late, 602, JobStatus::Completed).await;
}

pub async fn the_oldest_updates_make_room(factory: &dyn StoreFactory) {
    let store = &*factory.open(&settings(|_| ())).await;
    let lease = under_way(store).await;
    let job = lease.job;
    let last = KEPT_UPDATES as u64 + 10;
    (1..=last).for_each(|test| store.publish(&lease, run_done(test)));
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
    let leases = [under_way(store).await, under_way(store).await];
    let mut updates = [
        follow(store, leases[0].job, 1).await,
        follow(store, leases[1].job, 1).await,
    ];
    for test in 1..=50 {
        store.publish(&leases[0], run_done(test));
        store.publish(&leases[1], run_done(1000 + test));
    }
    are(&mut updates[1], 2, progress((1001..=1050).map(run_done))).await;
    are(&mut updates[0], 2, progress((1..=50).map(run_done))).await;
}

pub async fn followers_come_and_go(factory: &dyn StoreFactory) {
    let store: Arc<dyn JobStore> = factory.open(&settings(|_| ())).await;
    let lease = under_way(&*store).await;
    let job = lease.job;
    let mut stays = follow(&*store, job, 1).await;
    for test in 1..=20 {
        let mut leaves = follow(&*store, job, test).await;
        store.publish(&lease, run_done(test));
        are(&mut leaves, test + 1, progress([run_done(test)])).await;
        drop(leaves);
    }
    are(&mut stays, 2, progress((1..=20).map(run_done))).await;
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
    let leases = future::join_all((0..JOBS).map(|_| under_way(store))).await;
    let follow_all = || future::join_all(leases.iter().map(|lease| follow(store, lease.job, 1)));
    for _ in 0..5 {
        drop(follow_all().await);
    }
    let mut crowd = follow_all().await;
    for (test, lease) in (1..).zip(&leases) {
        store.publish(lease, run_done(test));
    }
    for (test, updates) in (1..).zip(&mut crowd) {
        are(updates, 2, progress([run_done(test)])).await;
    }
}

pub async fn an_unknown_job_cannot_be_followed(factory: &dyn StoreFactory) {
    let store = &*factory.open(&settings(|_| ())).await;
    assert!(store.follow(JobId::new(), 0).await.unwrap().is_none());
    let unknown = Lease {
        job: JobId::new(),
        language: language(),
        token: FencingToken(1),
    };
    store.publish(&unknown, STARTED);
    assert!(
        store.follow(unknown.job, 0).await.unwrap().is_none(),
        "telling makes no job"
    );
}
