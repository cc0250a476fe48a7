//! A box's root: built in a copy of the rootfs builder's mount namespace, which the box then leaves.

use std::{ffi::CString, fs, io, path::Path};

use optimus_common::{
    box_layout::{AGENT_DIR, AGENT_DIR_BYTES, BOX_DIR, ROOT_PARTS, inodes},
    weaken,
};
use optimus_linux::proc_view::{CHANGING_SETTING, SETTINGS_FOLDER};
use rustix::mount::{MountFlags, mount, mount_bind, mount_bind_recursive, mount_remount};

use super::{
    super::{
        identity::Uids,
        rootfs_builder::{Devices, leave_for},
    },
    plan::InitPlan,
    report::{SetupLog, SetupStep},
};

/// Builds the root and moves there.
pub(super) fn build(plan: &InitPlan<'_>, log: &mut SetupLog) -> io::Result<()> {
    let InitPlan { template, uids, .. } = plan;
    let mut read_only = MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV;
    read_only.set(MountFlags::RDONLY, !weaken::is_off("read-only-root"));
    mount(
        "root",
        "/new",
        "overlay",
        read_only,
        template.layers()?.as_c_str(),
    )?;
    // What follows is mounted relative to the root in the making.
    rustix::process::chdir("/new")?;
    log.done(SetupStep::Root);
    if weaken::is_off("private-files") {
        // The copies themselves, which all boxes then share.
        mount_bind_recursive(template.parts.join("tree/usr"), "usr")?;
    }
    for folder in &template.folders {
        log.about(&folder.target);
        mount(
            "host",
            folder.target.as_c_str(),
            "overlay",
            read_only,
            folder.layers.as_c_str(),
        )?;
    }
    if let Some((from, to)) = &template.writable {
        log.about(to);
        mount_bind(from.as_c_str(), to.as_c_str())?;
    }
    log.done(SetupStep::Folders);
    devices(template.devices)?;
    log.done(SetupStep::Devices);
    let shared = tmpfs("1777", plan.compile_disk_bytes, inodes(plan.disk_bytes), *uids)?;
    mount_tmpfs(relative(BOX_DIR), MountFlags::empty(), &shared)?;
    mount_tmpfs(
        relative(AGENT_DIR),
        MountFlags::NOEXEC,
        &tmpfs("0700", AGENT_DIR_BYTES, inodes(AGENT_DIR_BYTES), *uids)?,
    )?;
    if template.is_whole() {
        show_parts(&template.parts)?;
    }
    log.done(SetupStep::Scratch);
    let proc_flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount("proc", "proc", "proc", proc_flags, None)?;
    let changing = |settings: &str| format!("{}/{CHANGING_SETTING}", relative(settings));
    mount_bind(changing("/proc/sys"), changing(SETTINGS_FOLDER))?;
    let read_only = MountFlags::BIND | MountFlags::RDONLY | proc_flags;
    mount_remount(changing(SETTINGS_FOLDER), read_only, "")?;
    log.done(SetupStep::Proc);
    leave_for(".")?;
    log.done(SetupStep::Pivot);
    Ok(())
}

/// Which keep nothing of the names that were looked for in vain, and are seen in no other box.
fn devices(devices: Devices) -> io::Result<()> {
    let flags = MountFlags::NOSUID | MountFlags::NOEXEC;
    mount(
        "devices",
        "dev",
        "tmpfs",
        flags,
        c"mode=0755,size=4k,nr_inodes=32",
    )?;
    devices.make("dev".as_ref())?;
    Ok(mount_remount(
        "dev",
        MountFlags::BIND | MountFlags::RDONLY | flags,
        "",
    )?)
}

/// Shows the agent the parts of the root, of which it makes roots for runs.
fn show_parts(parts: &Path) -> io::Result<()> {
    let place = relative(ROOT_PARTS);
    fs::create_dir(place)?;
    mount_bind(parts, place)?;
    let read_only = MountFlags::BIND | MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV;
    Ok(mount_remount(place, read_only, "")?)
}

fn mount_tmpfs(target: &str, flags: MountFlags, options: &CString) -> rustix::io::Result<()> {
    mount(
        "tmpfs",
        target,
        "tmpfs",
        flags | MountFlags::NOSUID | MountFlags::NODEV,
        options.as_c_str(),
    )
}

/// The path from within the root that is being made.
fn relative(path: &str) -> &str {
    path.trim_start_matches('/')
}

fn tmpfs(mode: &str, bytes: u64, inodes: u64, uids: Uids) -> io::Result<CString> {
    let inodes = weaken::limit_unless_off("tmpfs-inodes", inodes);
    let bytes = weaken::limit_unless_off("tmpfs-size", bytes);
    let owner = uids.root();
    Ok(CString::new(format!(
        "mode={mode},size={bytes},nr_inodes={inodes},uid={owner},gid={owner}"
    ))?)
}
