//! The pools of a worker: one for each language it serves, started and stopped as the languages change.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use optimus_common::{language::Language, supervise::supervise};
use tokio::{sync::Notify, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{
    board::PoolBoard,
    pool::{Pool, Shared},
};

/// What all pools are doing, as the heartbeat tells it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Boards {
    boards: Arc<Mutex<Vec<Arc<PoolBoard>>>>,
    /// Notified when a pool became available or unavailable.
    pub(crate) news: Arc<Notify>,
}

impl Boards {
    pub(crate) fn current(&self) -> MutexGuard<'_, Vec<Arc<PoolBoard>>> {
        self.boards.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts and stops pools.
#[derive(Debug)]
pub(crate) struct Crew {
    shared: Shared,
    boards: Boards,
    members: Vec<Member>,
    /// Members, and former ones that still finish their jobs.
    running: JoinSet<()>,
}

#[derive(Debug)]
struct Member {
    language: Language,
    board: Arc<PoolBoard>,
    shutdown: CancellationToken,
}

impl Crew {
    pub(crate) fn new(shared: Shared, boards: Boards) -> Self {
        Self {
            shared,
            boards,
            members: Vec::new(),
            running: JoinSet::new(),
        }
    }

    /// Serves exactly these languages from now on. A language that changed gets a new pool; the old one finishes what
    /// it has begun.
    pub(crate) fn serve(&mut self, languages: &[Language]) {
        while self.running.try_join_next().is_some() {}
        self.members.retain(|member| {
            let stays = languages.contains(&member.language);
            if !stays {
                member.shutdown.cancel();
            }
            stays
        });
        for language in languages {
            if self.members.iter().all(|member| member.language != *language) {
                self.hire(language.clone());
            }
        }
        *self.boards.current() = self
            .members
            .iter()
            .map(|member| Arc::clone(&member.board))
            .collect();
        self.boards.news.notify_one();
    }

    fn hire(&mut self, language: Language) {
        let shutdown = self.shared.shutdown.child_token();
        let shared = Shared {
            shutdown: shutdown.clone(),
            ..self.shared.clone()
        };
        let pool = Arc::new(Pool::new(shared, language.clone(), Arc::clone(&self.boards.news)));
        self.members.push(Member {
            language,
            board: Arc::clone(pool.board()),
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
