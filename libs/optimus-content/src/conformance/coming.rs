//! How content comes into a store, and out of it.

use bytes::Bytes;
use futures_util::future::join_all;
use tokio::time::sleep;
use uuid::Uuid;

use super::{
    StoreFactory,
    support::{SIZE, digest_of, given_up_after, is_there, narrow, numbered, patient, put, put_as, read},
};
use crate::{ContentError, Put, Rules};

pub async fn content_comes_back_unchanged(factory: &dyn StoreFactory) {
    let store = factory.open(patient()).await;
    let large: Vec<_> = (0..=u8::MAX).cycle().step_by(3).take(6_000_001).collect();
    for bytes in [&b""[..], b"x", b"\0\xff\r\n", &large] {
        let digest = digest_of(bytes);
        assert!(!is_there(&*store, digest).await);
        assert_eq!(put_as(&*store, digest, bytes).await.unwrap(), Put::New);
        assert!(read(&*store, digest).await.unwrap() == bytes);
        let sizes = store.renew(&[digest]).await.unwrap();
        assert_eq!(sizes, [Some(bytes.len() as u64)]);
    }
}

pub async fn bytes_of_another_digest_are_refused(factory: &dyn StoreFactory) {
    let store = factory.open(patient()).await;
    let (digest, mut bytes) = numbered(1);
    bytes[777] ^= 1;
    for wrong in [&bytes[..], &bytes[..5], b""] {
        let refused = put_as(&*store, digest, wrong).await.unwrap_err();
        let is_named = matches!(refused, ContentError::Differs { named, found }
            if named == digest && found == digest_of(wrong));
        assert!(is_named, "{refused:?}");
        assert!(!is_there(&*store, digest).await);
        assert!(!is_there(&*store, digest_of(wrong)).await);
    }
}

pub async fn content_is_not_there_before_its_end(factory: &dyn StoreFactory) {
    let store = factory.open(patient()).await;
    let (digest, bytes) = numbered(1);
    let mut incoming = store.begin(digest).await.unwrap();
    incoming.write(Bytes::from(bytes)).await.unwrap();
    assert!(!is_there(&*store, digest).await);
    assert_eq!(store.renew(&[digest]).await.unwrap(), [None]);
    drop(incoming);
    assert!(!is_there(&*store, digest).await);
}

pub async fn content_larger_than_is_taken_is_refused(factory: &dyn StoreFactory) {
    let rules = Rules {
        max_bytes: SIZE,
        ..patient()
    };
    let store = factory.open(rules).await;
    assert_eq!(store.max_bytes(), SIZE);
    let (digest, mut bytes) = numbered(1);
    assert_eq!(put_as(&*store, digest, &bytes).await.unwrap(), Put::New);
    bytes.push(0);
    let refused = put_as(&*store, digest_of(&bytes), &bytes).await.unwrap_err();
    assert!(
        matches!(refused, ContentError::TooLarge { most: SIZE }),
        "{refused:?}"
    );
    assert!(!is_there(&*store, digest_of(&bytes)).await);
}

pub async fn the_same_content_again_is_no_other(factory: &dyn StoreFactory) {
    let store = factory.open(narrow(factory, 1)).await;
    let (digest, bytes) = numbered(1);
    assert_eq!(put_as(&*store, digest, &bytes).await.unwrap(), Put::New);
    // There is room for one.
    assert_eq!(put_as(&*store, digest, &bytes).await.unwrap(), Put::Existing);
    assert!(read(&*store, digest).await.unwrap() == bytes);
}

pub async fn content_that_is_there_is_compared_all_the_same(factory: &dyn StoreFactory) {
    let store = factory.open(patient()).await;
    let digest = put(&*store, 1).await;
    let (_, other) = numbered(2);
    let refused = put_as(&*store, digest, &other).await.unwrap_err();
    assert!(matches!(refused, ContentError::Differs { .. }), "{refused:?}");
    assert!(read(&*store, digest).await.unwrap() == numbered(1).1);
}

pub async fn the_same_content_at_once_is_one(factory: &dyn StoreFactory) {
    let store = factory.open(patient()).await;
    let (digest, bytes) = numbered(1);
    let puts = join_all((0..8).map(|_| put_as(&*store, digest, &bytes))).await;
    let puts: Vec<_> = puts.into_iter().map(Result::unwrap).collect();
    assert!(puts.contains(&Put::New), "{puts:?}");
    assert!(read(&*store, digest).await.unwrap() == bytes);
}

pub async fn uploads_given_up_take_no_room(factory: &dyn StoreFactory) {
    let store = factory.open(narrow(factory, 2)).await;
    for number in 0..20 {
        let (digest, bytes) = numbered(number);
        let mut incoming = store.begin(digest).await.unwrap();
        incoming.write(Bytes::from(bytes)).await.unwrap();
        drop(incoming);
        put_as(&*store, digest, b"other").await.unwrap_err();
    }
    let (one, another) = (put(&*store, 1).await, put(&*store, 2).await);
    assert!(is_there(&*store, one).await && is_there(&*store, another).await);
}

pub async fn uploads_given_up_at_any_moment_take_no_room(factory: &dyn StoreFactory) {
    let store = factory.open(narrow(factory, 2)).await;
    let (digest, bytes) = numbered(0);
    for polls in 0.. {
        let is_over = given_up_after(polls, put_as(&*store, digest, &bytes)).await;
        // What goes on in the background comes to its end; then there is room for two again.
        let mut tries = 0;
        for number in [1, 2] {
            let (digest, bytes) = numbered(number);
            while let Err(error) = put_as(&*store, digest, &bytes).await {
                assert!(matches!(error, ContentError::NoRoom), "{error:?}");
                tries += 1;
                assert!(
                    tries < 200,
                    "given up after {polls} polls, an upload takes room for ever"
                );
                sleep(factory.tick()).await;
            }
        }
        if is_over {
            return;
        }
        // So that it is new each time.
        while is_there(&*store, digest).await {
            put(&*store, 3).await;
            put(&*store, 4).await;
        }
    }
}

pub async fn a_store_has_a_name_of_its_own(factory: &dyn StoreFactory) {
    let store = factory.open(patient()).await;
    let name = store.identity().await.unwrap();
    assert_eq!(store.identity().await.unwrap(), name);
    assert_ne!(name, Uuid::nil());
}
