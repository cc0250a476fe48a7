//! The roots that a spawner has in memory, as its worker knows them.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use optimus_common::LanguageName;
use tracing::{debug, info, warn};

use super::{
    connection::{Connection, SpawnerError},
    roots::Root,
    wire::{Describe, Order, Outcome, RootId, Support},
};

/// How long a root is kept of which there is no box.
const KEPT: Duration = Duration::from_mins(10);
/// Copying that takes longer is told while it goes on.
const UNTOLD: Duration = Duration::from_secs(2);

/// What boxes of one root see.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Described {
    pub(super) language: LanguageName,
    pub(super) root: Root,
    pub(super) support: Support,
}

/// The roots of one spawner.
#[derive(Debug, Default)]
pub(super) struct Known {
    roots: HashMap<Described, Entry>,
    /// Never used twice, so that nothing half described is built on.
    next: u32,
}

#[derive(Debug)]
struct Entry {
    lease: Lease,
    ready: Ready,
    used: Instant,
}

/// A root that is not forgotten while somebody has this.
#[derive(Debug, Clone)]
pub(super) struct Lease(Arc<RootId>);

type Ready = Shared<BoxFuture<'static, Result<(), Arc<SpawnerError>>>>;

impl Lease {
    pub(super) fn root(&self) -> RootId {
        *self.0
    }
}

impl Known {
    /// The root, and what tells when it can be used. Copying goes on also where nobody waits for it any more. Must be
    /// called in a Tokio runtime.
    pub(super) fn describe(
        &mut self,
        connection: &Arc<Connection>,
        wanted: &Described,
        most_bytes: u64,
    ) -> (Lease, Ready) {
        let now = Instant::now();
        if let Some(entry) = self.roots.get_mut(wanted) {
            entry.used = now;
            return (entry.lease.clone(), entry.ready.clone());
        }
        let id = RootId(self.next);
        self.next += 1;
        let order = Describe {
            root: id,
            language: wanted.language.clone(),
            plan: wanted.root.clone(),
            support: wanted.support,
            most_bytes,
        };
        let copying = tokio::spawn(copy(Arc::clone(connection), order));
        let ready = async move {
            match copying.await {
                Ok(done) => done.map_err(Arc::new),
                Err(_) => Err(Arc::new(SpawnerError::Died)),
            }
        };
        let entry = Entry {
            lease: Lease(Arc::new(id)),
            ready: ready.boxed().shared(),
            used: now,
        };
        let told = (entry.lease.clone(), entry.ready.clone());
        self.roots.insert(wanted.clone(), entry);
        told
    }

    /// Takes a root out that could not be made, so that it is tried again.
    pub(super) fn drop_failed(&mut self, failed: &Described, lease: &Lease) {
        if self
            .roots
            .get(failed)
            .is_some_and(|entry| entry.lease.root() == lease.root())
        {
            self.roots.remove(failed);
        }
    }

    /// Gives the memory of roots back that nobody has or wants: those that `wanted` stands in for now, since its language
    /// or toolchain has changed, and those that were not used for long.
    pub(super) fn forget_others(&mut self, connection: &Arc<Connection>, wanted: &Described) {
        self.forget(connection, |known, entry| {
            let outdated = known.language == wanted.language && known.support == wanted.support;
            known != wanted && (outdated || entry.used.elapsed() > KEPT)
        });
    }

    /// Gives the memory of this root back, where nobody has it.
    pub(super) fn forget_this(&mut self, connection: &Arc<Connection>, unwanted: &Described) {
        self.forget(connection, |known, _| known == unwanted);
    }

    fn forget(&mut self, connection: &Arc<Connection>, unwanted: impl Fn(&Described, &Entry) -> bool) {
        let forgotten = self.roots.extract_if(|known, entry| {
            // What is being copied may be wanted again.
            Arc::strong_count(&entry.lease.0) == 1 && entry.ready.peek().is_some() && unwanted(known, entry)
        });
        for (known, entry) in forgotten {
            debug!(language = %known.language, "forgetting a root that nobody uses");
            let (connection, root) = (Arc::clone(connection), entry.lease.root());
            tokio::spawn(async move {
                // A spawner that has died has forgotten everything.
                connection.ask(Order::Forget { root }, None).await.ok();
            });
        }
    }
}

async fn copy(connection: Arc<Connection>, order: Describe) -> Result<(), SpawnerError> {
    let (began, language) = (Instant::now(), order.language.clone());
    let mut copying = Box::pin(connection.ask(Order::Describe(order), None));
    let soon = tokio::time::timeout(UNTOLD, &mut copying).await;
    let done = if let Ok(done) = soon {
        done
    } else {
        info!(%language, "preparing its boxes: what they see is copied into memory");
        copying.await
    };
    let duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    match done {
        Ok(Outcome::Described(copied)) => {
            let (mib, files) = (copied.bytes >> 20, copied.files);
            info!(%language, mib, files, duration_ms, "what its boxes see is in memory");
            Ok(())
        }
        Ok(_) => Err(SpawnerError::Died),
        Err(error) => {
            warn!(%language, error = &error as &dyn std::error::Error, "what its boxes see cannot be copied");
            Err(error)
        }
    }
}
