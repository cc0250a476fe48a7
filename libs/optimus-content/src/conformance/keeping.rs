//! For how long content is kept.

use optimus_common::JobId;
use tokio::time::sleep;

use super::{
    StoreFactory,
    support::{
        AllButOne, Jobs, SIZE, Unreachable, gone, hasty, is_there, narrow, numbered, patient, put, put_as,
        read,
    },
};
use crate::{ContentError, Rules};

pub async fn what_nobody_uses_goes_after_its_time(factory: &dyn StoreFactory) {
    let store = factory.open(hasty(factory)).await;
    let (unused, used) = (put(&*store, 1).await, put(&*store, 2).await);
    let jobs = Jobs::default();
    while is_there(&*store, unused).await {
        // Right before each look, so that it is never old.
        assert_eq!(store.renew(&[used]).await.unwrap(), [Some(SIZE)]);
        store.upkeep(&jobs).await.unwrap();
        sleep(factory.tick() / 4).await;
    }
    assert_eq!(store.renew(&[unused]).await.unwrap(), [None]);
    assert!(read(&*store, used).await.unwrap() == numbered(2).1);
}

pub async fn what_a_job_holds_stays_until_it_is_over(factory: &dyn StoreFactory) {
    let store = factory.open(hasty(factory)).await;
    let (held, shared) = (put(&*store, 1).await, put(&*store, 2).await);
    let (job, other) = (JobId::new(), JobId::new());
    store.hold(job, &[held, shared], u64::MAX).await.unwrap();
    store.hold(other, &[shared], u64::MAX).await.unwrap();
    let jobs = Jobs::default();
    for number in [3, 4] {
        let unheld = put(&*store, number).await;
        gone(&*store, &jobs, unheld, factory.tick()).await;
        assert!(is_there(&*store, held).await && is_there(&*store, shared).await);
    }
    jobs.end(job);
    gone(&*store, &jobs, held, factory.tick()).await;
    assert!(is_there(&*store, shared).await);
    jobs.end(other);
    gone(&*store, &jobs, shared, factory.tick()).await;
}

pub async fn what_is_released_goes_after_its_time(factory: &dyn StoreFactory) {
    let store = factory.open(hasty(factory)).await;
    let held = put(&*store, 1).await;
    let job = JobId::new();
    store.hold(job, &[held], u64::MAX).await.unwrap();
    // Asked for twice, as after a lost answer.
    store.hold(job, &[held], u64::MAX).await.unwrap();
    store.release(job).await.unwrap();
    store.release(job).await.unwrap();
    gone(&*store, &Jobs::default(), held, factory.tick()).await;
}

pub async fn a_job_is_told_what_is_missing(factory: &dyn StoreFactory) {
    let store = factory.open(patient()).await;
    let there = put(&*store, 1).await;
    let (missing, _) = numbered(2);
    let sizes = store
        .hold(JobId::new(), &[missing, there], u64::MAX)
        .await
        .unwrap();
    assert_eq!(sizes, [None, Some(SIZE)]);
    assert_eq!(store.renew(&[there, missing]).await.unwrap(), [Some(SIZE), None]);
}

pub async fn a_job_on_its_way_is_not_asked_for(factory: &dyn StoreFactory) {
    let rules = Rules {
        retention: factory.tick(),
        ..patient()
    };
    let store = factory.open(rules).await;
    let held = put(&*store, 1).await;
    let job = JobId::new();
    store.hold(job, &[held], u64::MAX).await.unwrap();
    let jobs = Jobs::default();
    // Not in its store yet.
    jobs.end(job);
    for number in [2, 3] {
        let unheld = put(&*store, number).await;
        gone(&*store, &jobs, unheld, factory.tick()).await;
    }
    assert!(is_there(&*store, held).await);
    assert!(jobs.asked.lock().unwrap().is_empty());
}

pub async fn an_error_ends_no_hold(factory: &dyn StoreFactory) {
    let store = factory.open(hasty(factory)).await;
    let held = put(&*store, 1).await;
    let job = JobId::new();
    store.hold(job, &[held], u64::MAX).await.unwrap();
    for _ in 0..8 {
        sleep(factory.tick()).await;
        // Whether the rest goes on or not.
        let _ = store.upkeep(&Unreachable).await;
    }
    assert!(is_there(&*store, held).await);
    let unheld = put(&*store, 2).await;
    gone(&*store, &Jobs::default(), unheld, factory.tick()).await;
    assert!(is_there(&*store, held).await);
}

pub async fn a_job_nothing_is_known_of_holds_up_nobody(factory: &dyn StoreFactory) {
    let store = factory.open(hasty(factory)).await;
    let held: Vec<_> = [
        put(&*store, 1).await,
        put(&*store, 2).await,
        put(&*store, 3).await,
    ]
    .into();
    let jobs: Vec<_> = held.iter().map(|_| JobId::new()).collect();
    for (job, digest) in jobs.iter().zip(&held) {
        store.hold(*job, &[*digest], u64::MAX).await.unwrap();
    }
    let holders = AllButOne(jobs[1]);
    while is_there(&*store, held[0]).await || is_there(&*store, held[2]).await {
        sleep(factory.tick()).await;
        let upkept = store.upkeep(&holders).await.unwrap();
        assert_eq!(upkept.unknown, 1);
    }
    assert!(is_there(&*store, held[1]).await);
}

pub async fn what_was_not_used_for_the_longest_time_makes_room(factory: &dyn StoreFactory) {
    let store = factory.open(narrow(factory, 4)).await;
    let mut digests = Vec::new();
    for number in 0..4 {
        digests.push(put(&*store, number).await);
        sleep(factory.tick()).await;
    }
    store.renew(&[digests[0]]).await.unwrap();
    sleep(factory.tick()).await;
    let newest = put(&*store, 4).await;
    assert!(is_there(&*store, newest).await);
    assert!(!is_there(&*store, digests[1]).await);
    assert!(is_there(&*store, digests[0]).await && is_there(&*store, digests[3]).await);
}

pub async fn what_is_held_makes_no_room(factory: &dyn StoreFactory) {
    let store = factory.open(narrow(factory, 3)).await;
    let mut held = Vec::new();
    for number in 0..3 {
        held.push(put(&*store, number).await);
    }
    store.hold(JobId::new(), &held, u64::MAX).await.unwrap();
    sleep(factory.tick()).await;
    let (digest, bytes) = numbered(3);
    let refused = put_as(&*store, digest, &bytes).await.unwrap_err();
    assert!(matches!(refused, ContentError::NoRoom), "{refused:?}");
    store.upkeep(&Jobs::default()).await.unwrap();
    for digest in held {
        assert!(is_there(&*store, digest).await);
    }
    assert!(!is_there(&*store, digest).await);
}

pub async fn jobs_hold_no_more_than_they_may(factory: &dyn StoreFactory) {
    let store = factory.open(hasty(factory)).await;
    let mut digests = Vec::new();
    for number in 0..3 {
        digests.push(put(&*store, number).await);
    }
    let most = 2 * (SIZE + factory.beside());
    let jobs = [JobId::new(), JobId::new(), JobId::new()];
    store.hold(jobs[0], &digests[..1], most).await.unwrap();
    // Each content counts once.
    store.hold(jobs[1], &digests[..2], most).await.unwrap();
    store.hold(jobs[1], &digests[..2], most).await.unwrap();
    let refused = store.hold(jobs[2], &digests[1..], most).await.unwrap_err();
    assert!(matches!(refused, ContentError::NoRoom), "{refused:?}");
    let unheld = digests[2];
    gone(&*store, &Jobs::default(), unheld, factory.tick()).await;
    assert!(is_there(&*store, digests[0]).await && is_there(&*store, digests[1]).await);

    put(&*store, 2).await;
    store.release(jobs[1]).await.unwrap();
    store.release(jobs[1]).await.unwrap();
    assert_eq!(
        store.hold(jobs[2], &digests[2..], most).await.unwrap(),
        [Some(SIZE)]
    );
    let refused = store.hold(jobs[1], &digests[..2], most).await.unwrap_err();
    assert!(matches!(refused, ContentError::NoRoom), "{refused:?}");
    // What is held by others takes no more room.
    store
        .hold(jobs[1], &[digests[0], digests[2]], most)
        .await
        .unwrap();
}

pub async fn what_was_just_used_makes_no_room(factory: &dyn StoreFactory) {
    let rules = Rules {
        min_kept: patient().min_kept,
        ..narrow(factory, 3)
    };
    let store = factory.open(rules).await;
    for number in 0..3 {
        put(&*store, number).await;
    }
    let (digest, bytes) = numbered(3);
    let refused = put_as(&*store, digest, &bytes).await.unwrap_err();
    assert!(matches!(refused, ContentError::NoRoom), "{refused:?}");
    assert!(is_there(&*store, numbered(0).0).await);
}
