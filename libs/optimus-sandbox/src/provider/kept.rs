//! Warm pools that several may keep.

use std::{
    collections::{HashMap, hash_map::Entry},
    fmt,
    ops::Deref,
    sync::atomic::Ordering,
};

use super::{BoxProvider, shared_pool::SharedPool};
use crate::{
    pool::{PoolOptions, WarmPool},
    spec::BoxSpec,
};

/// A share in the warm pool of a specification, which is closed when nobody has one any more.
pub struct KeptPool {
    pool: WarmPool,
    provider: BoxProvider,
    spec: BoxSpec,
    keeper: u64,
}

impl BoxProvider {
    /// Keeps boxes of this specification warm until the answer is closed or dropped. Whoever else keeps boxes of an equal one
    /// shares them, and there are as many as the one who wants most of them says. Must be called in a Tokio runtime.
    pub fn keep(&self, spec: &BoxSpec, options: PoolOptions) -> KeptPool {
        KeptPool::begin(self, spec, options)
    }
}

impl KeptPool {
    fn begin(provider: &BoxProvider, spec: &BoxSpec, options: PoolOptions) -> Self {
        let size = options.size;
        let mut pools = provider.pools();
        let start = || WarmPool::start(provider.0.backend.clone(), spec.clone(), options);
        let shared = match pools.entry(spec.clone()) {
            Entry::Vacant(place) => place.insert(SharedPool {
                pool: start(),
                keepers: HashMap::new(),
            }),
            Entry::Occupied(place) => {
                let shared = place.into_mut();
                // Its task broke; whoever else keeps it will notice as well.
                if shared.pool.is_closed() {
                    shared.pool = start();
                }
                shared
            }
        };
        let keeper = provider.0.keepers.fetch_add(1, Ordering::Relaxed);
        shared.keepers.insert(keeper, size);
        shared.resize();
        Self {
            pool: shared.pool.clone(),
            provider: provider.clone(),
            spec: spec.clone(),
            keeper,
        }
    }

    /// Gives the share back, and returns when the pool's boxes are gone, where it was the last one.
    pub async fn close(self) {
        if let Some(last) = self.leave() {
            last.close().await;
        }
    }

    /// The pool, where nobody keeps it any more.
    fn leave(&self) -> Option<WarmPool> {
        let mut pools = self.provider.pools();
        let shared = pools.get_mut(&self.spec)?;
        shared.keepers.remove(&self.keeper)?;
        if shared.keepers.is_empty() {
            pools.remove(&self.spec).map(|shared| shared.pool)
        } else {
            shared.resize();
            None
        }
    }
}

impl Deref for KeptPool {
    type Target = WarmPool;

    fn deref(&self) -> &WarmPool {
        &self.pool
    }
}

/// Its boxes are destroyed in the background, where it was the last one.
impl Drop for KeptPool {
    fn drop(&mut self) {
        self.leave();
    }
}

impl fmt::Debug for KeptPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pool.fmt(f)
    }
}
