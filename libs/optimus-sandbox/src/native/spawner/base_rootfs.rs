//! The folders and small files of a box's root that are no part of the host.

use std::{
    fs::{self, Permissions},
    io,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
};

use optimus_cell::{GuestUids, Guests};
use optimus_common::{
    LanguageName,
    box_layout::{AGENT_DIR, BOX_DIR, TMP_DIR, TOOLCHAIN_FILE},
};
use optimus_linux::proc_view::{
    CHANGING_SETTING, EMPTY_FOLDER, NETWORK_SETTINGS, SETTINGS_FOLDER, SHOWN_SETTINGS, STILL_COUNTERS,
    still_counters,
};

use super::{failure::Failure, folders::folder_at};

/// The host's name in every box.
pub(super) const HOST_NAME: &str = "box";

/// Where something is mounted in every box.
const MOUNT_POINTS: [&str; 5] = [BOX_DIR, "/dev", "/proc", AGENT_DIR, TMP_DIR];

/// What programs look up about hosts.
const FILES: [(&str, &str); 2] = [
    ("etc/hosts", "127.0.0.1 localhost box\n::1 localhost\n"),
    ("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n"),
];

/// What is to be laid over an unpacked image.
pub(super) fn of_image(skeleton: &Path) -> Result<(), Failure> {
    MOUNT_POINTS
        .iter()
        .try_for_each(|folder| folder_at(&below(skeleton, Path::new(folder))))?;
    // Where nothing is mounted there, nobody may look.
    let agents = below(skeleton, Path::new(AGENT_DIR));
    fs::set_permissions(&agents, Permissions::from_mode(0o000))
        .map_err(Failure::at("close the agent's folder"))?;
    settings(skeleton)?;
    users(skeleton)
}

/// What guests see of `/proc/sys` and `/proc/stat`, and what they see in the place of other folders of `/proc`.
fn settings(skeleton: &Path) -> Result<(), Failure> {
    folder_at(&below(skeleton, Path::new(EMPTY_FOLDER)))?;
    let counters = fs::read_to_string("/proc/stat").map_err(Failure::at("read /proc/stat"))?;
    write(
        &below(skeleton, Path::new(STILL_COUNTERS)),
        still_counters(&counters).as_bytes(),
        0o444,
    )?;
    let all = below(skeleton, Path::new(SETTINGS_FOLDER));
    let of_guests = [("kernel/hostname", HOST_NAME), ("kernel/domainname", "(none)")];
    let network = NETWORK_SETTINGS.map(|(name, value)| (format!("net/{name}"), value));
    for name in SHOWN_SETTINGS {
        let own = of_guests
            .iter()
            .find(|(own, _)| *own == name)
            .map(|(_, value)| *value);
        let own = own.or_else(|| {
            network
                .iter()
                .find(|(own, _)| own == name)
                .map(|(_, value)| *value)
        });
        let text = match own {
            // It has the kernel's own laid over it.
            _ if name == CHANGING_SETTING => String::new(),
            Some(value) => format!("{value}\n"),
            None => match fs::read_to_string(Path::new("/proc/sys").join(name)) {
                Ok(text) => text,
                // This kernel has no such setting, or does not show it.
                Err(_) => continue,
            },
        };
        let file = all.join(name);
        if let Some(folder) = file.parent() {
            folder_at(folder)?;
        }
        write(&file, text.as_bytes(), 0o444)?;
    }
    Ok(())
}

/// What programs look up about users. The same in every box, whoever it is for the host.
fn users(skeleton: &Path) -> Result<(), Failure> {
    let uids = GuestUids::Own { count: u32::MAX };
    let guests = Guests::of_box(uids);
    folder_at(&skeleton.join("etc"))?;
    for (file, text) in [
        ("passwd", guests.passwd(u32::MAX)),
        ("group", guests.group(u32::MAX)),
    ] {
        write(&skeleton.join("etc").join(file), text.as_bytes(), 0o444)?;
    }
    Ok(())
}

/// Everything that is no copy of the host's.
pub(super) fn of_host(skeleton: &Path, language: &LanguageName, toolchain: &str) -> Result<(), Failure> {
    of_image(skeleton)?;
    folder_at(&skeleton.join("optimus").join(language.as_str()))?;
    for (file, text) in FILES.into_iter().chain([(TOOLCHAIN_FILE, toolchain)]) {
        write(&skeleton.join(file), text.as_bytes(), 0o444)?;
    }
    Ok(())
}

/// What shells and libraries expect in `/dev` beside the device nodes.
pub(super) fn device_links(folder: &Path) -> io::Result<()> {
    fs::create_dir(folder.join("shm"))?;
    for (name, target) in [
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
    ] {
        symlink(target, folder.join(name))?;
    }
    Ok(())
}

fn below(skeleton: &Path, inside: &Path) -> std::path::PathBuf {
    skeleton.join(inside.strip_prefix("/").unwrap_or(inside))
}

fn write(file: &Path, bytes: &[u8], mode: u32) -> Result<(), Failure> {
    let written: io::Result<()> =
        fs::write(file, bytes).and_then(|()| fs::set_permissions(file, Permissions::from_mode(mode)));
    written.map_err(Failure::at(format_args!(
        "write {} on the rootfs",
        file.display()
    )))
}
