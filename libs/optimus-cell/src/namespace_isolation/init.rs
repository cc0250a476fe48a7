//! The first process of a cell.
//!
//! It is our own code: the guest cannot be PID 1, which signals to oneself do not reach. It prepares the cell, starts
//! the guest, buries everything that dies, and ends as soon as the guest's first process has: the kernel then kills
//! whatever is left in the cell, and reports this process' death only when all of it is gone.
//!
//! Nothing from inside reaches it. Signals without a handler are not delivered to the first process of a namespace, and
//! it has none; its memory and descriptors are closed to others, and it holds no capability and no descriptor
//! once the guest runs. It needs no new process and no new memory then, so that a guest that uses up either does not stop it.

use std::{convert::Infallible, ffi::CStr, io, io::Write, mem::MaybeUninit, os::fd::OwnedFd, time::Duration};

use optimus_common::{box_layout::c_paths::WRITABLE_DIRS, weaken};
use rustix::{
    fs::{Mode, OFlags, open},
    process::{Signal, set_parent_process_death_signal},
    thread::UnshareFlags,
    time::{ClockId, clock_gettime},
};

use super::{
    box_network::RunNetwork,
    init_report::{InitReport, ResourceUsage},
    mounts::Mounts,
    run_root::RunRoot,
};
use crate::{
    command::Command,
    death::{Death, death},
    guest::drop_capabilities,
    guest_id::GuestId,
    launch::{Restrictions, Stdio, become_program, forget_agent, hide_memory, leave},
    launch_step::{LaunchStep, StepFailure, at},
    reaper::duration,
    waited::{Waited, io_delay_of_stat, run_delay_of_schedstat},
};
use optimus_linux::{
    cgroup::Group,
    network::arrange_network,
    process::{close_descriptors, last_errno, unshare},
};

/// This process' number in its own namespace.
const OWN: i32 = 1;

/// Where the guest's process runs before it has a program: some calls deep, and with small buffers.
#[repr(C, align(16))]
struct GuestStack([u8; 64 << 10]);

/// Everything it needs, made by the agent before.
#[derive(Debug)]
pub(super) struct InitPlan<'a> {
    /// The group to enter; `None` where the process was made in it, or where there is none.
    pub(super) group: Option<&'a Group>,
    pub(super) network: &'a RunNetwork,
    pub(super) root: RunRoot,
    pub(super) mounts: &'a Mounts,
    pub(super) command: &'a Command,
    pub(super) guest: GuestId,
    pub(super) restrictions: &'a Restrictions,
    pub(super) stdio: Stdio<'a>,
    pub(super) init_report: &'a InitReport,
}

/// Lives the life of the first process. Allocates nothing.
pub(super) fn run(plan: &InitPlan<'_>, report: &OwnedFd) -> ! {
    let outcome = prepare(plan, report).and_then(|entered| {
        let files = bytes_in_files();
        Ok((entered, files, start_guest(plan, report)?))
    });
    let (entered, files, guest) = match outcome {
        Ok(started) => started,
        Err(failure) => leave(Err(failure), report),
    };
    // The guest alone is to hold its streams and the report. The rest is defence in depth: nothing is known to reach
    // this process.
    let _ = close_descriptors(0..=u32::MAX);
    let _ = drop_capabilities();
    watch(plan.init_report, guest, entered, files)
}

/// Makes the cell, and returns this process' CPU time at the moment it was in its group.
fn prepare(plan: &InitPlan<'_>, report: &OwnedFd) -> Result<Duration, StepFailure> {
    if let Some(group) = plan.group {
        group.enter().map_err(at(LaunchStep::Group))?;
    }
    let entered = own_cpu();
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(at(LaunchStep::AgentDeath))?;
    if !weaken::is_off("cgroup-namespace") {
        unshare(UnshareFlags::NEWCGROUP).map_err(at(LaunchStep::CgroupNamespace))?;
    }
    if let RunNetwork::OfRun = plan.network {
        unshare(UnshareFlags::NEWNET).map_err(at(LaunchStep::Network))?;
        arrange_network().map_err(at(LaunchStep::Network))?;
    }
    forget_agent(plan.stdio, report, plan.restrictions)?;
    plan.mounts.mount(plan.guest, plan.root)?;
    Ok(entered)
}

/// What the guest's process is told by the one that makes it.
struct GuestStart<'a> {
    plan: &'a InitPlan<'a>,
    report: &'a OwnedFd,
}

/// The guest's process shares this one's memory until it executes its program, and this one waits until then: nothing
/// need be copied. Its calls between are on a stack of its own.
fn start_guest(plan: &InitPlan<'_>, report: &OwnedFd) -> Result<i32, StepFailure> {
    extern "C" fn guest(start: *mut libc::c_void) -> libc::c_int {
        // SAFETY: `start_guest` waits, with what it has passed.
        let GuestStart { plan, report } = unsafe { &*start.cast::<GuestStart<'_>>() };
        let outcome: Result<Infallible, _> =
            become_program(plan.command, plan.guest, plan.restrictions, report);
        leave(outcome, report)
    }
    let start = GuestStart { plan, report };
    let mut stack = MaybeUninit::<GuestStack>::uninit();
    plan.init_report.start();
    // SAFETY: the stack is large enough, aligned at its end, and lives until `clone` returns, which is when the child
    // no longer uses it.
    let pid = unsafe {
        libc::clone(
            guest,
            stack.as_mut_ptr().add(1).cast(),
            libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD,
            (&raw const start).cast_mut().cast(),
        )
    };
    // The child's change of UID has decided anew who may look into the memory both had.
    let hidden = hide_memory();
    match pid {
        -1 => Err((LaunchStep::Fork, last_errno())),
        guest => hidden.map(|()| guest).map_err(at(LaunchStep::Fork)),
    }
}

/// Buries the dead until the guest's first process is among them. `files` is what lay there before.
fn watch(report: &InitReport, guest: i32, entered: Duration, files: u64) -> ! {
    loop {
        report_usage(report, entered);
        let waited = run_delay(OWN).unwrap_or_default();
        let Some((pid, death)) = reap_next(|pid| {
            if pid == guest {
                report.waited(Waited {
                    for_cpu: run_delay(pid),
                    for_io: io_delay(pid),
                });
            }
        }) else {
            // SAFETY: ends this process, and with it the cell.
            unsafe { libc::_exit(1) }
        };
        if pid == guest {
            // It had ended when this process was woken up, which then had to wait for a CPU.
            let late = run_delay(OWN).unwrap_or_default().saturating_sub(waited);
            report.end(death, late);
            // They go with the cell.
            report.files(bytes_in_files().saturating_sub(files));
            report_usage(report, entered);
            // SAFETY: as above.
            unsafe { libc::_exit(0) }
        }
    }
}

/// Waits for any child to die; `None` where there can be none any more. `look` is called while it is still to be seen.
fn reap_next(look: impl FnOnce(i32)) -> Option<(i32, Death)> {
    let (dead, _) = wait(libc::P_ALL, 0, libc::WNOWAIT)?;
    look(dead);
    wait(libc::P_PID, dead.unsigned_abs(), 0)
}

fn wait(kind: libc::idtype_t, id: libc::id_t, flags: libc::c_int) -> Option<(i32, Death)> {
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    loop {
        // SAFETY: the pointer is valid for what the kernel stores through it.
        let outcome = unsafe { libc::waitid(kind, id, info.as_mut_ptr(), libc::WEXITED | flags) };
        if outcome == 0 {
            // SAFETY: zeroed memory is a valid value, and the kernel has filled in what it knows.
            let info = unsafe { info.assume_init() };
            // SAFETY: `waitid` fills in this field.
            return Some((unsafe { info.si_pid() }, death(&info)));
        }
        if io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            return None;
        }
    }
}

/// How long the first thread of a process has waited for a CPU. Allocates nothing.
fn run_delay(pid: i32) -> Option<Duration> {
    let mut text = [0; 64];
    run_delay_of_schedstat(str::from_utf8(read_file(pid, "schedstat", &mut text)?).ok()?)
}

/// How long it has waited for a disk. Allocates nothing.
fn io_delay(pid: i32) -> Option<Duration> {
    let mut text = [0; 1024];
    io_delay_of_stat(read_file(pid, "stat", &mut text)?)
}

fn read_file<'a>(pid: i32, name: &str, text: &'a mut [u8]) -> Option<&'a [u8]> {
    let mut path = [0; 32];
    write!(&mut path[..], "/proc/{pid}/{name}\0").ok()?;
    let path = CStr::from_bytes_until_nul(&path).ok()?;
    let file = open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let read = rustix::io::read(&file, &mut *text).ok()?;
    text.get(..read)
}

/// What is stored in the cell's own file systems.
fn bytes_in_files() -> u64 {
    let used = |place: &CStr| {
        rustix::fs::statvfs(place).map_or(0, |all| (all.f_blocks - all.f_bfree).saturating_mul(all.f_frsize))
    };
    WRITABLE_DIRS.map(used).iter().sum()
}

fn report_usage(report: &InitReport, entered: Duration) {
    let own = usage(libc::RUSAGE_SELF);
    report.own(ResourceUsage {
        // The figure of `getrusage` is scaled; this clock is exact.
        cpu: own_cpu().saturating_sub(entered),
        ..own
    });
    report.reaped(usage(libc::RUSAGE_CHILDREN));
}

fn own_cpu() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap_or_default()
}

fn usage(of: libc::c_int) -> ResourceUsage {
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the pointer is valid for what the kernel stores through it.
    unsafe { libc::getrusage(of, usage.as_mut_ptr()) };
    // SAFETY: zeroed memory is a valid value.
    let usage = unsafe { usage.assume_init() };
    ResourceUsage {
        cpu: duration(usage.ru_utime) + duration(usage.ru_stime),
        max_rss_bytes: u64::try_from(usage.ru_maxrss).unwrap_or(0) * 1024,
    }
}
