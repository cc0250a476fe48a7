//! Tells the kernel to count how long threads wait for disks.
//!
//! What a box waits for on a disk are files of the host, so it is not to be held against a program, and can only be granted
//! where it is counted. The kernel does not by default since 5.14. What was told holds for the whole host, for processes that are
//! made from then on, and until somebody takes it back. It costs something only where a thread waits.

use std::fs;

const SETTING: &str = "/proc/sys/kernel/task_delayacct";

/// Does nothing where the kernel has no such setting, or does not let this user change it: programs are then granted less.
pub(super) fn count() {
    if fs::read(SETTING).is_ok_and(|setting| setting.starts_with(b"0")) {
        let _ = fs::write(SETTING, "1");
    }
}
