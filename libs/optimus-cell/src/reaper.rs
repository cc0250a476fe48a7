//! Waiting for dead children, adopted ones included.

use std::{io, mem::MaybeUninit, path::Path, time::Duration};

use crate::{
    death::{Death, death},
    error::CellError,
    waited::Waited,
};

/// A process that has been waited for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reaped {
    pub(crate) pid: i32,
    /// Its real UID.
    pub(crate) uid: u32,
    pub(crate) death: Death,
    /// Its own CPU time and that of all descendants waited for within the tree.
    pub(crate) cpu: Duration,
    /// Largest resident memory of it, or of any one of those descendants.
    pub(crate) max_rss_bytes: u64,
    /// How long its first thread had waited, where that was asked for.
    pub(crate) waited: Waited,
}

/// Waits for one child that is dead already; `None` where there is none. Those that are `wanted` are looked at before:
/// only until it is waited for is there anything to see of a process.
pub(crate) fn reap(wanted: impl FnOnce(i32) -> bool) -> Result<Option<Reaped>, CellError> {
    let Some(dead) = wait(libc::P_ALL, 0, libc::WNOHANG | libc::WNOWAIT)? else {
        return Ok(None);
    };
    let at_its_end = if wanted(dead.pid) {
        Waited::of_thread(Path::new(&format!("/proc/{}", dead.pid)))
    } else {
        Waited::default()
    };
    let reaped = wait_for(dead.pid)?;
    Ok(reaped.map(|reaped| Reaped {
        waited: at_its_end,
        ..reaped
    }))
}

/// Waits for this child to die.
pub(crate) fn wait_for(pid: i32) -> Result<Option<Reaped>, CellError> {
    wait(libc::P_PID, pid.unsigned_abs(), 0)
}

/// The raw system call rather than libc's function: only it also tells what the child has used.
fn wait(kind: libc::idtype_t, id: libc::id_t, flags: libc::c_int) -> Result<Option<Reaped>, CellError> {
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    let flags = libc::WEXITED | flags;
    // SAFETY: both pointers are valid for writes of what the kernel stores through them.
    let outcome = unsafe {
        libc::syscall(
            libc::SYS_waitid,
            kind,
            id,
            info.as_mut_ptr(),
            flags,
            usage.as_mut_ptr(),
        )
    };
    if outcome == -1 {
        let source = io::Error::last_os_error();
        return match source.raw_os_error() {
            Some(libc::ECHILD) => Ok(None),
            _ => Err(CellError::System {
                operation: "wait for dead processes",
                source,
            }),
        };
    }
    // SAFETY: zeroed memory is a valid value of both types, and the kernel has filled in what it knows.
    let (info, usage) = unsafe { (info.assume_init(), usage.assume_init()) };
    // SAFETY: `waitid` fills in exactly these fields, or leaves them zero where no child was dead.
    let (pid, uid) = unsafe { (info.si_pid(), info.si_uid()) };
    if pid == 0 {
        return Ok(None);
    }
    let death = death(&info);
    let cpu = duration(usage.ru_utime) + duration(usage.ru_stime);
    let max_rss_bytes = u64::try_from(usage.ru_maxrss).unwrap_or(0) * 1024;
    Ok(Some(Reaped {
        pid,
        uid,
        death,
        cpu,
        max_rss_bytes,
        waited: Waited::default(),
    }))
}

pub(crate) fn duration(time: libc::timeval) -> Duration {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let micros = u64::try_from(time.tv_usec).unwrap_or(0);
    Duration::from_secs(seconds) + Duration::from_micros(micros)
}
