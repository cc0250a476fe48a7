//! The memory set aside for bodies: taken as their bytes arrive, and taken back from whoever wastes it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    pin,
    sync::{Notify, OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout},
};

use crate::pace::Pace;

pub(crate) const KIB: usize = 1 << 10;

/// How much quicker than the least rate a body must come to be safe where others wait for the room it has.
const SAFE: u64 = 32;

/// How long a body waits before another one gives way to it, and then between one and the next; parts of the time that
/// it waits at all.
const WAITS: u32 = 20;
const WAITS_AGAIN: u32 = 200;

/// Memory that bodies share while they are received and read.
///
/// There is no part of it that anybody can have by announcing much: a body has what has arrived of it. Where there is no
/// more, those that wait get it in the order in which they came, and one that has waited for a moment makes another one
/// give way: that which has held the most for the longest at a slower rate than a quick client's. What came quickly is
/// never charged for, so it only gives way to what came before it.
#[derive(Debug)]
pub(crate) struct Pool {
    /// In KiB.
    room: Arc<Semaphore>,
    /// The rate, in bytes a second, at which a body is safe.
    safe: u64,
    bodies: Mutex<Bodies>,
}

#[derive(Debug, Default)]
struct Bodies {
    next: u64,
    coming: BTreeMap<u64, Coming>,
}

/// A body that is still being received.
#[derive(Debug)]
struct Coming {
    held_kib: usize,
    /// When it began, later by the time that it had to wait for room.
    began: Instant,
    /// Since when it has waited for room.
    waits: Option<Instant>,
    /// Tells it to give way; `told` where that has happened.
    gives_way: Arc<Notify>,
    told: bool,
}

impl Coming {
    /// KiB held, times the milliseconds that it is behind a body which is safe.
    fn waste(&self, now: Instant, safe: u64) -> u128 {
        let taken = self.waits.unwrap_or(now).saturating_duration_since(self.began);
        let quick = (self.held_kib * KIB) as u128 * 1000 / u128::from(safe);
        self.held_kib as u128 * taken.as_millis().saturating_sub(quick)
    }
}

/// Why there is no room for more of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoRoom {
    /// No room became free in the time that the body may wait.
    Full,
    /// The body was made to give its room to others.
    GaveWay,
}

impl Pool {
    pub(crate) fn new(bytes: usize, pace: Pace) -> Arc<Self> {
        Arc::new(Self {
            room: Arc::new(Semaphore::new(bytes / KIB)),
            safe: pace.bytes_per_second.saturating_mul(SAFE),
            bodies: Mutex::default(),
        })
    }

    #[cfg(test)]
    pub(crate) fn left(&self) -> usize {
        self.room.available_permits() * KIB
    }

    fn bodies(&self) -> MutexGuard<'_, Bodies> {
        self.bodies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the most wasteful body give way for the one of this number, unless it is that itself, or one that was told to is
    /// on its way out.
    fn make_room(&self, number: u64) {
        let mut bodies = self.bodies();
        if bodies.coming.values().any(|body| body.told) {
            return;
        }
        let now = Instant::now();
        let most = bodies
            .coming
            .iter_mut()
            .filter(|(found, body)| body.held_kib > 0 || **found == number)
            .max_by_key(|(number, body)| (body.waste(now, self.safe), **number));
        if let Some((found, body)) = most
            && *found != number
        {
            body.told = true;
            body.gives_way.notify_one();
        }
    }
}

/// What one body has of a pool while it is received.
#[derive(Debug)]
pub(crate) struct Reservation {
    pool: Arc<Pool>,
    number: u64,
    gives_way: Arc<Notify>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Reservation {
    /// For a body whose receiving began at this time.
    pub(crate) fn new(pool: &Arc<Pool>, began: Instant) -> Self {
        let gives_way = Arc::<Notify>::default();
        let mut bodies = pool.bodies();
        let number = bodies.next;
        bodies.next += 1;
        let coming = Coming {
            held_kib: 0,
            began,
            waits: None,
            gives_way: Arc::clone(&gives_way),
            told: false,
        };
        bodies.coming.insert(number, coming);
        Self {
            pool: Arc::clone(pool),
            number,
            gives_way,
            permit: None,
        }
    }

    pub(crate) fn held(&self) -> usize {
        self.permit.as_ref().map_or(0, OwnedSemaphorePermit::num_permits) * KIB
    }

    /// Ready when others need the room more.
    pub(crate) async fn lost(&self) {
        self.gives_way.notified().await;
    }

    /// Takes room until this body has so many bytes of it, within what is left of the time that it may wait.
    pub(crate) async fn reach(&mut self, bytes: usize, left: &mut Duration) -> Result<(), NoRoom> {
        let more = bytes.div_ceil(KIB).saturating_sub(self.held() / KIB);
        if more == 0 {
            return Ok(());
        }
        let more = u32::try_from(more).map_err(|_| NoRoom::Full)?;
        let began = Instant::now();
        self.with(|body| body.waits = Some(began));
        let taken = self.take(more, *left).await;
        let waited = began.elapsed();
        *left = left.saturating_sub(waited);
        let permit = taken?;
        match &mut self.permit {
            Some(held) => held.merge(permit),
            None => self.permit = Some(permit),
        }
        let held_kib = self.held() / KIB;
        self.with(|body| {
            body.held_kib = held_kib;
            body.began += waited;
            body.waits = None;
        });
        Ok(())
    }

    async fn take(&self, more: u32, left: Duration) -> Result<OwnedSemaphorePermit, NoRoom> {
        let acquire = Arc::clone(&self.pool.room).acquire_many_owned(more);
        pin!(acquire);
        let ends = Instant::now() + left;
        let mut pause = left / WAITS;
        loop {
            let moment = timeout(pause.min(ends - Instant::now()), &mut acquire);
            tokio::select! {
                biased;
                taken = moment => match taken {
                    Ok(Ok(permit)) => return Ok(permit),
                    Ok(Err(_)) => return Err(NoRoom::Full),
                    Err(_) => (),
                },
                () = self.lost() => return Err(NoRoom::GaveWay),
            }
            if Instant::now() >= ends {
                return Err(NoRoom::Full);
            }
            self.pool.make_room(self.number);
            pause = (left / WAITS_AGAIN).max(Duration::from_millis(1));
        }
    }

    /// The body has arrived: it keeps its room, and no longer gives way.
    pub(crate) fn arrived(mut self) -> Option<OwnedSemaphorePermit> {
        self.permit.take()
    }

    fn with(&self, change: impl FnOnce(&mut Coming)) {
        if let Some(body) = self.pool.bodies().coming.get_mut(&self.number) {
            change(body);
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        // First the room: whoever waits for it must not tell another one to give way meanwhile.
        self.permit = None;
        self.pool.bodies().coming.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use tokio::time::{advance, sleep};

    use super::*;

    const PACE: Pace = Pace {
        grace: Duration::from_secs(20),
        bytes_per_second: 1 << 10,
    };
    const MIB: usize = 1 << 20;

    /// Takes so much at once, as a quick client's body does.
    async fn arrives(pool: &Arc<Pool>, bytes: usize) -> Result<Reservation, NoRoom> {
        let mut reservation = Reservation::new(pool, Instant::now());
        let mut left = PACE.grace;
        reservation.reach(bytes, &mut left).await?;
        Ok(reservation)
    }

    fn gives_way(reservation: &Reservation) -> bool {
        reservation.lost().now_or_never().is_some()
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_has_what_has_arrived_of_it() {
        let pool = Pool::new(3 * MIB, PACE);
        let mut reservation = arrives(&pool, MIB).await.unwrap();
        assert_eq!((reservation.held(), pool.left()), (MIB, 2 * MIB));
        reservation.reach(MIB + 1, &mut PACE.grace.clone()).await.unwrap();
        assert_eq!(reservation.held(), MIB + KIB);
        let kept = reservation.arrived();
        assert_eq!(pool.left(), 2 * MIB - KIB);
        drop(kept);
        assert_eq!(pool.left(), 3 * MIB);
        assert!(pool.bodies().coming.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_held_slowly_gives_way_to_what_comes() {
        let pool = Pool::new(3 * MIB, PACE);
        let small = arrives(&pool, MIB).await.unwrap();
        let large = arrives(&pool, 2 * MIB).await.unwrap();
        advance(Duration::from_mins(10)).await;
        let newcomer = tokio::spawn({
            let pool = Arc::clone(&pool);
            async move { arrives(&pool, 1).await }
        });
        large.lost().await;
        sleep(Duration::from_secs(5)).await;
        assert!(!gives_way(&small), "one at a time");
        drop(large);
        assert!(newcomer.await.unwrap().is_ok());
        assert!(!gives_way(&small), "there is room");
    }

    #[tokio::test(start_paused = true)]
    async fn what_came_quickly_gives_way_to_nothing_that_came_after_it() {
        let pool = Pool::new(2 * MIB, PACE);
        let quick = arrives(&pool, 2 * MIB).await.unwrap();
        // Together with the wait no more than what it needs at the rate at which a body is safe.
        let safe = Duration::from_secs(2 * MIB as u64 / (SAFE * PACE.bytes_per_second));
        advance(safe.saturating_sub(PACE.grace)).await;
        assert_eq!(arrives(&pool, 1).await.unwrap_err(), NoRoom::Full);
        assert!(!gives_way(&quick));
    }

    #[tokio::test(start_paused = true)]
    async fn of_two_that_want_what_the_other_has_the_first_gets_it() {
        let pool = Pool::new(2 * MIB, PACE);
        let mut first = arrives(&pool, MIB).await.unwrap();
        let mut second = arrives(&pool, MIB).await.unwrap();
        let second = tokio::spawn(async move {
            let mut left = PACE.grace;
            second.reach(2 * MIB, &mut left).await
        });
        let mut left = PACE.grace;
        first.reach(2 * MIB, &mut left).await.unwrap();
        assert_eq!(second.await.unwrap().unwrap_err(), NoRoom::GaveWay);
        assert!(left > PACE.grace / 2, "{left:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_has_arrived_no_longer_gives_way() {
        let pool = Pool::new(MIB, PACE);
        let kept = arrives(&pool, MIB).await.unwrap().arrived();
        advance(Duration::from_hours(1)).await;
        assert_eq!(arrives(&pool, 1).await.unwrap_err(), NoRoom::Full);
        drop(kept);
    }
}
