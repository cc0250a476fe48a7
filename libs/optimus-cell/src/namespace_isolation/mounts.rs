//! What a cell has mounted over its box.

use std::{
    ffi::{CStr, CString},
    rc::Rc,
};

use optimus_common::{
    box_layout::{c_paths, inodes},
    weaken,
};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};

use super::{
    artefacts::Artefacts,
    cell_factory::CellFactory,
    proc_covers::ProcCovers,
    run_root::{self, RunRoot},
};
use crate::{
    error::CellError,
    guest_id::GuestId,
    launch_step::{LaunchStep, StepFailure, at},
    run::WorkdirPolicy,
};

/// The mounts of every cell of a box, made once.
#[derive(Debug)]
pub(crate) struct Mounts {
    /// Options of each writable file system.
    writable: CString,
    /// What covers the work directory.
    work: Option<Work>,
    covers: Rc<ProcCovers>,
}

/// A work directory of a run's own.
#[derive(Debug)]
struct Work {
    /// Options of its file system.
    writable: CString,
    artefacts: Artefacts,
}

impl Mounts {
    /// For [`WorkdirPolicy::PerRun`], what lies in the work directory now is what every run will find there.
    pub(crate) fn new(factory: &CellFactory, workdir: WorkdirPolicy) -> Result<Self, CellError> {
        let inodes = inodes(factory.disk_bytes);
        let disk_bytes = match workdir {
            WorkdirPolicy::Persistent => factory.compile_disk_bytes,
            WorkdirPolicy::PerRun => factory.disk_bytes,
        };
        let work = match workdir {
            WorkdirPolicy::PerRun if !weaken::is_off("fresh-files") => {
                let artefacts = Artefacts::of_work_directory()?;
                Some(Work {
                    writable: writable(disk_bytes + artefacts.bytes(), inodes + artefacts.count()),
                    artefacts,
                })
            }
            WorkdirPolicy::PerRun | WorkdirPolicy::Persistent => None,
        };
        Ok(Self {
            writable: writable(disk_bytes, inodes),
            work,
            covers: Rc::clone(&factory.covers),
        })
    }

    /// Mounts everything. To be called in a mount namespace and a PID namespace of the cell's own. Allocates nothing.
    pub(super) fn mount(&self, guest: GuestId, of_run: RunRoot) -> Result<(), StepFailure> {
        let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
        mount_change(c"/", private).map_err(at(LaunchStep::PrivateMounts))?;
        match of_run {
            RunRoot::OfBox => {
                self.show_work(c_paths::TMP_DIR)?;
                if guest.is_agent() && !weaken::is_off("agent-folder") {
                    // Others have no right to enter it.
                    hide_agent().map_err(at(LaunchStep::AgentFolder))?;
                }
            }
            // The agent's folder is not there.
            RunRoot::OfRun => {
                run_root::make().map_err(at(LaunchStep::Root))?;
                self.show_work(run_root::TEMPORARY_OF_NEW)?;
                run_root::enter().map_err(at(LaunchStep::Root))?;
            }
        }
        if let Some(work) = &self.work {
            work.cover().map_err(at(LaunchStep::WorkDirectory))?;
        }
        if !weaken::is_off("fresh-files") {
            tmpfs(c_paths::TMP_DIR, &self.writable).map_err(at(LaunchStep::Temporary))?;
            tmpfs(c_paths::SHM_DIR, &self.writable).map_err(at(LaunchStep::SharedMemory))?;
        }
        if weaken::is_off("cell-pid-namespace") {
            // The kernel would not let the box's own processes be shown here.
            return Ok(());
        }
        let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        mount(c"proc", c"/proc", c"proc", flags, None).map_err(at(LaunchStep::Proc))?;
        self.covers.lay(of_run).map_err(at(LaunchStep::Proc))
    }

    /// Shows all that the compile step left, where `/tmp` will cover it, so that nobody sees all of it later.
    fn show_work(&self, temporary: &CStr) -> Result<(), StepFailure> {
        if self.work.is_none() {
            return Ok(());
        }
        let flags = MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV;
        mount(c"overlay", temporary, c"overlay", flags, Artefacts::LAYERS)
            .map_err(at(LaunchStep::WorkDirectory))
    }
}

impl Work {
    /// What the compile step left is seen in a file system of the run's own, each entry of its top folder for itself: there
    /// the run may make files, and cannot alter or remove what was there before.
    ///
    /// They are seen through an overlay, so that runs that go on at once share no inode, whose locks and watches would be
    /// messages. It is a read-only one, and no folder of it that two layers have can be opened: of such a folder the kernel
    /// keeps a list of entries for each time that it was opened after a change, and charges it to nobody.
    fn cover(&self) -> rustix::io::Result<()> {
        tmpfs(c_paths::BOX_DIR, &self.writable)?;
        self.artefacts.show()
    }
}

fn writable(bytes: u64, inodes: u64) -> CString {
    let inodes = weaken::limit_unless_off("tmpfs-inodes", inodes);
    let bytes = weaken::limit_unless_off("tmpfs-size", bytes);
    CString::new(format!("mode=1777,size={bytes},nr_inodes={inodes}")).expect("numbers contain no NUL")
}

fn tmpfs(at: &CStr, options: &CStr) -> rustix::io::Result<()> {
    mount(
        c"tmpfs",
        at,
        c"tmpfs",
        MountFlags::NOSUID | MountFlags::NODEV,
        options,
    )
}

fn hide_agent() -> rustix::io::Result<()> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC | MountFlags::RDONLY;
    mount(
        c"tmpfs",
        c_paths::AGENT_DIR,
        c"tmpfs",
        flags,
        c"mode=0000,size=4k,nr_inodes=1",
    )
}
