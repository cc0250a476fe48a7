//! The highest memory of a control group, also between two looks at it.
//!
//! The kernel keeps the highest charge of a group, which no spike escapes. A charge is more than the memory of processes
//! and of files in memory: page cache, page tables, kernel stacks, and pages that the kernel has taken ahead. What is
//! charged beside is seen with each look, and the most of it ever seen is subtracted from the highest charge. So the figure
//! is exact to what changes beside within the run, which is some hundred KiB.

use crate::{cgroup::Counters, error::CellError};

#[derive(Debug)]
pub(crate) struct Peak {
    /// The highest charge before the run; `None` where the kernel does not tell.
    before: Option<u64>,
    /// The most that was charged beside memory.
    beside: u64,
}

impl Peak {
    /// To be called before the run.
    pub(crate) fn start(counters: &Counters) -> Result<Self, CellError> {
        counters.forget_highest_charge();
        let mut peak = Self {
            before: highest_charge(counters)?,
            beside: 0,
        };
        peak.look(counters)?;
        Ok(peak)
    }

    /// Memory at this moment.
    pub(crate) fn look(&mut self, counters: &Counters) -> Result<u64, CellError> {
        // Before the memory: what grows in between is then taken for memory, not for something beside it.
        let charge = counters.charge().map_err(CellError::counter("charged memory"))?;
        let memory = counters.memory_bytes().map_err(CellError::counter("memory"))?;
        self.beside = self.beside.max(charge.unwrap_or(0).saturating_sub(memory));
        Ok(memory)
    }

    /// The highest memory at any moment of the run. `None` where a higher one before the run hides it.
    pub(crate) fn highest(&mut self, counters: &Counters) -> Result<Option<u64>, CellError> {
        self.look(counters)?;
        let highest = highest_charge(counters)?.filter(|highest| Some(*highest) > self.before);
        Ok(highest.map(|highest| highest.saturating_sub(self.beside)))
    }
}

fn highest_charge(counters: &Counters) -> Result<Option<u64>, CellError> {
    counters
        .highest_charge()
        .map_err(CellError::counter("highest memory"))
}
