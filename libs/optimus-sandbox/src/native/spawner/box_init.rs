//! The first process of a box, from `clone3` to the agent.
//!
//! The order of the steps is part of the sandbox, and written down in [`report::SetupStep`].

mod plan;
mod report;
mod root;

use std::{
    fs, io,
    mem::ManuallyDrop,
    os::fd::{AsFd, AsRawFd, OwnedFd, RawFd},
    panic::{AssertUnwindSafe, catch_unwind},
    process::ExitCode,
};

use optimus_cell::{BoxResources, HIDDEN_COUNTERS};
use optimus_common::{
    box_layout::{AGENT_OPEN_FILES, OOM_SCORE_ADJ},
    limits::CORE_LIMIT,
    weaken,
};
use optimus_linux::{
    cgroup::Group,
    process::{Cloned, PidFd, clone_into, close_descriptors, unshare},
};
use rustix::{
    fs::chown,
    io::Errno,
    process::{
        DumpableBehavior, Pid, Resource, Rlimit, Signal, Uid, getrlimit, set_dumpable_behavior,
        set_parent_process_death_signal, setrlimit, setsid,
    },
    system::sethostname,
    thread::{
        CapabilitySet, CapabilitySets, LinkNameSpaceType, UnshareFlags, move_into_link_name_space,
        remove_capability_from_bounding_set, set_capabilities, set_no_new_privs, set_thread_groups,
        set_thread_res_gid, set_thread_res_uid,
    },
};

use self::report::{SetupLog, SetupStep, tell};
pub(super) use self::{
    plan::InitPlan,
    report::{InitMessage, go_on, hear},
};
use super::{base_rootfs::HOST_NAME, identity::Uids};

/// A box's first process, as the spawner has it.
#[derive(Debug)]
pub(super) struct StartingBox {
    pub(super) pid: Pid,
    pub(super) pidfd: OwnedFd,
    /// Where it asks for its UIDs, and tells how it went.
    pub(super) reports: OwnedFd,
}

/// Makes a box's first process. Returns in the spawner only.
pub(super) fn spawn(plan: InitPlan<'_>, agent: fn(BoxResources) -> ExitCode) -> io::Result<StartingBox> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
    let (reports, to_spawner) = socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )?;
    let group = plan.agent_group.as_ref().and_then(Group::clone_into_fd);
    let mut namespaces = UnshareFlags::NEWNS;
    for (layer, namespace) in [
        ("pid-namespace", UnshareFlags::NEWPID),
        ("ipc-namespace", UnshareFlags::NEWIPC),
        ("uts-namespace", UnshareFlags::NEWUTS),
    ] {
        if !weaken::is_off(layer) {
            namespaces |= namespace;
        }
    }
    // SAFETY: the spawner has one thread, so the child may do what the parent may.
    match unsafe { clone_into(namespaces, group, PidFd::Wanted) }? {
        Cloned::Child => {
            // Whatever happens in the box, the spawner's code above this is never returned to.
            let outcome = catch_unwind(AssertUnwindSafe(|| run_init(plan, to_spawner, agent)));
            let code = i32::from(outcome.ok() != Some(ExitCode::SUCCESS));
            // SAFETY: ends the box without running anything of the spawner's.
            unsafe { libc::_exit(code) }
        }
        Cloned::Parent { child, pidfd } => Ok(StartingBox {
            pid: child,
            pidfd: pidfd.ok_or(io::ErrorKind::InvalidData)?,
            reports,
        }),
    }
}

/// The whole life of a box's first process.
fn run_init(plan: InitPlan<'_>, reports: OwnedFd, agent: fn(BoxResources) -> ExitCode) -> ExitCode {
    // Its descriptors are closed by number below, and must not be closed again.
    let plan = ManuallyDrop::new(plan);
    let mut log = SetupLog::new();
    if let Err(error) = build(&plan, &reports, &mut log) {
        // Nobody is left to tell if this fails.
        tell(&reports, &[b"F", log.describe(&error).as_bytes()].concat()).ok();
        return ExitCode::FAILURE;
    }
    // The spawner is gone if this fails.
    if tell(&reports, &log.ready()).is_err() {
        return ExitCode::FAILURE;
    }
    drop(reports);
    if let Some(path) = &plan.template.path {
        // SAFETY: this process has one thread. The spawner's environment is empty.
        unsafe { std::env::set_var("PATH", path) };
    }
    let InitPlan {
        resources,
        net,
        channel,
        agent_group,
        ..
    } = ManuallyDrop::into_inner(plan);
    std::mem::forget((net, channel, agent_group));
    agent(resources)
}

/// The agent counts sockets in a network that another one made, for whom alone these are readable.
fn give_counters(uids: Uids) -> io::Result<()> {
    let agent = Some(Uid::from_raw(uids.root()));
    for name in HIDDEN_COUNTERS {
        match chown(format!("/proc/thread-self/net/{name}"), agent, None) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

fn build(plan: &InitPlan<'_>, reports: &OwnedFd, log: &mut SetupLog) -> io::Result<()> {
    if let Some(group) = &plan.agent_group
        && group.clone_into_fd().is_none()
    {
        group.enter()?;
    }
    log.done(SetupStep::ControlGroup);
    if !weaken::is_off("network-namespace") {
        move_into_link_name_space(plan.net.as_fd(), Some(LinkNameSpaceType::Network))?;
        give_counters(plan.uids)?;
    }
    log.done(SetupStep::Network);
    arrange_descriptors(plan, reports)?;
    log.done(SetupStep::Descriptors);
    if !weaken::is_off("box-session") {
        setsid()?;
    }
    log.done(SetupStep::Session);
    if !weaken::is_off("box-oom-score") {
        fs::write("/proc/self/oom_score_adj", OOM_SCORE_ADJ.to_string())?;
    }
    log.done(SetupStep::OomScore);
    if !weaken::is_off("box-limits") {
        set_limits(plan.open_files)?;
    }
    log.done(SetupStep::Limits);

    root::build(plan, log)?;

    if !weaken::is_off("uts-namespace") {
        sethostname(HOST_NAME.as_bytes())?;
    }
    log.done(SetupStep::Hostname);
    if !weaken::is_off("user-namespace") {
        enter_user_namespace(reports, plan.uids)?;
    }
    log.done(SetupStep::UserNamespace);
    let (root, group) = (rustix::process::Uid::ROOT, rustix::process::Gid::ROOT);
    if let Uids::Range { .. } = plan.uids {
        set_thread_groups(&[])?;
    }
    set_thread_res_gid(group, group, group)?;
    set_thread_res_uid(root, root, root)?;
    log.done(SetupStep::Identity);
    if !weaken::is_off("capabilities") {
        drop_capabilities()?;
    }
    log.done(SetupStep::Capabilities);
    if !weaken::is_off("no-new-privileges") {
        set_no_new_privs(true)?;
    }
    log.done(SetupStep::NoNewPrivileges);
    set_dumpable_behavior(if weaken::is_off("dumpable") {
        DumpableBehavior::Dumpable
    } else {
        DumpableBehavior::NotDumpable
    })?;
    log.done(SetupStep::Undumpable);
    if !weaken::is_off("parent-death") {
        set_parent_process_death_signal(Some(Signal::KILL))?;
    }
    log.done(SetupStep::ParentDeath);
    Ok(())
}

/// One of the box's own, in which the spawner, which stays outside, maps its UIDs.
///
/// The kernel counts pending signals and watches of a user namespace against whoever made it, too. That must be nobody
/// whom boxes share, or one could use up what another has, which would notice.
fn enter_user_namespace(reports: &OwnedFd, uids: Uids) -> io::Result<()> {
    let maker = rustix::process::Uid::from_raw(uids.root());
    set_thread_res_uid(maker, maker, maker)?;
    // The change has closed this process to a spawner that is an ordinary user's, and so could not map its UIDs.
    set_dumpable_behavior(DumpableBehavior::Dumpable)?;
    unshare(UnshareFlags::NEWUSER)?;
    tell(reports, b"M")?;
    if rustix::io::retry_on_intr(|| rustix::io::read(reports, &mut [0; 1]))? != 1 {
        return Err(io::Error::other("the spawner has not mapped its UIDs"));
    }
    Ok(())
}

/// Leaves the channel as standard input and output, standard error, the reports, and the box's control group.
fn arrange_descriptors(plan: &InitPlan<'_>, reports: &OwnedFd) -> io::Result<()> {
    // What boxes complain about goes where the spawner's own words do not.
    rustix::stdio::dup2_stderr(rustix::stdio::stdout())?;
    rustix::stdio::dup2_stdin(&plan.channel)?;
    rustix::stdio::dup2_stdout(&plan.channel)?;
    let mut kept = vec![2, reports.as_raw_fd()];
    if let Some(group) = &plan.resources.group {
        kept.extend(group.descriptors().map(|descriptor| descriptor.as_raw_fd()));
    }
    if weaken::is_off("box-descriptors") {
        return Ok(());
    }
    kept.sort_unstable();
    let mut first = 3;
    for kept in kept.into_iter().map(RawFd::unsigned_abs) {
        close_descriptors(first..=kept.saturating_sub(1))?;
        first = first.max(kept + 1);
    }
    Ok(close_descriptors(first..=u32::MAX)?)
}

/// Sets the limits of the agent, which are the most that its guests may have.
fn set_limits(open_files: u32) -> io::Result<()> {
    let wanted = [
        (Resource::Core, Some(CORE_LIMIT)),
        (
            Resource::Nofile,
            Some(u64::from(open_files) + u64::from(AGENT_OPEN_FILES)),
        ),
        // The memory limit bounds the stack; a recursive program may have all of it.
        (Resource::Stack, None),
        (Resource::Msgqueue, Some(0)),
    ];
    for (resource, wanted) in wanted {
        let limit = |most| Rlimit {
            current: most,
            maximum: most,
        };
        // An ordinary user may not raise it.
        if setrlimit(resource, limit(wanted)).is_err() {
            setrlimit(resource, limit(getrlimit(resource).maximum))?;
        }
    }
    Ok(())
}

fn drop_capabilities() -> io::Result<()> {
    // Without its user namespace the agent is not the user whose control groups it is given.
    let kept = if weaken::is_off("user-namespace") {
        BoxResources::CAPABILITIES.union(CapabilitySet::DAC_OVERRIDE)
    } else {
        BoxResources::CAPABILITIES
    };
    for capability in CapabilitySet::all().difference(kept).iter() {
        match remove_capability_from_bounding_set(capability) {
            // Newer than this kernel.
            Ok(()) | Err(rustix::io::Errno::INVAL) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(set_capabilities(
        None,
        CapabilitySets {
            effective: kept,
            permitted: kept,
            inheritable: CapabilitySet::empty(),
        },
    )?)
}
