//! The kernel's own memory, which attacks may use up without anybody being charged for it.

use std::{
    fs,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::sync::RwLock;
#[cfg(optimus_weaken)]
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
    let text = meminfo();
    figure(&text, "SUnreclaim") + figure(&text, "VmallocUsed")
}

fn meminfo() -> String {
    fs::read_to_string("/proc/meminfo").unwrap_or_default()
}

fn figure(meminfo: &str, name: &str) -> u64 {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let number = line.and_then(|line| line.split_ascii_whitespace().next());
    number
        .and_then(|number| number.parse().ok())
        .unwrap_or_else(|| panic!("/proc/meminfo has no {name}"))
}

/// With what processes have of it that live, and with what lies in sockets. To be compared only where nothing else begins
/// or ends on this machine.
pub(crate) fn used_by_all() -> u64 {
    let text = meminfo();
    let of_processes = figure(&text, "PageTables") + figure(&text, "KernelStack");
    let page_kib = rustix::param::page_size() as u64 >> 10;
    // `TCP: inuse 3 orphan 0 tw 0 alloc 6 mem 2`, in pages, of all network namespaces together.
    let sockets = fs::read_to_string("/proc/net/sockstat").unwrap_or_default();
    let pages: u64 = sockets
        .lines()
        .filter_map(|line| line.split_once(" mem ")?.1.trim().parse::<u64>().ok())
        .sum();
    used_by_others() + of_processes + pages * page_kib
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

/// Waits until no more is used by all than before, or hardly more.
pub(crate) async fn falls_to(before: u64) -> Result<(), String> {
    settles(before, used_by_all, "with its sockets and processes")
        .await
        .1
}

/// Waits until no more is measured than before, or hardly more. Returns what was measured last.
async fn settles(before: u64, measured: fn() -> u64, what: &str) -> (u64, Result<(), String>) {
    let waiting = Waiting::begin();
    loop {
        let now = measured();
        let same = if now <= before + MORE {
            Ok(())
        } else {
            Err(format!("the kernel has {now} KiB {what}, before {before}"))
        };
        if let Some(same) = waiting.is_over(same).await {
            return (now, same);
        }
    }
}

/// Lets nobody measure, while something goes on that gives back all it takes when it is over.
#[cfg(optimus_weaken)]
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
        let (now, same) = settles(before, used_by_others, "of memory of its own").await;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = now;
        same
    }
}
