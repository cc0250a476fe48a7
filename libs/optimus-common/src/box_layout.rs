//! What a box looks like to those in it, whichever backend made it, and what it may hold.
//!
//! Judge, agent, cells and both kinds of boxes go by these.

use std::ffi::CStr;

/// The folders as the kernel takes them, for code that may not allocate.
pub mod c_paths {
    use std::ffi::CStr;

    pub const BOX_DIR: &CStr = c"/box";
    pub const TMP_DIR: &CStr = c"/tmp";
    pub const SHM_DIR: &CStr = c"/dev/shm";
    pub const AGENT_DIR: &CStr = c"/run/optimus";
    /// What guests may write to.
    pub const WRITABLE_DIRS: [&CStr; 3] = [BOX_DIR, TMP_DIR, SHM_DIR];
}

/// The working directory of the compile step and of every run.
pub const BOX_DIR: &str = text(c_paths::BOX_DIR);
pub const TMP_DIR: &str = text(c_paths::TMP_DIR);
pub const SHM_DIR: &str = text(c_paths::SHM_DIR);

/// The folder below the work directory that is there for what the compile step makes. No file of a submission may be in
/// it, so whatever a submission brings along collides with nothing.
pub const OUTPUT_DIR: &str = ".optimus";

/// Where in an image `/etc/passwd` and `/etc/group` lead to: a container's root is read-only, and who its guests are is
/// known only when it runs. The agent alone writes there.
pub const USERS_DIR: &str = "/run/users";

/// The universal entry point of every language's image.
pub const ENTRY_POINT: &str = "/optimus/runner.sh";
/// The agent in an image.
pub const AGENT_PROGRAM: &str = "/optimus/optimus-runner";
/// What the toolchain said of its version when the image or the root was made; relative to the root.
pub const TOOLCHAIN_FILE: &str = "optimus/toolchain";

/// What the agent alone may enter.
pub const AGENT_DIR: &str = text(c_paths::AGENT_DIR);
pub const AGENT_DIR_BYTES: u64 = 16 << 20;
/// What the agent's phases tell each other.
pub const JOB_FILE: &str = "/run/optimus/job.json";
/// A folder with nothing in it: an overlay that nobody may write to takes two.
pub const EMPTY_DIR: &str = "/run/optimus/empty";
/// Where a native box has the parts of its root: a folder `skeleton` and a folder `tree`.
pub const ROOT_PARTS: &str = "/run/optimus/root";

/// Files the agent holds open beside those of one process of the guest.
pub const AGENT_OPEN_FILES: u32 = 256;

/// One inode for so many bytes of a writable file system, so that a flood of empty files ends early.
pub const BYTES_PER_INODE: u64 = 4096;
/// No file system has fewer.
const FEWEST_INODES: u64 = 64;

/// The kernel's OOM killer prefers a box to anything else on the machine.
pub const OOM_SCORE_ADJ: i16 = 500;

/// How many inodes a writable file system of this size has.
pub const fn inodes(bytes: u64) -> u64 {
    let inodes = bytes / BYTES_PER_INODE;
    if inodes < FEWEST_INODES {
        FEWEST_INODES
    } else {
        inodes
    }
}

const fn text(path: &'static CStr) -> &'static str {
    match path.to_str() {
        Ok(text) => text,
        Err(_) => panic!("paths of boxes are plain text"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_the_agents_lies_where_it_alone_may_enter() {
        for path in [JOB_FILE, EMPTY_DIR, ROOT_PARTS] {
            assert!(
                path.strip_prefix(AGENT_DIR)
                    .is_some_and(|below| below.starts_with('/')),
                "{path}"
            );
        }
    }

    #[test]
    fn small_file_systems_have_some_inodes_and_large_ones_many() {
        assert_eq!((inodes(0), inodes(1 << 20), inodes(64 << 20)), (64, 256, 16_384));
    }
}
