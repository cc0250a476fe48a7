//! What a process has of the agent's signals.

use std::ptr;

use optimus_linux::process::last_errno;

/// The kernel's own structure, which differs from libc's: handler, flags, restorer, mask.
type Action = [u64; 4];
type Set = [u64; 1];

const DEFAULT: Action = [0; 4];
const HIGHEST: i32 = 64;

/// Signals that this process ignores or handles. It must not change that any more.
#[derive(Debug)]
pub(crate) struct Signals(Vec<i32>);

impl Signals {
    pub(crate) fn of_this_process() -> Self {
        let changed = |signal: &i32| {
            let mut action = DEFAULT;
            // SAFETY: the structure is as large as the kernel's, which only fills it in.
            let outcome = unsafe {
                libc::syscall(
                    libc::SYS_rt_sigaction,
                    *signal,
                    ptr::null::<Action>(),
                    action.as_mut_ptr(),
                    size_of::<Set>(),
                )
            };
            outcome == 0 && action[0] != 0
        };
        Self((1..=HIGHEST).filter(changed).collect())
    }

    /// Nothing blocked, nothing ignored, nothing handled. Allocates nothing.
    pub(crate) fn reset(&self) -> rustix::io::Result<()> {
        let none = ptr::null_mut::<u64>();
        for signal in &self.0 {
            // The system call itself: libc's function would leave out the two signals it uses.
            // SAFETY: zeroes are a valid action, "the default", of the size the kernel reads.
            let outcome = unsafe {
                libc::syscall(
                    libc::SYS_rt_sigaction,
                    *signal,
                    DEFAULT.as_ptr(),
                    none,
                    size_of::<Set>(),
                )
            };
            if outcome == -1 {
                return Err(last_errno());
            }
        }
        let nothing: Set = [0];
        // SAFETY: the set is as large as told.
        let outcome = unsafe {
            libc::syscall(
                libc::SYS_rt_sigprocmask,
                libc::SIG_SETMASK,
                nothing.as_ptr(),
                none,
                size_of::<Set>(),
            )
        };
        if outcome == -1 { Err(last_errno()) } else { Ok(()) }
    }
}
