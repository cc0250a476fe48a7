//! What the first process of a cell reports to the agent: a page of memory that both share.
//!
//! Only trusted code has it: the guest's process loses it when it executes its program.

use std::{
    io,
    mem::size_of,
    ptr::{self, NonNull},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use rustix::time::{ClockId, Timespec, clock_gettime};

use crate::{death::Death, error::CellError, waited::Waited};

/// The page. Zero means that nothing has been noted yet.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct InitReport {
    /// When the guest's process was made, and when it was seen dead, in nanoseconds of the monotonic clock.
    started: AtomicU64,
    ended: AtomicU64,
    /// How the guest's first process died; see [`encode`].
    death: AtomicU64,
    /// The noting process' own CPU time since it is in its group, in nanoseconds.
    own_cpu: AtomicU64,
    /// The noting process' own high-water mark, in bytes.
    own_max_rss: AtomicU64,
    /// Of all processes reaped in the cell: CPU time in nanoseconds, and the largest high-water mark of one in bytes.
    reaped_cpu: AtomicU64,
    reaped_max_rss: AtomicU64,
    /// How long the guest's first process had waited for a CPU and for a disk, in nanoseconds, and one more.
    waited_for_cpu: AtomicU64,
    waited_for_io: AtomicU64,
    /// Bytes in the cell's files when the guest's first process had just died.
    files: AtomicU64,
}

/// What children have used that were waited for, with their own children.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ResourceUsage {
    pub(crate) cpu: Duration,
    pub(crate) max_rss_bytes: u64,
}

impl InitReport {
    pub(crate) fn start(&self) {
        self.started.store(now(), Relaxed);
    }

    /// Reports the death of the first process, which was so long ago.
    pub(crate) fn end(&self, death: Death, ago: Duration) {
        self.ended.store(now().saturating_sub(nanoseconds(ago)), Relaxed);
        self.death.store(encode(death), Relaxed);
    }

    pub(crate) fn own(&self, own: ResourceUsage) {
        self.own_cpu.store(nanoseconds(own.cpu), Relaxed);
        self.own_max_rss.store(own.max_rss_bytes, Relaxed);
    }

    pub(crate) fn reaped(&self, reaped: ResourceUsage) {
        self.reaped_cpu.store(nanoseconds(reaped.cpu), Relaxed);
        self.reaped_max_rss.store(reaped.max_rss_bytes, Relaxed);
    }

    pub(crate) fn waited(&self, waited: Waited) {
        let note = |time: Option<Duration>| time.map_or(0, |time| nanoseconds(time).saturating_add(1));
        self.waited_for_cpu.store(note(waited.for_cpu), Relaxed);
        self.waited_for_io.store(note(waited.for_io), Relaxed);
    }

    pub(crate) fn read_waited(&self) -> Waited {
        let read = |noted: &AtomicU64| noted.load(Relaxed).checked_sub(1).map(Duration::from_nanos);
        Waited {
            for_cpu: read(&self.waited_for_cpu),
            for_io: read(&self.waited_for_io),
        }
    }

    pub(crate) fn files(&self, bytes: u64) {
        self.files.store(bytes, Relaxed);
    }

    pub(crate) fn read_files(&self) -> u64 {
        self.files.load(Relaxed)
    }

    pub(crate) fn death(&self) -> Option<Death> {
        decode(self.death.load(Relaxed))
    }

    /// From the guest's start to its end.
    pub(crate) fn lifetime(&self) -> Option<Duration> {
        let (started, ended) = (self.started.load(Relaxed), self.ended.load(Relaxed));
        (started != 0 && ended != 0).then(|| Duration::from_nanos(ended.saturating_sub(started)))
    }

    /// From the guest's start until now; nothing where it has not started.
    pub(crate) fn age(&self) -> Duration {
        match self.started.load(Relaxed) {
            0 => Duration::ZERO,
            started => Duration::from_nanos(now().saturating_sub(started)),
        }
    }

    pub(crate) fn read_own(&self) -> ResourceUsage {
        ResourceUsage {
            cpu: Duration::from_nanos(self.own_cpu.load(Relaxed)),
            max_rss_bytes: self.own_max_rss.load(Relaxed),
        }
    }

    pub(crate) fn read_reaped(&self) -> ResourceUsage {
        ResourceUsage {
            cpu: Duration::from_nanos(self.reaped_cpu.load(Relaxed)),
            max_rss_bytes: self.reaped_max_rss.load(Relaxed),
        }
    }
}

fn now() -> u64 {
    let Timespec { tv_sec, tv_nsec } = clock_gettime(ClockId::Monotonic);
    tv_sec.unsigned_abs() * 1_000_000_000 + tv_nsec.unsigned_abs()
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// The number beside a mark of its kind, so that no death is zero.
fn encode(death: Death) -> u64 {
    match death {
        Death::Exited(code) => 1 << 32 | u64::from(code.cast_unsigned()),
        Death::Signalled(signal) => 2 << 32 | u64::from(signal.cast_unsigned()),
    }
}

fn decode(noted: u64) -> Option<Death> {
    #[expect(clippy::cast_possible_truncation, reason = "the lower half is the number")]
    let number = (noted as u32).cast_signed();
    match noted >> 32 {
        1 => Some(Death::Exited(number)),
        2 => Some(Death::Signalled(number)),
        _ => None,
    }
}

/// The agent's hold on the page. Processes forked from the agent have it too.
#[derive(Debug)]
pub(crate) struct SharedInitReport(NonNull<InitReport>);

impl SharedInitReport {
    pub(crate) fn new() -> Result<Self, CellError> {
        let (access, flags) = (
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED | libc::MAP_ANONYMOUS,
        );
        // SAFETY: a new mapping, of a size that is not zero.
        let page = unsafe { libc::mmap(ptr::null_mut(), size_of::<InitReport>(), access, flags, -1, 0) };
        if page == libc::MAP_FAILED {
            return Err(CellError::System {
                operation: "map memory to share with a cell",
                source: io::Error::last_os_error(),
            });
        }
        let page = NonNull::new(page.cast()).expect("a mapping is not at zero");
        Ok(Self(page))
    }

    pub(crate) fn get(&self) -> &InitReport {
        // SAFETY: the mapping is there until `self` is dropped, starts as zeroes, which atomics may be, and is only
        // ever used as atomics.
        unsafe { self.0.as_ref() }
    }
}

impl Drop for SharedInitReport {
    fn drop(&mut self) {
        // SAFETY: mapped with this size, and no reference outlives `self`.
        unsafe { libc::munmap(self.0.as_ptr().cast(), size_of::<InitReport>()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deaths_survive_being_noted() {
        for death in [
            Death::Exited(0),
            Death::Exited(255),
            Death::Signalled(6),
            Death::Signalled(64),
        ] {
            assert_eq!(decode(encode(death)), Some(death));
        }
        assert_eq!(decode(0), None);
    }

    #[test]
    fn nothing_is_noted_at_first() {
        let report = SharedInitReport::new().unwrap();
        assert_eq!(report.get().death(), None);
        assert_eq!(
            (report.get().lifetime(), report.get().age()),
            (None, Duration::ZERO)
        );
        assert_eq!(report.get().read_waited(), Waited::default());
        let waited = Waited {
            for_cpu: Some(Duration::ZERO),
            for_io: Some(Duration::from_millis(10)),
        };
        report.get().waited(waited);
        assert_eq!(report.get().read_waited(), waited);
        report.get().start();
        report.get().end(Death::Exited(3), Duration::ZERO);
        assert_eq!(report.get().death(), Some(Death::Exited(3)));
        assert!(report.get().lifetime().is_some());
    }
}
