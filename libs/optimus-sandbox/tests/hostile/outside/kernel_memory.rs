//! The kernel's own memory, which attacks may use up without anybody being charged for it.

use std::{
    fs,
    sync::{Mutex, PoisonError},
};

use super::Waiting;

/// What the kernel may have more after a dozen cases than before, in KiB: what it caches of its own.
const MORE: u64 = 16 << 10;

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

/// As it was at the last moment of rest.
pub(crate) struct KernelMemory(Mutex<u64>);

impl KernelMemory {
    pub(crate) fn watch() -> Self {
        Self(Mutex::new(used()))
    }

    /// Does something of ours that keeps memory of the kernel's, as the first box of a language does: what it sees is
    /// copied into memory, and each file there has an inode.
    pub(crate) async fn grow_with<T>(&self, ours: impl Future<Output = T>) -> T {
        let before = used();
        let done = ours.await;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) += used().saturating_sub(before);
        done
    }

    /// Waits until it is what it was, or nearly.
    pub(crate) async fn is_as_it_was(&self) -> Result<(), String> {
        let before = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = Waiting::begin();
        loop {
            let now = used();
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
