//! Workers that come, speak and go.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use optimus_common::WorkerId;

use super::{
    StoreFactory,
    support::{language, pause, settings},
};
use crate::{PoolInfo, WorkerInfo, WorkerRegistry};

fn announced(id: &str, busy: u32) -> WorkerInfo {
    WorkerInfo {
        id: WorkerId::from(id.to_owned()),
        host: "höst".to_owned(),
        pools: vec![PoolInfo {
            language: language(),
            slots: 4,
            busy,
            unavailable: Some("no image".to_owned()),
            toolchain: Some("Python 3.11.2".to_owned()),
        }],
        content: Some(uuid::Uuid::from_u128(7)),
    }
}

async fn known(store: &dyn WorkerRegistry) -> BTreeSet<WorkerId> {
    store
        .workers()
        .await
        .unwrap()
        .into_iter()
        .map(|worker| worker.id)
        .collect()
}

pub async fn workers_are_known_until_they_leave(factory: &dyn StoreFactory) {
    let store = &*factory.open(&settings(|_| ())).await;
    assert_eq!(store.workers().await.unwrap(), []);
    store.heartbeat(&announced("a", 0)).await.unwrap();
    store.heartbeat(&announced("b", 0)).await.unwrap();
    store.heartbeat(&announced("a", 3)).await.unwrap();
    let mut workers = store.workers().await.unwrap();
    workers.sort_by(|x, y| x.id.cmp(&y.id));
    assert_eq!(
        workers,
        [announced("a", 3), announced("b", 0)],
        "the latest word of each"
    );
    store.deregister(&WorkerId::from("a".to_owned())).await.unwrap();
    store
        .deregister(&WorkerId::from("never seen".to_owned()))
        .await
        .unwrap();
    assert_eq!(store.workers().await.unwrap(), [announced("b", 0)]);
}

pub async fn silent_workers_are_forgotten(factory: &dyn StoreFactory) {
    let store = &*factory
        .open(&settings(|queue| queue.lease = Duration::from_millis(500)))
        .await;
    store.heartbeat(&announced("silent", 0)).await.unwrap();
    let start = Instant::now();
    let both = BTreeSet::from(["silent", "loud"].map(|id| WorkerId::from(id.to_owned())));
    loop {
        store.heartbeat(&announced("loud", 0)).await.unwrap();
        let known = known(store).await;
        assert!(known.is_subset(&both));
        if known.len() == 1 {
            assert!(
                known.contains(&WorkerId::from("loud".to_owned())),
                "the wrong one was forgotten"
            );
            assert!(
                start.elapsed() >= Duration::from_millis(499),
                "forgotten too early"
            );
            return;
        }
        pause(start, "the silent worker is forgotten").await;
    }
}
