//! Events of all jobs.

use tokio::time;

use super::{
    StoreFactory,
    support::{TIMEOUT, claim, completed, settings, submit},
};
use crate::{JobEvent, JobEvents};

async fn next(events: &mut JobEvents) -> JobEvent {
    time::timeout(TIMEOUT, events.next())
        .await
        .expect("an event comes")
        .expect("the store is there")
}

pub async fn ends_and_cancels_are_announced(factory: &dyn StoreFactory) {
    let store = &*factory.open(&settings(|_| ())).await;
    let (mut events, mut others) = (store.subscribe(), store.subscribe());
    let first = submit(store).await;
    let lease = claim(store).await.lease;
    store.cancel(first).await.unwrap();
    assert_eq!(next(&mut events).await, JobEvent::CancelRequested(first));
    store.finish(&lease, completed()).await.unwrap();
    assert_eq!(next(&mut events).await, JobEvent::Finished(first));
    let second = submit(store).await;
    store.cancel(second).await.unwrap();
    assert_eq!(next(&mut events).await, JobEvent::Finished(second));
    assert_eq!(
        next(&mut others).await,
        JobEvent::CancelRequested(first),
        "every subscriber hears of it"
    );
}
