//! One file of what the compile step has left, for whoever wants it outside.

use std::{
    fs::File,
    os::{fd::OwnedFd, unix::fs::MetadataExt},
    path::{Component, Path},
};

use rustix::{
    fs::{CWD, Mode, OFlags, openat},
    io::Errno,
};

use crate::{error::CellError, guest_id::GuestId};

/// Opens a regular file of the guest's below `root`; `None` where there is none of that name.
///
/// It is looked for folder by folder and as the guest, so that no link is followed, nothing is reached that the guest could
/// not read, and a name that leads upwards names nothing. What lies beside the guest's files and is somebody else's, such as
/// what a run has written meanwhile, is not there.
pub fn open_artefact(root: &Path, name: &Path, guest: GuestId) -> Result<Option<File>, CellError> {
    let file = match guest.with_fs_uid(|| open_below(root, name)) {
        Ok(file) => File::from(file),
        // The last two: a socket, and a name that none can have.
        Err(
            Errno::NOENT
            | Errno::NOTDIR
            | Errno::LOOP
            | Errno::ACCESS
            | Errno::NAMETOOLONG
            | Errno::NXIO
            | Errno::INVAL,
        ) => return Ok(None),
        Err(errno) => return Err(failed(root, errno.into())),
    };
    let about = file.metadata().map_err(|source| failed(root, source))?;
    Ok((about.is_file() && about.uid() == guest.as_raw()).then_some(file))
}

fn failed(root: &Path, source: std::io::Error) -> CellError {
    CellError::File {
        operation: "open what was asked for below",
        path: root.to_owned(),
        source,
    }
}

fn open_below(root: &Path, name: &Path) -> rustix::io::Result<OwnedFd> {
    let folder = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    // Nobody writes at the other end of what turns out to be a pipe.
    let file = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut here = openat(CWD, root, folder, Mode::empty())?;
    let mut parts = name.components().peekable();
    while let Some(part) = parts.next() {
        let Component::Normal(part) = part else {
            return Err(Errno::NOENT);
        };
        let flags = if parts.peek().is_some() { folder } else { file };
        here = openat(&here, part, flags, Mode::empty())?;
    }
    Ok(here)
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        io::Read,
        os::unix::{fs::symlink, net::UnixListener},
    };

    use rustix::{fs::mknodat, process::geteuid};

    use super::*;
    use crate::{box_resources::GuestUids, guest::Guests};

    #[test]
    fn only_regular_files_of_the_guests_own_are_opened_and_no_link_is_followed() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join("sealed").join(name);
        fs::create_dir_all(at("inner")).unwrap();
        fs::write(folder.path().join("outside"), "secret").unwrap();
        fs::write(at("inner/file"), "kept").unwrap();
        symlink("inner/file", at("link")).unwrap();
        symlink("inner", at("way")).unwrap();
        symlink("/", at("root")).unwrap();
        mknodat(CWD, at("pipe"), rustix::fs::FileType::Fifo, Mode::RUSR, 0).unwrap();
        let _listener = UnixListener::bind(at("socket")).unwrap();
        // The user of this process.
        let guest = Guests::of_box(GuestUids::OfTheAgent).compile();
        let open = |name: &str| open_artefact(&at(""), Path::new(name), guest).unwrap();
        let mut text = String::new();
        open("inner/file").unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "kept");
        let outside = folder.path().join("outside");
        for name in [
            "",
            ".",
            "inner",
            "missing",
            "inner/missing",
            "inner/file/below",
            "link",
            "way/file",
            "root/etc/passwd",
            "pipe",
            "socket",
            "..",
            "../outside",
            "inner/../../outside",
            outside.to_str().unwrap(),
            "a\0b",
            &"x".repeat(5000),
        ] {
            assert!(open(name).is_none(), "{name:?}");
        }
    }

    #[test]
    fn what_is_somebody_elses_is_not_there() {
        if !geteuid().is_root() {
            return optimus_testkit::passed_over::because("only root makes files of others");
        }
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let guests = Guests::random().unwrap();
        let (guest, run) = (guests.compile(), guests.runs(1)[0]);
        for (name, owner) in [("own", guest), ("of-a-run", run)] {
            let path = folder.path().join(name);
            fs::write(&path, "x").unwrap();
            std::os::unix::fs::chown(&path, Some(owner.as_raw()), Some(owner.as_raw())).unwrap();
        }
        let open = |name: &str| open_artefact(folder.path(), Path::new(name), guest).unwrap();
        assert!(open("own").is_some());
        assert!(open("of-a-run").is_none());
    }
}
