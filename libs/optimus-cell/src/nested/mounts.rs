//! What a cell has mounted over its box.

use std::{
    ffi::{CStr, CString},
    rc::Rc,
};

use optimus_common::weaken;
use rustix::{
    fs::{CWD, Mode, chmod, mkdirat},
    mount::{MountFlags, MountPropagationFlags, mount, mount_change},
};

use super::covers::Covers;
use crate::{
    guest::GuestId,
    nest::BYTES_PER_INODE,
    step::{Failure, Step, at},
    supervisor::Workspace,
    workshop::Workshop,
};

/// No file system has fewer inodes.
const FEWEST_INODES: u64 = 64;

/// The mounts of every cell of a box, made once.
#[derive(Debug)]
pub(crate) struct Mounts {
    /// Options of each writable file system.
    writable: CString,
    workspace: Workspace,
    covers: Rc<Covers>,
}

impl Mounts {
    pub(crate) fn new(workshop: &Workshop, workspace: Workspace) -> Self {
        let inodes = (workshop.disk_bytes / BYTES_PER_INODE).max(FEWEST_INODES);
        let disk_bytes = match workspace {
            Workspace::Kept => workshop.compile_disk_bytes,
            Workspace::Fresh => workshop.disk_bytes,
        };
        let inodes = weaken::limit_unless_off("tmpfs-inodes", inodes);
        let disk_bytes = weaken::limit_unless_off("tmpfs-size", disk_bytes);
        let writable = format!("mode=1777,size={disk_bytes},nr_inodes={inodes}");
        Self {
            writable: CString::new(writable).expect("numbers contain no NUL"),
            workspace,
            covers: Rc::clone(&workshop.covers),
        }
    }

    /// Mounts everything. To be called in a mount namespace and a PID namespace of the cell's own. Allocates nothing.
    pub(crate) fn mount(&self, guest: GuestId) -> Result<(), Failure> {
        let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
        mount_change(c"/", private).map_err(at(Step::PrivateMounts))?;
        if guest.is_agent() && !weaken::is_off("agent-folder") {
            // Others have no right to enter it.
            hide_agent().map_err(at(Step::AgentFolder))?;
        }
        if !weaken::is_off("fresh-files") {
            if self.workspace == Workspace::Fresh {
                self.cover_work_directory().map_err(at(Step::WorkDirectory))?;
            }
            self.tmpfs(c"/tmp").map_err(at(Step::Temporary))?;
            self.tmpfs(c"/dev/shm").map_err(at(Step::SharedMemory))?;
        }
        if weaken::is_off("cell-pid-namespace") {
            // The kernel would not let the box's own processes be shown here.
            return Ok(());
        }
        let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        mount(c"proc", c"/proc", c"proc", flags, None).map_err(at(Step::Proc))?;
        self.covers.lay().map_err(at(Step::Proc))
    }

    /// What lies in the work directory stays as it is below; what a run changes goes to a file system of its own, which
    /// is mounted first where `/tmp` will cover it: it needs no place that anybody sees later.
    fn cover_work_directory(&self) -> rustix::io::Result<()> {
        self.tmpfs(c"/tmp")?;
        for folder in [c"/tmp/upper", c"/tmp/work"] {
            mkdirat(CWD, folder, Mode::RWXU)?;
        }
        // The covering folder's rights are those that count. Not those of `mkdir`, which the umask changes.
        chmod(c"/tmp/upper", Mode::SVTX | Mode::RWXU | Mode::RWXG | Mode::RWXO)?;
        // Attributes of users are what a user namespace may write; the rest would need others.
        let options = c"lowerdir=/box,upperdir=/tmp/upper,workdir=/tmp/work,userxattr,index=off,metacopy=off";
        let flags = MountFlags::NOSUID | MountFlags::NODEV;
        mount(c"overlay", c"/box", c"overlay", flags, options)
    }

    fn tmpfs(&self, at: &CStr) -> rustix::io::Result<()> {
        let flags = MountFlags::NOSUID | MountFlags::NODEV;
        mount(c"tmpfs", at, c"tmpfs", flags, &*self.writable)
    }
}

fn hide_agent() -> rustix::io::Result<()> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC | MountFlags::RDONLY;
    mount(
        c"tmpfs",
        c"/run/optimus",
        c"tmpfs",
        flags,
        c"mode=0000,size=4k,nr_inodes=1",
    )
}
