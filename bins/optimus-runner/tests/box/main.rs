//! Enters a box as its first process, with what cells are made of, and becomes the agent: what a native backend does,
//! as simple as can be. A program of its own, since a test has threads.
//!
//! Usage: `optimus-test-box UIDS DISK_BYTES BASE GROUP ROOT`
//!
//! UIDS is `own` or `agent`; GROUP is `none`, one folder of version 2, or `CONTROLLER=FOLDER,…` of version 1. Root of
//! the box is UID BASE of the host, guests are the UIDs after it.
#![cfg_attr(not(target_os = "linux"), no_main)]
#![cfg(target_os = "linux")]

use std::{
    env, fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
};

use anyhow::{Context, bail};
use optimus_cell::{BoxResources, FIRST_GUEST, GuestUids, Guests, Landlock};
use optimus_common::box_layout::USERS_DIR;
use optimus_linux::cgroup::{Controller, Group};
use rustix::{
    process::{Gid, Uid, pivot_root},
    thread::{
        CapabilitySet, CapabilitySets, UnshareFlags, remove_capability_from_bounding_set, set_capabilities,
        set_thread_groups, set_thread_res_gid, set_thread_res_uid, unshare_unsafe,
    },
};

/// UIDs of guests in a box that has them.
const GUESTS: u32 = 8;

fn main() -> anyhow::Result<ExitCode> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let [uids, disk_bytes, base, group, root] = arguments.as_slice() else {
        bail!("called with UIDS DISK_BYTES BASE GROUP ROOT");
    };
    let guest_uids = match uids.as_str() {
        "own" => GuestUids::Own { count: GUESTS },
        "agent" => GuestUids::OfTheAgent,
        other => bail!("unknown kind of UIDs {other:?}"),
    };
    let resources = BoxResources {
        group: open_group(group)?,
        disk_bytes: disk_bytes.parse()?,
        compile_disk_bytes: disk_bytes.parse()?,
        guest_uids,
        landlock: Landlock::Enforced,
    };
    enter_root(Path::new(root)).context("cannot enter the root")?;
    name_users().context("cannot say who the box's users are")?;
    become_root_of_box(base.parse()?, guest_uids)?;
    Ok(optimus_runner::in_box(resources))
}

fn open_group(group: &str) -> anyhow::Result<Option<Group>> {
    if group == "none" {
        return Ok(None);
    }
    if !group.contains('=') {
        return Ok(Some(Group::open_v2(Path::new(group))?));
    }
    let mut folders = Vec::new();
    for part in group.split(',') {
        let (controller, folder) = part.split_once('=').context("CONTROLLER=FOLDER")?;
        let controller = match controller {
            "cpu" => Controller::Cpu,
            "cpuacct" => Controller::Cpuacct,
            "memory" => Controller::Memory,
            "pids" => Controller::Pids,
            other => bail!("unknown controller {other:?}"),
        };
        folders.push((controller, PathBuf::from(folder)));
    }
    Ok(Some(Group::open_v1(&folders)?))
}

fn enter_root(root: &Path) -> anyhow::Result<()> {
    env::set_current_dir(root)?;
    pivot_root(".", ".")?;
    rustix::mount::unmount(".", rustix::mount::UnmountFlags::DETACH)?;
    env::set_current_dir("/")?;
    Ok(())
}

/// As a native backend lays them over a box's root: those of a box that has UIDs of its own, whether it does or not.
fn name_users() -> anyhow::Result<()> {
    let guests = Guests::of_box(GuestUids::Own { count: u32::MAX });
    let folder = Path::new(USERS_DIR);
    fs::write(folder.join("passwd"), guests.passwd(u32::MAX))?;
    fs::write(folder.join("group"), guests.group(u32::MAX))?;
    Ok(())
}

fn become_root_of_box(base: u32, uids: GuestUids) -> anyhow::Result<()> {
    set_thread_groups(&[])?;
    for capability in (0..64).filter_map(|bit| CapabilitySet::from_bits(1 << bit)) {
        if !BoxResources::CAPABILITIES.contains(capability) {
            // Numbers the kernel does not know are not in the set.
            let _ = remove_capability_from_bounding_set(capability);
        }
    }
    let process = std::process::id();
    // Only a process outside the new namespace may map other UIDs than one's own: this shell, once it is told to.
    let first = FIRST_GUEST;
    let (map, groups) = match uids {
        GuestUids::Own { count } => (format!("0 {base} 1\\n{first} {} {count}\\n", base + 1), "allow"),
        GuestUids::OfTheAgent => (format!("0 {base} 1\\n"), "deny"),
    };
    let script = format!(
        "read told
         echo {groups} > /proc/{process}/setgroups
         printf '{map}' > /proc/{process}/uid_map && printf '{map}' > /proc/{process}/gid_map"
    );
    let mut mapper = Command::new("/bin/sh")
        .args(["-ec", &script])
        .stdin(Stdio::piped())
        .spawn()?;
    // SAFETY: a user namespace; this process has one thread, and no memory or descriptor is unshared.
    unsafe { unshare_unsafe(UnshareFlags::NEWUSER) }.context("cannot make a user namespace")?;
    mapper.stdin.take().context("a pipe")?.write_all(b"now\n")?;
    anyhow::ensure!(mapper.wait()?.success(), "cannot map the box's UIDs");
    set_thread_res_gid(Gid::ROOT, Gid::ROOT, Gid::ROOT)?;
    set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT)?;
    set_capabilities(
        None,
        CapabilitySets {
            effective: BoxResources::CAPABILITIES,
            permitted: BoxResources::CAPABILITIES,
            inheritable: CapabilitySet::empty(),
        },
    )?;
    fs::read_dir("/run/optimus").context("the agent's folder is not its own")?;
    Ok(())
}
