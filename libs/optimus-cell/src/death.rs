//! How processes end.

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Death {
    Exited(i32),
    Signalled(i32),
}

/// What `waitid` tells of a child's end.
pub(crate) fn death(info: &libc::siginfo_t) -> Death {
    // SAFETY: the field is there after `waitid`.
    let status = unsafe { info.si_status() };
    match info.si_code {
        libc::CLD_EXITED => Death::Exited(status),
        _ => Death::Signalled(status),
    }
}
