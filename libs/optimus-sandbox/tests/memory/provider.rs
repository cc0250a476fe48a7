//! Jobs of several boxes: they get all or none, and never wait for each other.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use futures_util::future::{join_all, select_all};
use optimus_common::WorkerId;
use optimus_protocol::{FrameKind, Ready};
use optimus_sandbox::{
    Backend, BackendError, BoxSpec, LiveBox, RootDigest,
    pool::PoolOptions,
    provider::{AcquireError, BoxProvider},
    session::Session,
};
use tokio::time::{sleep, timeout};

use crate::{
    peer::{Census, Peer, box_of, counted_box, ready, root},
    session::TIMEOUT,
};

/// Makes boxes in memory that say which language they are of, and keeps their other ends.
#[derive(Default)]
struct Boxes {
    census: Census,
    peers: Mutex<HashMap<String, Vec<Peer>>>,
    created: AtomicUsize,
    panics: AtomicBool,
}

/// No box of this one can be made.
const MISSING: &str = "cobol";

#[async_trait]
impl Backend for Boxes {
    async fn create(&self, spec: &BoxSpec) -> Result<LiveBox, BackendError> {
        let language = spec.root.language.to_string();
        if language == MISSING {
            return Err(BackendError::Unavailable {
                language: spec.root.language.clone(),
                reason: "nobody has installed it".to_owned(),
            });
        }
        // Others go on meanwhile, as while a real one is made.
        tokio::task::yield_now().await;
        self.created.fetch_add(1, Ordering::SeqCst);
        let (live, mut peer) = counted_box(&self.census);
        let ready = Ready {
            toolchain: Some(language.clone()),
            ..ready()
        };
        peer.json(FrameKind::Ready, &ready).await;
        self.peers.lock().unwrap().entry(language).or_default().push(peer);
        Ok(live)
    }

    async fn remove_orphans(&self, _: &[WorkerId]) -> Result<u64, BackendError> {
        Ok(0)
    }

    async fn check(&self, _: &BoxSpec) -> Result<RootDigest, BackendError> {
        Ok(root())
    }

    fn ready_timeout(&self) -> Duration {
        assert!(!self.panics.load(Ordering::SeqCst), "as asked for");
        TIMEOUT
    }
}

fn spec(language: &str) -> BoxSpec {
    box_of(language, "")
}

fn provider(budget: usize) -> (Arc<Boxes>, BoxProvider) {
    let boxes = Arc::new(Boxes::default());
    let backend: Arc<dyn Backend> = boxes.clone();
    (boxes, BoxProvider::new(backend, budget))
}

/// All places are free, which they are at once or never.
async fn nothing_is_left(boxes: &Boxes, provider: &BoxProvider, budget: usize) {
    assert_eq!(boxes.census.alive(), 0);
    let all = timeout(TIMEOUT, provider.places(budget));
    assert_eq!(all.await.unwrap().unwrap().count(), budget);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn jobs_that_want_the_same_boxes_in_other_orders_all_end() {
    const BUDGET: usize = 3;
    let (boxes, provider) = provider(BUDGET);
    let wishes: [&[&str]; 5] = [
        &["c", "python"],
        &["python", "c"],
        &["python"],
        &["c", "python", "java"],
        &["java", "java", "c"],
    ];
    let jobs = (0..300).map(|number: usize| {
        let (boxes, provider) = (Arc::clone(&boxes), provider.clone());
        let wishes = wishes[number % wishes.len()];
        tokio::spawn(async move {
            let specs: Vec<_> = wishes.iter().map(|language| spec(language)).collect();
            // As a worker does that knows only later what a job needs.
            let mut places = provider.places(1).await.unwrap();
            let had = provider.acquire_all(&mut places, &specs).await.unwrap();
            assert!(boxes.census.alive() <= BUDGET, "a box without a place");
            let told: Vec<_> = had.iter().filter_map(Session::toolchain).collect();
            assert_eq!(told, wishes, "in the order they were asked for");
            sleep(Duration::from_micros((number % 7) as u64 * 100)).await;
            // The boxes go first: whoever has their places then has room.
            drop(had);
        })
    });
    let ends = timeout(TIMEOUT, join_all(jobs.collect::<Vec<_>>())).await;
    for end in ends.expect("they wait for each other") {
        end.unwrap();
    }
    nothing_is_left(&boxes, &provider, BUDGET).await;
}

#[tokio::test]
async fn the_end_of_one_box_ends_its_job_and_frees_all_places() {
    const BUDGET: usize = 2;
    let (boxes, provider) = provider(BUDGET);
    let specs = [spec("c"), spec("python")];
    for killed in ["python", "c"] {
        let mut places = provider.places(2).await.unwrap();
        let mut had = provider.acquire_all(&mut places, &specs).await.unwrap();
        let next = tokio::spawn({
            let provider = provider.clone();
            async move { provider.places(1).await }
        });
        assert_eq!(boxes.census.alive(), 2);
        // Its other end is closed, as that of a box that is killed.
        boxes.peers.lock().unwrap().remove(killed).unwrap();
        let any = select_all(had.iter_mut().map(|session| Box::pin(session.failed())));
        let (_, dead, _) = timeout(TIMEOUT, any).await.unwrap();
        assert_eq!(had[dead].toolchain(), Some(killed));
        assert!(!next.is_finished());
        drop((had, places));
        timeout(TIMEOUT, next).await.unwrap().unwrap().unwrap();
        nothing_is_left(&boxes, &provider, BUDGET).await;
        boxes.peers.lock().unwrap().clear();
    }
}

#[tokio::test]
async fn a_job_that_needs_more_boxes_than_there_may_be_is_refused_at_once() {
    let (boxes, provider) = provider(2);
    let all = provider.places(2).await.unwrap();
    let refused = provider.places(3).await.unwrap_err();
    assert!(matches!(refused, AcquireError::TooMany { wanted: 3, most: 2 }));
    assert_eq!(
        refused.to_string(),
        "the job needs 3 boxes at once, and there may be 2"
    );
    drop(all);
    let mut one = provider.places(1).await.unwrap();
    let specs = ["c", "c", "c"].map(spec);
    let refused = provider.acquire_all(&mut one, &specs).await.unwrap_err();
    assert!(matches!(refused, AcquireError::TooMany { .. }));
    drop(one);
    nothing_is_left(&boxes, &provider, 2).await;
}

#[tokio::test]
async fn a_job_that_has_boxes_does_not_wait_for_more() {
    let (boxes, provider) = provider(2);
    let mut places = provider.places(2).await.unwrap();
    let first = provider.acquire(&mut places, &spec("c")).await.unwrap();
    let second = provider.acquire(&mut places, &spec("python")).await.unwrap();
    let refused = provider.acquire(&mut places, &spec("c")).await.unwrap_err();
    assert!(matches!(refused, AcquireError::HoldsBoxes));
    drop((first, second, places));
    nothing_is_left(&boxes, &provider, 2).await;
}

#[tokio::test]
async fn a_job_one_of_whose_boxes_cannot_be_made_has_none() {
    let (boxes, provider) = provider(2);
    for specs in [["c", MISSING], [MISSING, "python"]] {
        let mut places = provider.places(2).await.unwrap();
        let refused = provider.acquire_all(&mut places, &specs.map(spec)).await;
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("nobody has installed it"), "{refused}");
        assert_eq!((boxes.census.alive(), places.count()), (0, 2));
        // The places are still good for boxes that can be made.
        let specs = ["c", "python"].map(spec);
        drop(provider.acquire_all(&mut places, &specs).await.unwrap());
    }
    nothing_is_left(&boxes, &provider, 2).await;
}

#[tokio::test]
async fn who_waits_for_places_in_vain_takes_none_away() {
    let (boxes, provider) = provider(2);
    let one = provider.places(1).await.unwrap();
    let two = provider.places(2);
    assert!(timeout(Duration::from_millis(5), two).await.is_err());
    let other = timeout(TIMEOUT, provider.places(1)).await.unwrap().unwrap();
    drop((one, other));
    nothing_is_left(&boxes, &provider, 2).await;
}

async fn until_warm(pool: &optimus_sandbox::provider::KeptPool, wanted: usize) {
    let mut status = pool.watch();
    let full = status.wait_for(|status| status.warm == wanted && status.starting == 0);
    timeout(TIMEOUT, full).await.unwrap().unwrap();
}

#[tokio::test]
async fn those_who_keep_boxes_of_equal_specifications_share_them() {
    let (boxes, provider) = provider(2);
    let few = provider.keep(&spec("c"), PoolOptions { size: 1 });
    until_warm(&few, 1).await;
    let many = provider.keep(&spec("c"), PoolOptions { size: 3 });
    until_warm(&few, 3).await;
    let mut larger = spec("c");
    larger.resources.memory_bytes += 1;
    let others = provider.keep(&larger, PoolOptions { size: 1 });
    until_warm(&others, 1).await;
    assert_eq!(boxes.created.load(Ordering::SeqCst), 4);

    many.close().await;
    assert_eq!(boxes.census.alive(), 4, "the pool is still somebody's");
    let mut places = provider.places(2).await.unwrap();
    // Those that are too many are used up first.
    let had = provider.acquire_all(&mut places, &[spec("c"), spec("c")]).await;
    until_warm(&few, 1).await;
    assert_eq!(boxes.created.load(Ordering::SeqCst), 4, "all of them were warm");
    drop((had, places));

    few.close().await;
    assert_eq!(boxes.census.alive(), 1);
    drop(others);
    timeout(TIMEOUT, async {
        while boxes.census.alive() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
    nothing_is_left(&boxes, &provider, 2).await;
}

#[tokio::test]
async fn a_pool_that_broke_is_another_one_when_it_is_kept_again() {
    let (boxes, provider) = provider(1);
    let broken = provider.keep(&spec("c"), PoolOptions { size: 1 });
    until_warm(&broken, 1).await;
    boxes.panics.store(true, Ordering::SeqCst);
    let mut places = provider.places(1).await.unwrap();
    // Its task breaks when it begins the next box.
    drop(provider.acquire(&mut places, &spec("c")).await);
    broken.ready().await.unwrap_err();
    let refused = provider.acquire(&mut places, &spec("c")).await.unwrap_err();
    assert!(matches!(
        refused,
        AcquireError::HoldsBoxes | AcquireError::Closed(_)
    ));

    boxes.panics.store(false, Ordering::SeqCst);
    let anew = provider.keep(&spec("c"), PoolOptions { size: 1 });
    until_warm(&anew, 1).await;
    broken.close().await;
    assert_eq!(boxes.census.alive(), 1, "it is not the broken one's to close");
    anew.close().await;
    drop(places);
    nothing_is_left(&boxes, &provider, 1).await;
}
