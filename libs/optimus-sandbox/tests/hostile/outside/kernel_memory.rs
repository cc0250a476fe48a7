//! The kernel's own memory, which attacks may use up without anybody being charged for it.

use std::{
    fs,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::sync::RwLock;
#[cfg(feature = "weaken")]
use tokio::sync::RwLockReadGuard;

use super::Waiting;

/// What the kernel may have more after a dozen cases than before, in KiB: what it caches of its own.
const MORE: u64 = 16 << 10;

/// Held alone by whoever measures, since the kernel's memory is one for all backends.
static MEASURE: RwLock<()> = RwLock::const_new(());

/// What ours keeps on purpose, whichever backend it is of, in KiB.
static OURS: AtomicU64 = AtomicU64::new(0);

/// Memory that the kernel cannot give back as long as somebody holds it: `SUnreclaim` and `VmallocUsed`, in KiB.
fn used() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let figure = |name: &str| {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let number = line.and_then(|line| line.split_ascii_whitespace().next());
        number
            .and_then(|number| number.parse::<u64>().ok())
            .unwrap_or_else(|| panic!("/proc/meminfo has no {name}"))
    };
    figure("SUnreclaim") + figure("VmallocUsed")
}

fn used_by_others() -> u64 {
    used().saturating_sub(OURS.load(Ordering::Relaxed))
}

/// Does something of ours that keeps memory of the kernel's, as the first box of a language does: what it sees is
/// copied into memory, and each file there has an inode.
pub(crate) async fn grow_with<T>(ours: impl Future<Output = T>) -> T {
    let _alone = MEASURE.write().await;
    let before = used();
    let done = ours.await;
    OURS.fetch_add(used().saturating_sub(before), Ordering::Relaxed);
    done
}

/// Lets nobody measure, while something goes on that gives back all it takes when it is over.
#[cfg(feature = "weaken")]
pub(crate) fn disturb() -> RwLockReadGuard<'static, ()> {
    MEASURE.blocking_read()
}

/// As it was at the last moment of rest.
pub(crate) struct KernelMemory(Mutex<u64>);

impl KernelMemory {
    pub(crate) fn watch() -> Self {
        Self(Mutex::new(used_by_others()))
    }

    /// Waits until it is what it was, or nearly.
    pub(crate) async fn is_as_it_was(&self) -> Result<(), String> {
        let _alone = MEASURE.write().await;
        let before = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = Waiting::begin();
        loop {
            let now = used_by_others();
            let same = if now <= before + MORE {
                Ok(())
            } else {
                Err(format!(
                    "the kernel has {now} KiB of memory of its own, before {before}"
                ))
            };
            if let Some(same) = waiting.is_over(same).await {
                *self.0.lock().unwrap_or_else(PoisonError::into_inner) = now;
                return same;
            }
        }
    }
}
