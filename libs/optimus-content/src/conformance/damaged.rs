//! What happens to content that is not what it was.

use optimus_common::JobId;

use super::{
    Damage, StoreFactory,
    support::{Jobs, SIZE, hasty, is_there, numbered, patient, put, put_as, read},
};
use crate::{ContentError, Put};

pub async fn damaged_content_is_not_handed_out_and_is_removed(factory: &dyn StoreFactory) {
    let store = factory.open(patient()).await;
    let digest = put(&*store, 1).await;
    factory.damage(digest, Damage::Changed).await;
    let content = store.get(digest).await.unwrap().unwrap();
    let error = content.into_bytes(SIZE).await.unwrap_err();
    let is_named = matches!(error, ContentError::Damaged(damaged) if damaged == digest);
    assert!(is_named, "{error:?}");
    assert!(!is_there(&*store, digest).await);

    let digest = put(&*store, 2).await;
    factory.damage(digest, Damage::CutOff).await;
    // Neither is a size told that it has not.
    assert_eq!(store.renew(&[digest]).await.unwrap(), [None]);
    assert_eq!(
        store.hold(JobId::new(), &[digest], u64::MAX).await.unwrap(),
        [None]
    );
    if let Some(content) = store.get(digest).await.unwrap() {
        let error = content.into_bytes(SIZE).await.unwrap_err();
        assert!(matches!(error, ContentError::Damaged(_)), "{error:?}");
    }
}

pub async fn what_says_it_is_larger_than_asked_for_is_not_read(factory: &dyn StoreFactory) {
    let store = factory.open(patient()).await;
    let digest = put(&*store, 1).await;
    let content = store.get(digest).await.unwrap().unwrap();
    let refused = content.into_bytes(SIZE - 1).await.unwrap_err();
    assert!(
        matches!(refused, ContentError::TooLarge { most } if most == SIZE - 1),
        "{refused:?}"
    );
    assert!(is_there(&*store, digest).await);
}

pub async fn a_put_mends_damaged_content(factory: &dyn StoreFactory) {
    let store = factory.open(hasty(factory)).await;
    let (digest, bytes) = numbered(1);
    put(&*store, 1).await;
    let jobs = Jobs::default();
    let job = JobId::new();
    store.hold(job, &[digest], u64::MAX).await.unwrap();
    for damage in [Damage::Changed, Damage::CutOff] {
        factory.damage(digest, damage).await;
        let (_, other) = numbered(2);
        let refused = put_as(&*store, digest, &other).await.unwrap_err();
        assert!(matches!(refused, ContentError::Differs { .. }), "{refused:?}");
        assert_eq!(
            put_as(&*store, digest, &bytes).await.unwrap(),
            Put::New,
            "{damage:?}"
        );
        assert!(read(&*store, digest).await.unwrap() == bytes);
        assert_eq!(store.renew(&[digest]).await.unwrap(), [Some(SIZE)]);
        assert_eq!(put_as(&*store, digest, &bytes).await.unwrap(), Put::Existing);
    }
    // Whoever held it holds it.
    for _ in 0..8 {
        tokio::time::sleep(factory.tick()).await;
        store.upkeep(&jobs).await.unwrap();
    }
    assert!(is_there(&*store, digest).await);
}

pub async fn a_late_reader_removes_nothing_new(factory: &dyn StoreFactory) {
    let store = factory.open(patient()).await;
    let digest = put(&*store, 1).await;
    factory.damage(digest, Damage::Changed).await;
    let early = store.get(digest).await.unwrap().unwrap();
    let late = store.get(digest).await.unwrap().unwrap();
    early.into_bytes(SIZE).await.unwrap_err();
    assert_eq!(put(&*store, 1).await, digest);
    // Whether it finds the old bytes or the new ones.
    let _ = late.into_bytes(SIZE).await;
    assert!(read(&*store, digest).await.unwrap() == numbered(1).1);
}
