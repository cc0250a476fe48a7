//! What each pool of this worker is doing: written by the pools, read by the heartbeat.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use optimus_common::LanguageName;
use optimus_queue::PoolInfo;
use optimus_sandbox::pool::PoolStatus;
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};

/// A step towards the next claim that takes longer than this is wedged. The store's own timeouts are shorter.
const WEDGED: Duration = Duration::from_secs(30);

/// The state of one language's pool.
#[derive(Debug)]
pub(crate) struct PoolState {
    language: LanguageName,
    slots: u32,
    current: Mutex<Current>,
    /// Notified when the pool becomes available or unavailable.
    changed: Arc<Notify>,
}

#[derive(Debug)]
struct Current {
    busy: u32,
    stage: Stage,
    since: Instant,
    /// Why the last try of a claim failed; gone with the next success.
    store_trouble: Option<String>,
    /// Why no box is ready; gone with the next one.
    box_trouble: Option<String>,
    /// Why jobs would fail although a box is ready.
    language_trouble: Option<String>,
    toolchain: Option<String>,
    /// What the pool of warm boxes says of itself, once there is one.
    boxes: Option<watch::Receiver<PoolStatus>>,
}

/// Where a pool's claim loop stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// All slots are busy, or may be.
    WaitingForSlot,
    WaitingForBox,
    /// Runs the language's sample, which has limits of its own.
    Proving,
    /// Talks to the store.
    Claiming,
    /// The loop is over: the worker leaves.
    Stopped,
}

impl Current {
    fn trouble(&self) -> Option<String> {
        if self.stage == Stage::Stopped {
            return Some("the worker is shutting down".to_owned());
        }
        let troubles = [&self.box_trouble, &self.language_trouble, &self.store_trouble];
        troubles.into_iter().find_map(Clone::clone)
    }

    /// A loop that stands still cannot say so itself.
    fn wedged(&self) -> Option<String> {
        let what = match self.stage {
            Stage::WaitingForBox => "no box became ready",
            Stage::Claiming => "the claim loop has stood still",
            Stage::WaitingForSlot | Stage::Proving | Stage::Stopped => return None,
        };
        let waited = self.since.elapsed();
        (waited > WEDGED).then(|| format!("{what} for {} s", waited.as_secs()))
    }
}

impl PoolState {
    pub(crate) fn new(language: LanguageName, slots: u32, changed: Arc<Notify>) -> Self {
        let current = Current {
            busy: 0,
            stage: Stage::WaitingForBox,
            since: Instant::now(),
            store_trouble: None,
            box_trouble: Some("the first box is not ready yet".to_owned()),
            language_trouble: None,
            toolchain: None,
            boxes: None,
        };
        Self {
            language,
            slots,
            current: Mutex::new(current),
            changed,
        }
    }

    /// The state is plain data, whole after every statement: a panic elsewhere cannot have broken it.
    fn current(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Current)) {
        let mut state = self.current();
        let before = state.trouble().is_some();
        change(&mut state);
        if state.trouble().is_some() != before {
            self.changed.notify_one();
        }
    }

    pub(crate) fn enter(&self, stage: Stage) {
        self.change(|now| {
            now.stage = stage;
            now.since = Instant::now();
        });
    }

    pub(crate) fn store_answered(&self) {
        self.change(|now| now.store_trouble = None);
    }

    pub(crate) fn store_failed(&self, reason: String) {
        self.change(|now| now.store_trouble = Some(reason));
    }

    /// No box is ready, and none is being made at the moment.
    pub(crate) fn boxes_failed(&self, reason: String) {
        self.change(|now| now.box_trouble = Some(reason));
    }

    pub(crate) fn unproved(&self, reason: String) {
        self.change(|now| now.language_trouble = Some(reason));
    }

    pub(crate) fn proved(&self) {
        self.change(|now| now.language_trouble = None);
    }

    /// The pool of warm boxes was started.
    pub(crate) fn boxes_started(&self, boxes: watch::Receiver<PoolStatus>) {
        self.current().boxes = Some(boxes);
    }

    /// The boxes as they are at the moment.
    pub(crate) fn boxes(&self) -> PoolStatus {
        let boxes = &self.current().boxes;
        boxes
            .as_ref()
            .map(|boxes| boxes.borrow().clone())
            .unwrap_or_default()
    }

    /// Takes over what the pool of warm boxes says of itself.
    pub(crate) fn learn(&self, warm: &PoolStatus) {
        self.change(|now| {
            now.toolchain.clone_from(&warm.toolchain);
            if warm.warm > 0 {
                now.box_trouble = None;
            } else if warm.error.is_some() {
                now.box_trouble.clone_from(&warm.error);
            }
        });
    }

    /// Counts one slot as busy for as long as the answer lives.
    pub(crate) fn occupy(self: &Arc<Self>) -> Occupied {
        self.current().busy += 1;
        Occupied(Arc::clone(self))
    }

    pub(crate) fn info(&self) -> PoolInfo {
        let state = self.current();
        PoolInfo {
            language: self.language.clone(),
            slots: self.slots,
            busy: state.busy,
            unavailable: state.trouble().or_else(|| state.wedged()),
            toolchain: state.toolchain.clone(),
        }
    }
}

/// A busy slot.
#[derive(Debug)]
pub(crate) struct Occupied(Arc<PoolState>);

impl Drop for Occupied {
    fn drop(&mut self) {
        self.0.current().busy -= 1;
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    fn idle_pool() -> Arc<PoolState> {
        let state = Arc::new(PoolState::new(
            "python".parse().unwrap(),
            2,
            Arc::new(Notify::new()),
        ));
        state.learn(&PoolStatus {
            warm: 1,
            ..PoolStatus::default()
        });
        state
    }

    #[tokio::test(start_paused = true)]
    async fn a_loop_that_stands_still_is_unavailable_until_it_turns_again() {
        let state = idle_pool();
        state.enter(Stage::Claiming);
        assert_eq!(state.info().unavailable, None);
        tokio::time::advance(WEDGED + Duration::from_secs(1)).await;
        assert_eq!(
            state.info().unavailable.as_deref(),
            Some("the claim loop has stood still for 31 s")
        );
        state.enter(Stage::Claiming);
        assert_eq!(state.info().unavailable, None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_pool_is_available_however_long_its_jobs_take() {
        let state = idle_pool();
        state.enter(Stage::WaitingForSlot);
        tokio::time::advance(WEDGED * 100).await;
        assert_eq!(state.info().unavailable, None);
    }

    #[tokio::test]
    async fn only_what_others_must_know_is_news() {
        let changed = Arc::new(Notify::new());
        let state = PoolState::new("python".parse().unwrap(), 2, Arc::clone(&changed));
        let told = async || {
            timeout(Duration::from_millis(1), changed.notified())
                .await
                .is_ok()
        };
        assert!(state.info().unavailable.is_some(), "no box was ever ready");
        state.enter(Stage::WaitingForSlot);
        state.enter(Stage::WaitingForBox);
        state.learn(&PoolStatus {
            starting: 2,
            ..PoolStatus::default()
        });
        assert!(!told().await);
        state.learn(&PoolStatus {
            warm: 1,
            ..PoolStatus::default()
        });
        assert!(told().await);
        state.learn(&PoolStatus::default());
        state.enter(Stage::Claiming);
        assert!(!told().await, "all boxes are taken, which is no trouble");
        state.learn(&PoolStatus {
            error: Some("no engine".to_owned()),
            ..PoolStatus::default()
        });
        assert!(told().await);
        assert_eq!(state.info().unavailable.as_deref(), Some("no engine"));
    }

    #[test]
    fn busy_slots_are_counted_while_they_are_occupied() {
        let state = idle_pool();
        let first = state.occupy();
        let second = state.occupy();
        assert_eq!(state.info().busy, 2);
        drop(first);
        assert_eq!(state.info().busy, 1);
        drop(second);
        assert_eq!((state.info().busy, state.info().slots), (0, 2));
    }
}
