//! The pools of a worker: one for each language it serves, started and stopped as the languages change.

use std::sync::Arc;

use optimus_common::language::Language;
use optimus_service::supervise::supervise;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{
    pool::{Pool, WorkerContext},
    pool_state::PoolState,
    pool_states::PoolStates,
};

/// Starts and stops pools.
#[derive(Debug)]
pub(crate) struct Pools {
    context: WorkerContext,
    states: PoolStates,
    serving: Vec<ServingPool>,
    /// Pools in service, and former ones that still finish their jobs.
    running: JoinSet<()>,
}

#[derive(Debug)]
struct ServingPool {
    language: Language,
    state: Arc<PoolState>,
    shutdown: CancellationToken,
}

impl Pools {
    pub(crate) fn new(context: WorkerContext, states: PoolStates) -> Self {
        Self {
            context,
            states,
            serving: Vec::new(),
            running: JoinSet::new(),
        }
    }

    /// Serves exactly these languages from now on. A language that changed gets a new pool; the old one finishes what
    /// it has begun.
    pub(crate) fn serve(&mut self, languages: &[Language]) {
        while self.running.try_join_next().is_some() {}
        self.serving.retain(|pool| {
            let stays = languages.contains(&pool.language);
            if !stays {
                pool.shutdown.cancel();
            }
            stays
        });
        for language in languages {
            if self.serving.iter().all(|pool| pool.language != *language) {
                self.start_pool(language.clone());
            }
        }
        *self.states.current() = self.serving.iter().map(|pool| Arc::clone(&pool.state)).collect();
        self.states.changed.notify_one();
    }

    fn start_pool(&mut self, language: Language) {
        let shutdown = self.context.shutdown.child_token();
        let context = WorkerContext {
            shutdown: shutdown.clone(),
            ..self.context.clone()
        };
        let pool = Arc::new(Pool::new(
            context,
            language.clone(),
            Arc::clone(&self.states.changed),
        ));
        self.serving.push(ServingPool {
            language,
            state: Arc::clone(pool.state()),
            shutdown,
        });
        // A panic in its loop is a fault of ours, and no reason to stop serving the language.
        self.running.spawn(async move {
            let what = format!("the claim loop of {}", pool.language());
            supervise(&what, || Arc::clone(&pool).run()).await;
        });
    }

    /// Returns when every pool has ended.
    pub(crate) async fn ended(&mut self) {
        while self.running.join_next().await.is_some() {}
    }
}
