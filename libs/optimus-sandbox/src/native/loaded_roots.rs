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
use optimus_common::{LanguageName, causes};
use tracing::{debug, info, warn};

use super::{
    connection::{SpawnerConnection, SpawnerError},
    roots::Root,
    wire::{LoadRoot, RootId, SpawnerReply, SpawnerRequest, Support},
};

/// How long a root is kept of which there is no box.
const KEPT: Duration = Duration::from_mins(10);
/// How long a root that could not be copied is left alone at first, and at most; twice as long each time.
const LEFT_ALONE: Duration = Duration::from_secs(10);
const LEFT_ALONE_AT_MOST: Duration = Duration::from_mins(10);
/// Copying that takes longer is told while it goes on.
const UNTOLD: Duration = Duration::from_secs(2);

/// What boxes of one root see.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct RootKey {
    pub(super) language: LanguageName,
    pub(super) root: Root,
    pub(super) support: Support,
}

/// The roots of one spawner.
#[derive(Debug, Default)]
pub(super) struct LoadedRoots {
    roots: HashMap<RootKey, LoadedRoot>,
    /// Roots that could not be copied, until they or their toolchains change.
    failed: HashMap<RootKey, FailedRoot>,
    /// Never used twice, so that nothing half loaded is built on.
    next: u32,
}

#[derive(Debug)]
struct LoadedRoot {
    lease: RootLease,
    ready: RootReady,
    used: Instant,
}

/// How copying a root ended. It is the one thing the spawner does that takes long, one root after the other, so that it is
/// not begun anew whenever somebody wants the root.
#[derive(Debug)]
struct FailedRoot {
    reason: String,
    at: Instant,
    times: u32,
}

impl FailedRoot {
    fn is_left_alone(&self) -> bool {
        let doubled = LEFT_ALONE.saturating_mul(1 << self.times.saturating_sub(1).min(16));
        self.at.elapsed() < doubled.min(LEFT_ALONE_AT_MOST)
    }
}

/// A root that is not forgotten while somebody has this.
#[derive(Debug, Clone)]
pub(super) struct RootLease(Arc<RootId>);

type RootReady = Shared<BoxFuture<'static, Result<(), Arc<SpawnerError>>>>;

impl RootLease {
    pub(super) fn root(&self) -> RootId {
        *self.0
    }
}

impl LoadedRoots {
    /// The root, and what tells when it can be used. Copying goes on also where nobody waits for it any more. Must be
    /// called in a Tokio runtime.
    pub(super) fn load(
        &mut self,
        connection: &Arc<SpawnerConnection>,
        wanted: &RootKey,
        most_bytes: u64,
    ) -> (RootLease, RootReady) {
        let now = Instant::now();
        if let Some(entry) = self.roots.get_mut(wanted) {
            entry.used = now;
            return (entry.lease.clone(), entry.ready.clone());
        }
        let id = RootId(self.next);
        self.next += 1;
        let request = LoadRoot {
            root: id,
            language: wanted.language.clone(),
            from: wanted.root.clone(),
            support: wanted.support,
            most_bytes,
        };
        let copying = tokio::spawn(copy(Arc::clone(connection), request));
        let ready = async move {
            match copying.await {
                Ok(done) => done.map_err(Arc::new),
                Err(_) => Err(Arc::new(SpawnerError::Died)),
            }
        };
        let entry = LoadedRoot {
            lease: RootLease(Arc::new(id)),
            ready: ready.boxed().shared(),
            used: now,
        };
        let told = (entry.lease.clone(), entry.ready.clone());
        self.roots.insert(wanted.clone(), entry);
        told
    }

    /// Why this root is not to be had, where it was tried a moment ago.
    pub(super) fn failure(&self, wanted: &RootKey) -> Option<String> {
        let failed = self.failed.get(wanted).filter(|failed| failed.is_left_alone());
        failed.map(|failed| failed.reason.clone())
    }

    /// Whether this root could not be made when it was tried last, as far as [`LoadedRoots::forget_failures`] was not told otherwise.
    pub(super) fn has_failed(&self, wanted: &RootKey) -> bool {
        self.failed.contains_key(wanted)
    }

    /// The root has been made: what comes later is judged without what was before.
    pub(super) fn forget_failures(&mut self, made: &RootKey) {
        self.failed.remove(made);
    }

    /// Takes a root out that could not be made, so that it is tried again; a while later where the spawner says why.
    pub(super) fn drop_failed(&mut self, failed: &RootKey, lease: &RootLease, error: &SpawnerError) {
        let there = self.roots.get(failed);
        if there.is_none_or(|entry| entry.lease.root() != lease.root()) {
            return;
        }
        self.roots.remove(failed);
        if let SpawnerError::Refused(reason) = error {
            let times = self.failed.get(failed).map_or(0, |before| before.times);
            let told = FailedRoot {
                reason: reason.clone(),
                at: Instant::now(),
                times: times + 1,
            };
            self.failed.insert(failed.clone(), told);
        }
    }

    /// Gives the memory of roots back that nobody has or wants: those that `wanted` stands in for now, since its language
    /// or toolchain has changed, and those that were not used for long.
    pub(super) fn forget_others(&mut self, connection: &Arc<SpawnerConnection>, wanted: &RootKey) {
        self.failed.retain(|known, _| {
            known == wanted || known.language != wanted.language || known.support != wanted.support
        });
        self.forget(connection, |known, entry| {
            let outdated = known.language == wanted.language && known.support == wanted.support;
            known != wanted && (outdated || entry.used.elapsed() > KEPT)
        });
    }

    /// Gives the memory of this root back, where nobody has it.
    pub(super) fn forget_this(&mut self, connection: &Arc<SpawnerConnection>, unwanted: &RootKey) {
        self.forget(connection, |known, _| known == unwanted);
    }

    fn forget(
        &mut self,
        connection: &Arc<SpawnerConnection>,
        unwanted: impl Fn(&RootKey, &LoadedRoot) -> bool,
    ) {
        let forgotten = self.roots.extract_if(|known, entry| {
            // What is being copied may be wanted again.
            Arc::strong_count(&entry.lease.0) == 1 && entry.ready.peek().is_some() && unwanted(known, entry)
        });
        for (known, entry) in forgotten {
            debug!(language = %known.language, "forgetting a root that nobody uses");
            let (connection, root) = (Arc::clone(connection), entry.lease.root());
            tokio::spawn(async move {
                // A spawner that has died has forgotten everything.
                connection
                    .ask(SpawnerRequest::ForgetRoot { root }, None)
                    .await
                    .ok();
            });
        }
    }
}

async fn copy(connection: Arc<SpawnerConnection>, request: LoadRoot) -> Result<(), SpawnerError> {
    let (began, language) = (Instant::now(), request.language.clone());
    let mut copying = Box::pin(connection.ask(SpawnerRequest::LoadRoot(request), None));
    let soon = tokio::time::timeout(UNTOLD, &mut copying).await;
    let done = if let Ok(done) = soon {
        done
    } else {
        info!(%language, "preparing its boxes: what they see is copied into memory");
        copying.await
    };
    let duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    match done {
        Ok(SpawnerReply::RootLoaded(copied)) => {
            let (mib, files) = (copied.bytes >> 20, copied.files);
            info!(%language, mib, files, duration_ms, "what its boxes see is in memory");
            Ok(())
        }
        Ok(_) => Err(SpawnerError::Died),
        Err(error) => {
            warn!(%language, error = causes(&error), "what its boxes see cannot be copied");
            Err(error)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::native::roots::HostRoot;

    fn root_key(stamp: &str) -> RootKey {
        RootKey {
            language: "c".parse().unwrap(),
            root: Root::Host(HostRoot {
                stamp: stamp.to_owned(),
                ..HostRoot::default()
            }),
            support: Support::ReadOnly,
        }
    }

    /// As if the root had been asked for, and that had ended so.
    fn fail(known: &mut LoadedRoots, wanted: &RootKey, error: &SpawnerError) {
        let lease = RootLease(Arc::new(RootId(known.next)));
        known.next += 1;
        let entry = LoadedRoot {
            lease: lease.clone(),
            ready: async { Ok(()) }.boxed().shared(),
            used: Instant::now(),
        };
        known.roots.insert(wanted.clone(), entry);
        known.drop_failed(wanted, &lease, error);
    }

    #[test]
    fn a_root_that_cannot_be_copied_is_left_alone_until_it_changes_or_a_while_passes() {
        let mut known = LoadedRoots::default();
        let (root, changed) = (root_key("1"), root_key("2"));
        let refused = SpawnerError::Refused("it is too large".to_owned());
        fail(&mut known, &root, &refused);
        assert_eq!(known.failure(&root).as_deref(), Some("it is too large"));
        assert_eq!(known.failure(&changed), None);

        let mut past = |ago: Duration| {
            known.failed.get_mut(&root).unwrap().at = Instant::now().checked_sub(ago).unwrap();
            known.failure(&root).is_some()
        };
        assert!(past(LEFT_ALONE / 2));
        assert!(!past(LEFT_ALONE));
        for _ in 0..3 {
            fail(&mut known, &root, &refused);
        }
        let mut past = |ago: Duration| {
            known.failed.get_mut(&root).unwrap().at = Instant::now().checked_sub(ago).unwrap();
            known.failure(&root).is_some()
        };
        assert!(past(LEFT_ALONE * 7) && !past(LEFT_ALONE * 8));
        for _ in 0..40 {
            fail(&mut known, &root, &refused);
        }
        let failed = known.failed.get_mut(&root).unwrap();
        failed.at = Instant::now().checked_sub(LEFT_ALONE_AT_MOST).unwrap();
        assert_eq!(known.failure(&root), None);
    }

    #[test]
    fn a_root_that_was_copied_after_all_is_left_alone_as_shortly_as_at_first_when_it_fails_again() {
        let mut known = LoadedRoots::default();
        let (root, refused) = (root_key("1"), SpawnerError::Refused("no memory".to_owned()));
        for _ in 0..5 {
            fail(&mut known, &root, &refused);
        }
        assert!(known.has_failed(&root));
        known.forget_failures(&root);
        assert!(!known.has_failed(&root));
        fail(&mut known, &root, &refused);
        let failed = known.failed.get_mut(&root).unwrap();
        failed.at = Instant::now().checked_sub(LEFT_ALONE).unwrap();
        assert_eq!(known.failure(&root), None);
    }

    #[test]
    fn what_a_dead_spawner_did_not_do_is_tried_at_once() {
        let mut known = LoadedRoots::default();
        fail(&mut known, &root_key("1"), &SpawnerError::Died);
        assert_eq!(known.failure(&root_key("1")), None);
        assert!(known.roots.is_empty());
    }
}
