//! How quick this machine is at what sandboxes do, so that no test rests on another machine's speed.

use std::{process::Command, time::Duration};

/// What the start and the end of a program cost here without any sandbox, in CPU time: the median of some.
pub fn cost() -> Duration {
    let mut costs: Vec<_> = (0..21).map(|_| one_start()).collect();
    costs.sort_unstable();
    costs[costs.len() / 2]
}

#[allow(
    unsafe_code,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::zombie_processes,
    reason = "a call that only reaps and reports, of numbers that are small and not negative"
)]
fn one_start() -> Duration {
    let child = Command::new("sleep")
        .arg("0")
        .spawn()
        .expect("sleep can be started");
    // SAFETY: the call fills in what it is given, which is plain numbers.
    let used = unsafe {
        let mut used: libc::rusage = std::mem::zeroed();
        let waited = libc::wait4(child.id() as libc::pid_t, std::ptr::null_mut(), 0, &raw mut used);
        assert_eq!(waited, child.id() as libc::pid_t);
        used
    };
    let time = |time: libc::timeval| {
        Duration::from_secs(time.tv_sec as u64) + Duration::from_micros(time.tv_usec as u64)
    };
    time(used.ru_utime) + time(used.ru_stime)
}
