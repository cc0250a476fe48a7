//! What a worker does beside jobs: announcing itself, returning expired leases, mending the store, and removing boxes
//! that dead workers left.

use std::{sync::Arc, time::Duration};

use optimus_common::{WorkerId, causes};
use optimus_content::ContentStore;
use optimus_queue::{JobStore, StoreError, Upkeep, WorkerInfo, WorkerRegistry};
use optimus_sandbox::Backend;
use optimus_service::{Backoff, supervise::supervise};
use tokio::{
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval_at, sleep, timeout},
};
use tracing::{error, info, warn};

use crate::pool_states::PoolStates;

/// How long the content store may take to say which one it is.
const FOR_AN_IDENTITY: Duration = Duration::from_millis(500);

/// How often the store is audited.
const AUDIT: Duration = Duration::from_mins(1);

/// Announces one worker.
#[derive(Clone)]
pub(crate) struct Heartbeat {
    pub(crate) store: Arc<dyn JobStore>,
    pub(crate) id: WorkerId,
    pub(crate) host: String,
    pub(crate) states: PoolStates,
    pub(crate) content: Arc<dyn ContentStore>,
}

impl Heartbeat {
    async fn beat(&self) -> Result<(), StoreError> {
        let pools = self.states.current().iter().map(|state| state.info()).collect();
        // A store that does not answer must not make this worker one that is gone.
        let content = timeout(FOR_AN_IDENTITY, self.content.identity()).await;
        self.store
            .heartbeat(&WorkerInfo {
                id: self.id.clone(),
                host: self.host.clone(),
                pools,
                content: content.ok().and_then(Result::ok),
            })
            .await
    }

    /// Returns when the worker is known to the others. Before that it must not make a box: to them it would be an
    /// orphan.
    pub(crate) async fn register(&self) {
        let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(5));
        while let Err(error) = self.beat().await {
            warn!(
                error = causes(&error),
                "the job store does not answer; trying again"
            );
            sleep(backoff.next_delay()).await;
        }
    }

    async fn keep_beating(self, every: Duration) {
        let mut ticks = ticks(every);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = self.states.changed.notified() => {}
            }
            if let Err(error) = self.beat().await {
                warn!(error = causes(&error), "heartbeat failed");
            }
        }
    }
}

/// How often each thing is done.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Intervals {
    pub(crate) heartbeat: Duration,
    pub(crate) reap: Duration,
}

/// Starts everything, each task so that a panic in it does not end it; dropping the answer stops it.
pub(crate) fn start(heartbeat: Heartbeat, backend: Arc<dyn Backend>, intervals: Intervals) -> JoinSet<()> {
    let Intervals {
        heartbeat: every,
        reap,
    } = intervals;
    let mut tasks = JoinSet::new();
    let store = Arc::clone(&heartbeat.store);
    tasks.spawn(supervise("taking back expired leases", move || {
        take_back(store.clone(), reap)
    }));
    let store = Arc::clone(&heartbeat.store);
    tasks.spawn(supervise("the audit", move || audit(store.clone())));
    let (store, me) = (Arc::clone(&heartbeat.store), heartbeat.id.clone());
    tasks.spawn(supervise("removing orphaned boxes", move || {
        remove_orphans(store.clone(), Arc::clone(&backend), me.clone(), every)
    }));
    // Without it the other workers would soon remove the boxes of this one.
    tasks.spawn(supervise("the heartbeat", move || {
        heartbeat.clone().keep_beating(every)
    }));
    tasks
}

/// The first tick comes after one period.
fn ticks(every: Duration) -> tokio::time::Interval {
    let mut ticks = interval_at(Instant::now() + every, every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

async fn take_back(store: Arc<dyn Upkeep>, every: Duration) {
    let mut ticks = ticks(every);
    loop {
        ticks.tick().await;
        match store.reap().await {
            Ok(reaped) if reaped.requeued + reaped.dead > 0 => {
                info!(
                    requeued = reaped.requeued,
                    dead = reaped.dead,
                    "took back jobs of workers that are gone"
                );
            }
            Ok(_) => {}
            Err(error) => warn!(error = causes(&error), "expired leases not looked for"),
        }
    }
}

async fn audit(store: Arc<dyn Upkeep>) {
    let mut ticks = ticks(AUDIT);
    loop {
        ticks.tick().await;
        match store.audit().await {
            Ok(audited) if audited.requeued + audited.dropped > 0 => {
                error!(
                    requeued = audited.requeued,
                    dropped = audited.dropped,
                    "the audit had to mend the store"
                );
            }
            Ok(_) => {}
            Err(error) => warn!(error = causes(&error), "audit failed"),
        }
    }
}

async fn remove_orphans(
    store: Arc<dyn WorkerRegistry>,
    backend: Arc<dyn Backend>,
    me: WorkerId,
    heartbeat: Duration,
) {
    loop {
        match alive_workers(store.as_ref(), &me, heartbeat).await {
            Ok(alive) => match backend.remove_orphans(&alive).await {
                Ok(0) => {}
                Ok(removed) => info!(removed, "removed boxes of workers that are gone"),
                Err(error) => warn!(error = causes(&error), "orphaned boxes not looked for"),
            },
            Err(error) => warn!(error = causes(&error), "orphaned boxes not looked for"),
        }
        // By then a worker that died after the first look is forgotten by the store.
        sleep(heartbeat * 3).await;
    }
}

/// Everyone announced now or two heartbeats later. One look would not do: a store that has just come back knows only
/// those who have spoken since.
async fn alive_workers(
    store: &dyn WorkerRegistry,
    me: &WorkerId,
    heartbeat: Duration,
) -> Result<Vec<WorkerId>, StoreError> {
    let mut alive = vec![me.clone()];
    alive.extend(store.workers().await?.into_iter().map(|worker| worker.id));
    sleep(heartbeat * 2).await;
    alive.extend(store.workers().await?.into_iter().map(|worker| worker.id));
    alive.sort_unstable();
    alive.dedup();
    Ok(alive)
}

#[cfg(test)]
mod tests {
    use optimus_content::{Memory, Rules};

    use super::*;
    use crate::{
        Settings,
        fakes::{self, FakeBackend, FakeStore, FakeStoreExt},
    };

    const HEARTBEAT: Duration = Duration::from_secs(5);

    fn worker(id: &str) -> WorkerInfo {
        WorkerInfo {
            id: id.to_owned().into(),
            host: String::new(),
            pools: Vec::new(),
            content: None,
        }
    }

    fn start(store: &FakeStore, backend: &FakeBackend) -> JoinSet<()> {
        let heartbeat = Heartbeat {
            store: Arc::new(store.clone()),
            id: "me".to_owned().into(),
            host: String::new(),
            states: PoolStates::default(),
            content: Arc::new(Memory::new(Rules::of(&Settings::defaults().content))),
        };
        super::start(
            heartbeat,
            Arc::new(backend.clone()),
            Intervals {
                heartbeat: HEARTBEAT,
                reap: HEARTBEAT,
            },
        )
    }

    #[tokio::test(start_paused = true)]
    async fn boxes_of_workers_that_a_young_store_has_not_heard_of_yet_are_spared() {
        let (store, backend) = (fakes::store(), FakeBackend::default());
        let _housekeeping = start(&store, &backend);
        sleep(HEARTBEAT).await;
        store.heartbeat(&worker("old")).await.unwrap();
        let mut spared = backend.spared();
        let spared = spared.wait_for(Option::is_some).await.unwrap().clone().unwrap();
        assert_eq!(spared, ["me", "old"].map(|id| WorkerId::from(id.to_owned())));
    }

    #[tokio::test(start_paused = true)]
    async fn no_box_is_removed_while_nobody_knows_who_is_alive() {
        let (store, backend) = (fakes::store(), FakeBackend::default());
        store.set_unreachable(true);
        let _housekeeping = start(&store, &backend);
        sleep(HEARTBEAT * 100).await;
        assert_eq!(*backend.spared().borrow(), None);
        store.set_unreachable(false);
        backend.spared().wait_for(Option::is_some).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_panics_goes_on() {
        let (store, backend) = (fakes::store(), FakeBackend::default());
        let _housekeeping = start(&store, &backend);
        for _ in 0..3 {
            store.panic_when_announced();
            sleep(HEARTBEAT).await;
            store.deregister(&"me".to_owned().into()).await.unwrap();
            let begun = Instant::now();
            store.until_announced(|worker| worker.id.as_str() == "me").await;
            assert!(begun.elapsed() <= HEARTBEAT * 2);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_worker_announces_itself_again_and_again() {
        let (store, backend) = (fakes::store(), FakeBackend::default());
        let _housekeeping = start(&store, &backend);
        for _ in 0..3 {
            store.deregister(&"me".to_owned().into()).await.unwrap();
            let begun = Instant::now();
            store.until_announced(|worker| worker.id.as_str() == "me").await;
            assert!(begun.elapsed() <= HEARTBEAT);
        }
    }
}
