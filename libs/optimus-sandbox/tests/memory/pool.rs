//! The warm pool over boxes in memory: what it keeps, and what it does when boxes fail.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use optimus_common::WorkerId;
use optimus_sandbox::{
    Backend, BackendError, BoxSpec, LiveBox, RootDigest,
    pool::{PoolClosed, PoolOptions, PoolStatus, WarmPool},
};

use crate::{
    peer::{Census, Peer, box_of, counted_box, root},
    session::TIMEOUT,
};

/// How the next boxes are made. Where the plan is empty, they are fine.
enum Plan {
    /// The engine refuses.
    Refused,
    /// The agent never says that it is ready.
    Silent,
}

/// Makes boxes in memory, and keeps their other ends.
#[derive(Default)]
struct MemoryBackend {
    census: Census,
    plan: Mutex<VecDeque<Plan>>,
    peers: Mutex<Vec<Peer>>,
    created: Mutex<usize>,
    ready_timeout: Option<Duration>,
    panics: AtomicBool,
    /// What boxes see from now on.
    roots: Mutex<Vec<&'static str>>,
}

impl MemoryBackend {
    fn planned(plan: impl IntoIterator<Item = Plan>) -> Arc<Self> {
        Arc::new(Self {
            plan: Mutex::new(plan.into_iter().collect()),
            ..Self::default()
        })
    }

    fn root(&self) -> RootDigest {
        let roots = self.roots.lock().unwrap();
        roots.last().map_or_else(root, |root| (*root).to_owned().into())
    }

    fn created(&self) -> usize {
        *self.created.lock().unwrap()
    }
}

#[async_trait]
impl Backend for MemoryBackend {
    async fn create(&self, _: &BoxSpec) -> Result<LiveBox, BackendError> {
        *self.created.lock().unwrap() += 1;
        let plan = self.plan.lock().unwrap().pop_front();
        if matches!(plan, Some(Plan::Refused)) {
            return Err(BackendError::Engine {
                operation: "start a container",
                source: "no space left".into(),
            });
        }
        let (mut live, mut peer) = counted_box(&self.census);
        live.root = self.root();
        if plan.is_none() {
            peer.ready().await;
        }
        self.peers.lock().unwrap().push(peer);
        Ok(live)
    }

    async fn remove_orphans(&self, _: &[WorkerId]) -> Result<u64, BackendError> {
        Ok(0)
    }

    async fn check(&self, _: &BoxSpec) -> Result<RootDigest, BackendError> {
        Ok(self.root())
    }

    /// Asked by the pool's own task.
    fn ready_timeout(&self) -> Duration {
        assert!(!self.panics.load(Ordering::SeqCst), "as asked for");
        self.ready_timeout.unwrap_or(TIMEOUT)
    }
}

fn spec() -> BoxSpec {
    box_of("python", "optimus/python:3.12")
}

fn pool(backend: &Arc<MemoryBackend>, size: usize) -> WarmPool {
    let backend: Arc<dyn Backend> = backend.clone();
    WarmPool::start(backend, spec(), PoolOptions { size })
}

async fn until(pool: &WarmPool, wanted: impl FnMut(&PoolStatus) -> bool) {
    pool.watch().wait_for(wanted).await.unwrap();
}

#[tokio::test]
async fn a_pool_fills_itself_and_stops_there() {
    let backend = MemoryBackend::planned([]);
    let pool = pool(&backend, 3);
    assert_eq!(pool.toolchain(), None);
    until(&pool, |status| status.warm == 3 && status.starting == 0).await;
    assert_eq!((backend.created(), backend.census.alive()), (3, 3));
    assert_eq!(pool.toolchain().as_deref(), Some("Echo 1.0"));
}

#[tokio::test]
async fn a_box_taken_is_replaced_and_never_comes_back() {
    let backend = MemoryBackend::planned([]);
    let pool = pool(&backend, 1);
    for taken in 1..=3 {
        drop(pool.acquire().await.unwrap());
        until(&pool, |status| status.warm == 1).await;
        assert_eq!((backend.created(), backend.census.alive()), (taken + 1, 1));
    }
}

#[tokio::test]
async fn more_than_the_pool_holds_can_be_taken_at_once() {
    let backend = MemoryBackend::planned([]);
    let pool = pool(&backend, 1);
    let taken = futures_util::future::join_all((0..5).map(|_| pool.acquire())).await;
    assert!(taken.iter().all(Result::is_ok));
    assert_eq!(backend.census.alive() - pool.status().warm, 5);
}

#[tokio::test]
async fn a_box_that_ends_while_it_waits_is_replaced() {
    let backend = MemoryBackend::planned([]);
    let pool = pool(&backend, 2);
    until(&pool, |status| status.warm == 2).await;
    backend.peers.lock().unwrap().remove(0);
    until(&pool, |status| status.error.is_some()).await;
    until(&pool, |status| status.warm == 2 && status.error.is_none()).await;
    assert_eq!((backend.created(), backend.census.alive()), (3, 2));
}

#[tokio::test]
async fn a_pool_says_why_it_has_no_box_and_recovers() {
    let backend = MemoryBackend::planned([Plan::Refused, Plan::Refused, Plan::Refused]);
    let pool = pool(&backend, 2);
    until(&pool, |status| status.error.is_some()).await;
    let status = pool.status();
    assert_eq!(
        status.error.as_deref(),
        Some("cannot make a box: cannot start a container: no space left")
    );
    pool.ready().await.unwrap();
    until(&pool, |status| status.warm == 2).await;
    assert_eq!(pool.status().error, None);
    assert_eq!(backend.created(), 5, "three failures, then what is needed");
}

#[tokio::test]
async fn a_box_that_is_never_ready_is_destroyed() {
    let backend = Arc::new(MemoryBackend {
        plan: Mutex::new([Plan::Silent].into()),
        ready_timeout: Some(Duration::from_millis(50)),
        ..MemoryBackend::default()
    });
    let pool = pool(&backend, 1);
    until(&pool, |status| {
        status
            .error
            .as_deref()
            .is_some_and(|error| error.contains("not ready"))
    })
    .await;
    assert_eq!(backend.census.alive(), 0);
    pool.ready().await.unwrap();
}

#[tokio::test]
async fn who_gives_up_waiting_takes_no_box_away() {
    let backend = MemoryBackend::planned([Plan::Refused, Plan::Refused]);
    let pool = pool(&backend, 1);
    tokio::select! {
        biased;
        taken = pool.acquire() => panic!("{taken:?}"),
        () = until(&pool, |status| status.error.is_some()) => {}
    }
    until(&pool, |status| status.warm == 1 && status.starting == 0).await;
    assert_eq!(backend.census.alive(), 1);
    drop(pool.acquire().await.unwrap());
}

#[tokio::test]
async fn a_closed_pool_leaves_no_box_and_gives_none() {
    let backend = MemoryBackend::planned([]);
    let pool = pool(&backend, 2);
    let taken = pool.acquire().await.unwrap();
    pool.ready().await.unwrap();
    pool.close().await;
    assert_eq!(backend.census.alive(), 1, "the box at work belongs to its job");
    assert_eq!(pool.acquire().await.unwrap_err(), PoolClosed);
    assert_eq!(pool.ready().await, Err(PoolClosed));
    assert_eq!(pool.status().warm, 0);
    drop(taken);
    assert_eq!(backend.census.alive(), 0);
    pool.close().await;
}

#[tokio::test]
async fn a_pool_whose_task_panics_offers_nothing_any_more() {
    let backend = MemoryBackend::planned([]);
    let pool = pool(&backend, 2);
    until(&pool, |status| status.warm == 2).await;
    backend.panics.store(true, Ordering::SeqCst);
    let taken = pool.acquire().await;
    assert_eq!(pool.ready().await, Err(PoolClosed));
    assert_eq!(pool.acquire().await.unwrap_err(), PoolClosed);
    assert_eq!(pool.status().warm, 0);
    drop(taken);
    assert_eq!(backend.census.alive(), 0);
}

#[tokio::test]
async fn a_dropped_pool_leaves_no_box() {
    let backend = MemoryBackend::planned([]);
    let pool = pool(&backend, 2);
    until(&pool, |status| status.warm == 2).await;
    let mut watch = pool.watch();
    drop(pool);
    while watch.changed().await.is_ok() {}
    assert_eq!(backend.census.alive(), 0);
}

#[tokio::test(start_paused = true)]
async fn boxes_of_a_root_that_has_changed_are_replaced_although_none_is_taken() {
    let backend = MemoryBackend::planned([]);
    let pool = pool(&backend, 3);
    until(&pool, |status| status.warm == 3 && status.starting == 0).await;
    assert_eq!(pool.status().root, Some(root()));
    backend.roots.lock().unwrap().push("an upgrade");
    let new = RootDigest::from("an upgrade".to_owned());
    until(&pool, |status| {
        status.root.as_ref() == Some(&new) && status.warm == 3
    })
    .await;
    assert_eq!((backend.created(), backend.census.alive()), (6, 3));
    for _ in 0..3 {
        assert_eq!(*pool.acquire().await.unwrap().root(), new);
    }
    pool.close().await;
    assert_eq!(backend.census.alive(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_new_box_of_another_root_replaces_those_that_are_warm() {
    let backend = MemoryBackend::planned([]);
    let pool = pool(&backend, 3);
    until(&pool, |status| status.warm == 3 && status.starting == 0).await;
    backend.roots.lock().unwrap().push("an upgrade");
    let began = tokio::time::Instant::now();
    // Its successor is the first that has the new one.
    drop(pool.acquire().await.unwrap());
    let new = RootDigest::from("an upgrade".to_owned());
    until(&pool, |status| {
        status.root.as_ref() == Some(&new) && status.warm == 3
    })
    .await;
    assert!(began.elapsed() < Duration::from_secs(1), "without a look");
    assert_eq!(backend.census.alive(), 3);
    assert_eq!(*pool.acquire().await.unwrap().root(), new);
}

/// Several boxes are made at once, and one that was begun before a change may be ready after one that was begun since.
#[tokio::test(start_paused = true)]
async fn the_root_that_is_there_now_wins_over_the_box_that_came_last() {
    let backend = MemoryBackend::planned([]);
    let pool = pool(&backend, 2);
    until(&pool, |status| status.warm == 2 && status.starting == 0).await;
    // The next box is of another root, which is gone when it is looked for.
    backend.roots.lock().unwrap().push("a moment");
    let late = RootDigest::from("a moment".to_owned());
    drop(pool.acquire().await.unwrap());
    until(&pool, |status| {
        if status.root.as_ref() == Some(&late) {
            backend.roots.lock().unwrap().clear();
        }
        backend.roots.lock().unwrap().is_empty() && status.root == Some(root()) && status.warm == 2
    })
    .await;
    assert_eq!(*pool.acquire().await.unwrap().root(), root());
    assert_eq!(*pool.acquire().await.unwrap().root(), root());
}
