//! Which root a run gets: one in which nobody has looked for anything before it.
//!
//! The kernel remembers what was looked up in an overlay, also that a name is not there, and answers sooner what it was asked
//! before. By a clock the next run could read which names those were: notes between tests, as many as there are names. So the
//! first run of a box has the box's own root, and each later one an overlay of its own of the same parts, which goes with it.
//! What programs open at their start is then looked up anew, some microseconds for each name.
//!
//! The parts are in memory, in file systems that keep no names which are not there.

use std::{cell::Cell, ffi::CStr, path::Path};

use optimus_common::{
    box_layout::{ROOT_PARTS, c_paths},
    weaken,
};
use rustix::{
    mount::{MountFlags, mount, mount_bind_recursive, mount_move},
    process::{chdir, chroot},
};

use crate::run::WorkdirPolicy;

const LAYERS: &CStr = c"lowerdir=/run/optimus/root/skeleton:/run/optimus/root/tree";

/// Where the new root is made: every root has this folder, and it is covered in every cell.
const NEW_ROOT: &CStr = c_paths::TMP_DIR;

/// The root of a box, which the agent is in.
#[derive(Debug)]
pub(crate) struct BoxRoot {
    has_parts: bool,
    used: Cell<bool>,
}

/// What a run has for a root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RunRoot {
    /// The box's.
    OfBox,
    /// To be made by the run's first process.
    OfRun,
}

impl BoxRoot {
    pub(crate) fn of_this_box() -> Self {
        Self {
            has_parts: Path::new(ROOT_PARTS).is_dir(),
            used: Cell::new(false),
        }
    }

    /// The compile step may tell all runs what it wants to, by the program that it makes.
    pub(super) fn root_for_next_run(&self, workdir: WorkdirPolicy) -> RunRoot {
        let used = workdir == WorkdirPolicy::PerRun && self.used.replace(true);
        // What a test takes from the box's root is taken from runs too.
        let weakened = weaken::is_off("cell-root")
            || weaken::is_off("read-only-root")
            || weaken::is_off("private-files")
            || weaken::is_off("cell-pid-namespace");
        if used && self.has_parts && !weakened {
            RunRoot::OfRun
        } else {
            RunRoot::OfBox
        }
    }
}

/// The folder of temporary files of a root in the making, while the old one is still there.
pub(super) const TEMPORARY_OF_NEW: &CStr = c"/tmp/tmp";

/// Makes a new root, with the devices of the box. In a mount namespace of the cell's own. Allocates nothing.
pub(super) fn make() -> rustix::io::Result<()> {
    let flags = MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV;
    mount(c"root", NEW_ROOT, c"overlay", flags, LAYERS)?;
    mount_bind_recursive(c"/dev", c"/tmp/dev")
}

/// Goes there. The old root lies below it from now on, out of everybody's reach: it takes a capability to leave a root.
pub(super) fn enter() -> rustix::io::Result<()> {
    chdir(NEW_ROOT)?;
    mount_move(c".", c"/")?;
    chroot(c".")
}

#[cfg(test)]
mod tests {
    use optimus_common::box_layout::TMP_DIR;

    use super::*;

    #[test]
    fn a_new_root_is_of_the_parts_of_the_box() {
        let layers = format!("lowerdir={ROOT_PARTS}/skeleton:{ROOT_PARTS}/tree");
        assert_eq!(LAYERS.to_str(), Ok(layers.as_str()));
        let temporary = format!("{TMP_DIR}{TMP_DIR}");
        assert_eq!(TEMPORARY_OF_NEW.to_str(), Ok(temporary.as_str()));
    }
}
