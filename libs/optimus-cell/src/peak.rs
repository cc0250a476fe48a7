//! The highest memory of a control group, also between two looks at it.
//!
//! The kernel keeps the highest charge of a group, which no spike escapes. A charge is more than the memory of processes
//! and of files in memory: page cache, the kernel's own memory, and some pages that it has taken ahead. What there was of
//! the first two is seen with each look, and the most of it is subtracted.

use crate::{
    cgroup::{Charge, Counters},
    error::CellError,
};

/// What the kernel may keep for a run beside its memory: page tables, stacks of threads, names of files. What is more is
/// counted as the run's memory, since pipes and sockets hold whatever a program writes to them.
const KERNEL_BYTES: u64 = 64 << 20;

#[derive(Debug)]
pub(crate) struct Peak {
    /// The highest charge before the run; `None` where the kernel does not tell.
    before: Option<u64>,
    page_cache_bytes: u64,
    kernel_bytes: u64,
}

impl Peak {
    /// To be called before the run.
    pub(crate) fn start(counters: &Counters) -> Result<Self, CellError> {
        counters.forget_highest_charge();
        Ok(Self {
            before: highest_charge(counters)?,
            page_cache_bytes: 0,
            kernel_bytes: 0,
        })
    }

    /// Whether the kernel tells.
    pub(crate) fn is_known(&self) -> bool {
        self.before.is_some()
    }

    /// Memory at this moment.
    pub(crate) fn look(&mut self, counters: &Counters) -> Result<u64, CellError> {
        let Charge {
            memory_bytes,
            page_cache_bytes,
            kernel_bytes,
        } = counters.charge().map_err(CellError::counter("memory"))?;
        let free = kernel_bytes.min(KERNEL_BYTES);
        self.page_cache_bytes = self.page_cache_bytes.max(page_cache_bytes);
        self.kernel_bytes = self.kernel_bytes.max(free);
        Ok(memory_bytes + (kernel_bytes - free))
    }

    /// The highest memory at any moment of the run. `None` where a higher charge before the run hides it.
    pub(crate) fn highest(&mut self, counters: &Counters) -> Result<Option<u64>, CellError> {
        self.look(counters)?;
        let highest = highest_charge(counters)?.filter(|highest| Some(*highest) > self.before);
        let beside = self.page_cache_bytes.saturating_add(self.kernel_bytes);
        Ok(highest.map(|highest| highest.saturating_sub(beside)))
    }
}

/// The high-water mark of a process, without the files it had mapped, such as its own code. Both are rough for small
/// processes; a program that ran has touched something.
pub(crate) fn without_mapped_files(mark: u64, mapped_bytes: u64) -> u64 {
    match mark.saturating_sub(mapped_bytes) {
        0 => mark,
        touched => touched,
    }
}

fn highest_charge(counters: &Counters) -> Result<Option<u64>, CellError> {
    counters
        .highest_charge()
        .map_err(CellError::counter("highest memory"))
}
