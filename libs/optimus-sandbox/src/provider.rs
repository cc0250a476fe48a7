//! Boxes for jobs, by what they must be.
//!
//! A job names the boxes it needs, of however many specifications, and gets all of them or none. It takes a place for each of
//! them first, all at once and in turn with other jobs; only then boxes, one after the other in the order of their
//! specifications. A job that waits for places holds no box, and one that waits for a box waits for the backend alone, which needs
//! nothing that a job holds. So no job ever waits for one that waits for it.
//!
//! Boxes come from the warm pool of their specification, where somebody keeps one, else they are made when they are asked for.

mod error;
mod kept;
mod places;
mod shared_pool;

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicU64},
};

use tokio::sync::Semaphore;

use self::shared_pool::SharedPool;
pub use self::{error::AcquireError, kept::KeptPool, places::Places};
use crate::{backend::Backend, pool::start_box, session::Session, spec::BoxSpec};

/// Gives boxes to the jobs of one worker. Clones are the same provider.
#[derive(Clone)]
pub struct BoxProvider(Arc<Provider>);

struct Provider {
    backend: Arc<dyn Backend>,
    /// A place for each box that jobs may have at once. Boxes that are kept warm need none.
    places: Arc<Semaphore>,
    budget: usize,
    pools: Mutex<HashMap<BoxSpec, SharedPool>>,
    /// Numbers given to keepers of pools; none is used twice.
    keepers: AtomicU64,
}

impl BoxProvider {
    /// `budget`: how many boxes jobs may have at once.
    pub fn new(backend: Arc<dyn Backend>, budget: usize) -> Self {
        let budget = budget.min(Semaphore::MAX_PERMITS);
        Self(Arc::new(Provider {
            backend,
            places: Arc::new(Semaphore::new(budget)),
            budget,
            pools: Mutex::default(),
            keepers: AtomicU64::new(0),
        }))
    }

    /// Places for so many boxes, all at once. Those who wait are served in order.
    pub async fn places(&self, boxes: usize) -> Result<Places, AcquireError> {
        let mut places = Places::none(Arc::clone(&self.0.places), self.0.budget);
        places.exchange(boxes).await?;
        Ok(places)
    }

    /// A box of this specification, for a job that needs one; as [`Self::acquire_all`] does it.
    pub async fn acquire(&self, places: &mut Places, spec: &BoxSpec) -> Result<Session, AcquireError> {
        places.exchange(1).await?;
        let session = self.take(spec).await?;
        places.occupy(1);
        Ok(session)
    }

    /// A box of each of these specifications, in their order, or none at all.
    ///
    /// Where there are fewer places, they are given back and as many taken as are needed, which waits. Cancel safe: boxes that
    /// are not handed out are destroyed in the background, and the places stay.
    pub async fn acquire_all(
        &self,
        places: &mut Places,
        specs: &[BoxSpec],
    ) -> Result<Vec<Session>, AcquireError> {
        places.exchange(specs.len()).await?;
        let mut order: Vec<usize> = (0..specs.len()).collect();
        order.sort_by(|one, other| specs[*one].cmp(&specs[*other]));
        let mut boxes = Vec::with_capacity(specs.len());
        for place in order {
            boxes.push((place, self.take(&specs[place]).await?));
        }
        places.occupy(specs.len());
        boxes.sort_by_key(|(place, _)| *place);
        Ok(boxes.into_iter().map(|(_, session)| session).collect())
    }

    async fn take(&self, spec: &BoxSpec) -> Result<Session, AcquireError> {
        let kept = self.pools().get(spec).map(|shared| shared.pool.clone());
        if let Some(pool) = kept {
            return Ok(pool.acquire().await?);
        }
        let backend = &*self.0.backend;
        Ok(start_box(backend, spec, backend.ready_timeout()).await?)
    }

    /// The map is whole after every statement: a panic elsewhere cannot have broken it.
    fn pools(&self) -> MutexGuard<'_, HashMap<BoxSpec, SharedPool>> {
        self.0.pools.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for BoxProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoxProvider")
            .field("budget", &self.0.budget)
            .field("free_places", &self.0.places.available_permits())
            .finish_non_exhaustive()
    }
}
