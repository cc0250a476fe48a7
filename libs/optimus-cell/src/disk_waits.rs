//! Where in the kernel a thread waits for a disk.
//!
//! A thread that no signal reaches may wait for anything, for as long as a program likes: for a child made by `vfork` until that
//! executes something, for a lock of its own memory that another thread of it holds. What tells these from a wait for a disk is
//! the function that it waits in, by its whole name. A part of a name is not enough: `pagemap_read` waits for such a lock.

/// Where tasks of Linux 5.10 to 6.18 wait for pages of files, for buffers, and for requests of block devices: there is nothing else to wait
/// for in them. The kernel names the innermost function that is none of its scheduler's, so which one it is depends on
/// what the compiler has inlined. A disk that is waited for elsewhere is still counted by the kernel, where it counts.
const FUNCTIONS: &[&str] = &[
    // The scheduler's own, which some architectures name all the same.
    "io_schedule",
    "io_schedule_timeout",
    "bit_wait_io",
    // Pages being read, since 5.16, and before.
    "folio_wait_bit_common",
    "folio_wait_bit",
    "folio_wait_bit_killable",
    "folio_put_wait_locked",
    "__folio_lock",
    "__folio_lock_killable",
    "__folio_lock_or_retry",
    "wait_on_page_bit_common",
    "wait_on_page_bit",
    "wait_on_page_bit_killable",
    "put_and_wait_on_page_locked",
    "__lock_page",
    "__lock_page_killable",
    "__lock_page_or_retry",
    // Folders and inodes of file systems.
    "__wait_on_buffer",
    "__lock_buffer",
    "read_extent_buffer_pages",
    "xfs_buf_iowait",
    // Devices that are busy, or throttled.
    "submit_bio_wait",
    "blk_io_schedule",
    "blk_mq_get_tag",
    "rq_qos_wait",
    "ioc_rqos_throttle",
    "blkcg_maybe_throttle_current",
    "__bio_queue_enter",
    "blk_queue_enter",
];

/// By what `/proc/<pid>/wchan` says, which is `0` where the kernel does not tell. What a compiler adds to the name of a function that
/// it has split or specialised stands behind a dot.
pub(crate) fn is_wait_for_disk(place: &str) -> bool {
    let function = place.trim().split('.').next().unwrap_or_default();
    FUNCTIONS.contains(&function)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_for_a_page_waits_for_a_disk() {
        for function in [
            "folio_wait_bit_common",
            "folio_wait_bit_common.constprop.0",
            "bit_wait_io",
            "submit_bio_wait\n",
            "blk_mq_get_tag",
            "wait_on_page_bit",
        ] {
            assert!(is_wait_for_disk(function), "{function}");
        }
    }

    #[test]
    fn who_waits_for_another_thread_or_a_child_waits_for_no_disk() {
        for function in [
            "kernel_clone",
            "_do_fork",
            "wait_for_vfork_done",
            "pagemap_read",
            "pagemap_read.isra.0",
            "do_page_fault",
            "shmem_fault",
            "migration_entry_wait_on_locked",
            "pipe_write",
            "0",
            "",
            ".",
        ] {
            assert!(!is_wait_for_disk(function), "{function}");
        }
    }
}
