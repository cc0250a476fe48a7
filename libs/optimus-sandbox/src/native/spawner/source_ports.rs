//! Has the connections of all boxes go out from ports that tell nothing: see [`SourcePorts`].
//!
//! With control groups of version 2 that holds for the group of this worker's boxes. Beside version 1 the hierarchy of version 2
//! has no controllers and boxes are in no group of their own there, so this process enters one, and whatever it makes is in it.

use std::{
    fs::{self, File},
    io::{self, Write},
    os::fd::OwnedFd,
    path::Path,
};

use optimus_common::weaken;
use optimus_linux::source_ports::SourcePorts;
use rustix::fs::{AtFlags, Mode, OFlags, open, unlinkat};

use super::{cgroups::Cgroups, failure::Failure, hierarchies};

/// The number of the process that is in it follows.
const PREFIX: &str = "optimus-connections-";

/// Where ports are to be drawn at random.
#[derive(Debug, Default)]
pub(super) struct PortRandomizer {
    /// The group that programs are still to be attached to.
    group: Option<OwnedFd>,
    entered: Option<EnteredGroup>,
}

/// A group that this process has entered.
#[derive(Debug)]
struct EnteredGroup {
    name: String,
    /// The group it came from, and the file of that by which it is entered.
    above: OwnedFd,
    back: File,
}

impl PortRandomizer {
    /// Takes root of the host.
    pub(super) fn find(cgroups: Option<&Cgroups>) -> Result<Self, Failure> {
        if weaken::is_off("source-ports") {
            return Ok(Self::default());
        }
        if let Some(group) = cgroups.and_then(Cgroups::of_version_2) {
            let group = group
                .try_clone_to_owned()
                .map_err(Failure::at("keep a control group open"))?;
            return Ok(Self {
                group: Some(group),
                entered: None,
            });
        }
        let above = hierarchies::own_of_version_2()?.ok_or_else(|| {
            Failure::new("ports of connections tell of others: control groups of version 2 are not mounted")
        })?;
        remove_left_ones(&above);
        let (entered, group) =
            EnteredGroup::enter(&above).map_err(Failure::at("enter a control group for connections"))?;
        Ok(Self {
            group: Some(group),
            entered: Some(entered),
        })
    }

    /// Before the first box. The kernel takes some milliseconds to load a program, in which it waits.
    pub(super) fn draw_at_random(&mut self) -> Result<(), Failure> {
        let Some(group) = self.group.take() else {
            return Ok(());
        };
        SourcePorts::new()
            .and_then(|programs| programs.attach(group))
            .map_err(Failure::at("have the kernel draw ports of connections at random"))
    }

    /// Once all boxes are gone. What cannot be removed now is by the next spawner.
    pub(super) fn leave(self) {
        if let Some(EnteredGroup {
            name,
            above,
            mut back,
        }) = self.entered
            && back.write_all(b"0").is_ok()
        {
            unlinkat(above, name, AtFlags::REMOVEDIR).ok();
        }
    }
}

/// What spawners have left that were killed. A group with processes cannot be removed.
fn remove_left_ones(above: &Path) {
    for entry in fs::read_dir(above).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(PREFIX) {
            fs::remove_dir(entry.path()).ok();
        }
    }
}

impl EnteredGroup {
    fn enter(above: &Path) -> io::Result<(Self, OwnedFd)> {
        // Between the two steps another spawner may take it for one that was left.
        const TRIES: usize = 10;
        let name = format!("{PREFIX}{}", std::process::id());
        let folder = above.join(&name);
        let processes = |group: &Path| File::options().write(true).open(group.join("cgroup.procs"));
        let entered = || {
            match fs::create_dir(&folder) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
            processes(&folder)?.write_all(b"0")
        };
        let back = processes(above)?;
        let mut outcome = entered();
        for _ in 1..TRIES {
            if outcome.is_ok() {
                break;
            }
            outcome = entered();
        }
        outcome?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let entered = Self {
            name,
            above: open(above, flags, Mode::empty())?,
            back,
        };
        Ok((entered, open(&folder, flags, Mode::empty())?))
    }
}
