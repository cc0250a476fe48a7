//! What each pool of this worker is doing: written by the pools, read by the heartbeat.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use optimus_common::LanguageName;
use optimus_queue::PoolInfo;
use optimus_sandbox::pool::PoolStatus;
use tokio::time::Instant;

/// A step towards the next claim that takes longer than this is wedged. The store's own timeouts are shorter.
const WEDGED: Duration = Duration::from_secs(30);

/// The state of one language's pool.
#[derive(Debug)]
pub(crate) struct PoolBoard {
    language: LanguageName,
    slots: u32,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    busy: u32,
    stage: Stage,
    since: Instant,
    /// Why the last try of a claim failed; gone with the next success.
    store_trouble: Option<String>,
    /// Why no box could be made; gone with the next one made.
    box_trouble: Option<String>,
    toolchain: Option<String>,
}

/// Where a pool's claim loop stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// All slots are busy, or may be.
    WaitingForSlot,
    WaitingForBox,
    /// Talks to the store.
    Claiming,
    /// The loop is over: the worker leaves.
    Stopped,
}

impl PoolBoard {
    pub(crate) fn new(language: LanguageName, slots: u32) -> Self {
        let state = State {
            busy: 0,
            stage: Stage::WaitingForBox,
            since: Instant::now(),
            store_trouble: None,
            box_trouble: None,
            toolchain: None,
        };
        Self {
            language,
            slots,
            state: Mutex::new(state),
        }
    }

    /// The state is plain data, whole after every statement: a panic elsewhere cannot have broken it.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn enter(&self, stage: Stage) {
        let mut now = self.state();
        now.stage = stage;
        now.since = Instant::now();
    }

    pub(crate) fn store_answered(&self) {
        self.state().store_trouble = None;
    }

    pub(crate) fn store_failed(&self, reason: String) {
        self.state().store_trouble = Some(reason);
    }

    /// Takes over what the pool of warm boxes says of itself.
    pub(crate) fn learn(&self, warm: &PoolStatus) {
        let mut state = self.state();
        state.box_trouble.clone_from(&warm.error);
        state.toolchain.clone_from(&warm.toolchain);
    }

    /// Counts one slot as busy for as long as the answer lives.
    pub(crate) fn occupy(self: &Arc<Self>) -> Occupied {
        self.state().busy += 1;
        Occupied(Arc::clone(self))
    }

    pub(crate) fn info(&self) -> PoolInfo {
        let state = self.state();
        let waited = state.since.elapsed();
        let wedged = |what: &str| (waited > WEDGED).then(|| format!("{what} for {} s", waited.as_secs()));
        let unavailable = match state.stage {
            Stage::Stopped => Some("the worker is shutting down".to_owned()),
            Stage::WaitingForSlot => state.store_trouble.clone(),
            Stage::WaitingForBox => state
                .box_trouble
                .clone()
                .or_else(|| wedged("no box became ready"))
                .or_else(|| state.store_trouble.clone()),
            Stage::Claiming => state
                .store_trouble
                .clone()
                .or_else(|| wedged("the claim loop has stood still")),
        };
        PoolInfo {
            language: self.language.clone(),
            slots: self.slots,
            busy: state.busy,
            unavailable,
            toolchain: state.toolchain.clone(),
        }
    }
}

/// A busy slot.
#[derive(Debug)]
pub(crate) struct Occupied(Arc<PoolBoard>);

impl Drop for Occupied {
    fn drop(&mut self) {
        self.0.state().busy -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn board() -> Arc<PoolBoard> {
        Arc::new(PoolBoard::new("python".parse().unwrap(), 2))
    }

    #[tokio::test(start_paused = true)]
    async fn a_loop_that_stands_still_is_unavailable_until_it_turns_again() {
        let board = board();
        board.enter(Stage::Claiming);
        assert_eq!(board.info().unavailable, None);
        tokio::time::advance(WEDGED + Duration::from_secs(1)).await;
        assert_eq!(
            board.info().unavailable.as_deref(),
            Some("the claim loop has stood still for 31 s")
        );
        board.enter(Stage::Claiming);
        assert_eq!(board.info().unavailable, None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_pool_is_available_however_long_its_jobs_take() {
        let board = board();
        board.enter(Stage::WaitingForSlot);
        tokio::time::advance(WEDGED * 100).await;
        assert_eq!(board.info().unavailable, None);
    }

    #[test]
    fn busy_slots_are_counted_while_they_are_occupied() {
        let board = board();
        let first = board.occupy();
        let second = board.occupy();
        assert_eq!(board.info().busy, 2);
        drop(first);
        assert_eq!(board.info().busy, 1);
        drop(second);
        assert_eq!((board.info().busy, board.info().slots), (0, 2));
    }
}
