//! Killing every process of one guest at once.

use optimus_common::weaken;
use rustix::{process::Uid, thread::set_thread_res_uid};

use crate::{error::CellError, guest_id::GuestId, leftovers::Leftovers, proc_files};

/// The real UID while killing. No process has it, so no process but root's may signal the agent meanwhile.
const NOBODY_HERE: u32 = 65_533;

/// Sends SIGKILL to every process of the guest, stopped and orphaned ones included.
///
/// With the guest's UID as the effective one, and so without `CAP_KILL`, `kill(-1)` reaches the processes of that UID
/// and no other. The kernel holds the task list for the whole call, so no `fork` escapes it. It spares its caller and
/// PID 1. The guest cannot signal back: neither the real nor the saved UID is its own.
pub(crate) fn kill_all(guest: GuestId) -> Result<Leftovers, CellError> {
    if weaken::is_off("kill") {
        return Ok(Leftovers::None);
    }
    let root = Uid::ROOT;
    set_thread_res_uid(Uid::from_raw(NOBODY_HERE), guest.uid(), root)
        .map_err(CellError::system("take the guest's UID to kill its processes"))?;
    // SAFETY: plain system call; the effective UID confines it to the guest's processes.
    let outcome = unsafe { libc::kill(-1, libc::SIGKILL) };
    let error = std::io::Error::last_os_error();
    set_thread_res_uid(root, root, root).map_err(CellError::system("become root again after killing"))?;

    // ESRCH: there was no process at all beside this one and PID 1. Success may mean that all the others were
    // somebody else's.
    if outcome == -1 && error.raw_os_error() == Some(libc::ESRCH) {
        return Ok(Leftovers::None);
    }
    proc_files::has_processes(guest)
}
