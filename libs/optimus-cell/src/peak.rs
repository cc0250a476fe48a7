//! The highest memory of a control group, also between two looks at it.
//!
//! The kernel keeps the highest charge of a group, which no spike escapes. A charge is more than the memory of processes
//! and of files in memory: page cache, the kernel's own memory, and some pages that it has taken ahead. What there was of
//! the first two is seen with each look, the first of them before the run, and the most of it is subtracted.
//!
//! What a group is charged with before a run hides as much of the run: the kernel may take it back while the run grows. So
//! runs get groups in which there is [next to nothing](ResidualCharge::None), where there is a choice.

use optimus_common::limits::Limits;

use crate::error::CellError;
use optimus_linux::cgroup::{Charge, Counters};

/// What the kernel may keep for a run beside its memory. What is more is counted as the run's memory, since pipes and sockets
/// hold whatever a program writes to them, and names of files are as many as it makes.
///
/// Measured: 3 MiB for a hundred threads of Java, 4 to 8 for sixty processes, 2 of page tables for a program of 1 GiB, 5 for
/// `go build`, 9 for ten thousand files. What the dead have had is given back a while later: sixty processes that end and are made
/// anew without a pause have some 20 at a time, and far more on a machine that is busy.
const KERNEL_BYTES: u64 = 8 << 20;
const KERNEL_BYTES_OF_A_PROCESS: u64 = 1 << 20;
/// Not more than this is left to the kernel, however many processes the run may have.
const MOST_KERNEL_BYTES: u64 = 64 << 20;
/// Of memory that is touched all over, page tables are a 512th.
const PART_OF_PAGE_TABLES: u64 = 256;

/// What a group may be charged with before a run: files that were read or made, and what the kernel keeps of its own.
const LEFT_FILES: u64 = 256 << 10;
const LEFT_TO_KERNEL: u64 = 512 << 10;
/// All of it, with the pages that the kernel has taken ahead.
const LEFT: u64 = 1 << 20;

/// What a group is charged with before a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ResidualCharge {
    /// Less than any run uses.
    None,
    /// The kernel's own memory, of which it lets go by itself, in its own time.
    Kernel,
    /// What stays, or a highest charge that cannot be begun anew.
    Permanent,
}

#[derive(Debug)]
pub(crate) struct Peak {
    /// The highest charge before the run; `None` where the kernel does not tell.
    before: Option<u64>,
    charged_before: Charge,
    page_cache_bytes: u64,
    kernel_bytes: u64,
    /// The kernel's own memory that does not count as the run's.
    free_kernel_bytes: u64,
}

impl Peak {
    /// To be called before the run.
    pub(crate) fn start(counters: &Counters, limits: &Limits) -> Result<Self, CellError> {
        counters.forget_highest_charge();
        let mut peak = Self {
            before: highest_charge(counters)?,
            charged_before: Charge::default(),
            page_cache_bytes: 0,
            kernel_bytes: 0,
            free_kernel_bytes: free_kernel_bytes(limits),
        };
        peak.charged_before = peak.take_charge(counters)?;
        Ok(peak)
    }

    /// What the group was charged with before the run.
    pub(crate) fn residual_charge(&self) -> ResidualCharge {
        let Charge {
            memory_bytes,
            page_cache_bytes,
            kernel_bytes,
        } = self.charged_before;
        if memory_bytes.saturating_add(page_cache_bytes) > LEFT_FILES {
            ResidualCharge::Permanent
        } else if kernel_bytes > LEFT_TO_KERNEL {
            ResidualCharge::Kernel
        } else if self.is_hidden(self.before) {
            ResidualCharge::Permanent
        } else {
            ResidualCharge::None
        }
    }

    /// Memory before the run.
    pub(crate) fn memory_before(&self) -> u64 {
        self.memory_of(self.charged_before)
    }

    /// Whether the highest charge is that of before the run, and too much to tell anything of a run.
    fn is_hidden(&self, highest: Option<u64>) -> bool {
        highest <= self.before && self.before.is_some_and(|before| before > LEFT)
    }

    /// Whether the kernel tells the highest charge.
    pub(crate) fn is_known(&self) -> bool {
        self.before.is_some()
    }

    /// Memory at this moment.
    pub(crate) fn update(&mut self, counters: &Counters) -> Result<u64, CellError> {
        let charge = self.take_charge(counters)?;
        Ok(self.memory_of(charge))
    }

    fn take_charge(&mut self, counters: &Counters) -> Result<Charge, CellError> {
        let charge = counters.charge().map_err(CellError::counter("memory"))?;
        self.page_cache_bytes = self.page_cache_bytes.max(charge.page_cache_bytes);
        self.kernel_bytes = self.kernel_bytes.max(self.free(charge));
        Ok(charge)
    }

    /// The highest memory at any moment of the run. `None` where a higher charge before the run hides it.
    pub(crate) fn highest(&mut self, counters: &Counters) -> Result<Option<u64>, CellError> {
        self.update(counters)?;
        let highest = highest_charge(counters)?;
        let seen = highest.filter(|_| !self.is_hidden(highest));
        let beside = self.page_cache_bytes.saturating_add(self.kernel_bytes);
        Ok(seen.map(|highest| highest.saturating_sub(beside)))
    }

    fn memory_of(&self, charge: Charge) -> u64 {
        charge.memory_bytes + (charge.kernel_bytes - self.free(charge))
    }

    fn free(&self, charge: Charge) -> u64 {
        charge.kernel_bytes.min(self.free_kernel_bytes)
    }
}

fn free_kernel_bytes(limits: &Limits) -> u64 {
    let of_processes = u64::from(limits.processes) * KERNEL_BYTES_OF_A_PROCESS;
    let beside_page_tables = (KERNEL_BYTES + of_processes).min(MOST_KERNEL_BYTES);
    beside_page_tables + limits.memory_bytes / PART_OF_PAGE_TABLES
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

#[cfg(test)]
mod tests {
    use std::{fs, time::Duration};

    use super::*;
    use optimus_linux::cgroup::Group;

    const LIMITS: Limits = Limits {
        cpu_time: Duration::ZERO,
        wall_time: Duration::ZERO,
        memory_bytes: 256 << 20,
        output_bytes: 0,
        processes: 64,
        open_files: 0,
        file_size_bytes: 0,
    };

    /// Of a group of version 2 that is charged with so much, the kernel's own memory last. Its highest charge can be begun
    /// anew if the kernel is new enough.
    fn peak(highest: &str, [memory, files, kernel]: [u64; 3]) -> Peak {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("cpu.stat", String::new()),
            (
                "memory.stat",
                format!("anon {memory}\nfile {files}\nkernel {kernel}\n"),
            ),
            ("memory.events", String::new()),
            ("pids.events", String::new()),
            ("memory.peak", highest.to_owned()),
        ] {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let counters = Group::open_v2(folder.path()).unwrap().counters().unwrap();
        Peak::start(&counters, &LIMITS).unwrap()
    }

    fn residual_charge(highest: &str, charged: [u64; 3]) -> ResidualCharge {
        peak(highest, charged).residual_charge()
    }

    #[test]
    fn what_the_kernel_keeps_is_memory_beyond_what_a_run_needs() {
        let memory = |kernel| peak("0", [1 << 20, 0, kernel]).memory_before();
        let free = (64 + 1) << 20;
        assert_eq!(memory(free), 1 << 20);
        assert_eq!(memory(free + 5), (1 << 20) + 5);
    }

    #[test]
    fn a_group_is_fit_for_a_run_when_next_to_nothing_is_left_in_it() {
        let begun_anew = "9000000";
        assert_eq!(
            residual_charge(begun_anew, [100 << 10, 0, 300 << 10]),
            ResidualCharge::None
        );
        assert_eq!(
            residual_charge(begun_anew, [0, 0, 2 << 20]),
            ResidualCharge::Kernel
        );
        assert_eq!(
            residual_charge(begun_anew, [0, 1 << 20, 2 << 20]),
            ResidualCharge::Permanent
        );
        assert_eq!(
            residual_charge(begun_anew, [1 << 20, 0, 0]),
            ResidualCharge::Permanent
        );
    }

    /// A zero that is written changes nothing of this file's number.
    #[test]
    fn a_highest_charge_that_stays_is_left_for_good() {
        assert_eq!(residual_charge(" 9000000", [0, 0, 0]), ResidualCharge::Permanent);
        assert_eq!(residual_charge(" 500000", [0, 0, 0]), ResidualCharge::None);
    }
}
