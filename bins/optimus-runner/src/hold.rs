//! Holds the files of an image in memory.
//!
//! Containers of one image share the host's copies of its files in memory. Whoever reads a page first is charged with it, and
//! who can have it dropped can slow others down, or leave them a note. What this maps and locks stays in memory as long as
//! it lives, whatever anybody asks the kernel for, and is charged to its own container. No submission ever comes here.

use std::{
    collections::HashSet,
    fs::{self, File, Metadata},
    io::{self, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::ExitCode,
    ptr,
};

use anyhow::Context;
use optimus_protocol::Held;
use rustix::mm::{MapFlags, ProtFlags, mlock, mmap};

/// The kernel allows a process some 65,000 mappings.
const MOST_FILES: u64 = 60_000;

/// Tells what is held, and holds it until standard input ends.
#[expect(clippy::print_stderr, reason = "the agent's diagnostics go to standard error")]
pub(crate) fn main(most_bytes: Option<&str>) -> ExitCode {
    let held = most_bytes
        .and_then(|most| most.parse().ok())
        .context("how many bytes may be held?")
        .and_then(|most| hold(Path::new("/"), most))
        .and_then(|held| tell(&held));
    match held {
        Ok(()) => {
            // The worker's end of it: it says nothing, and closes it by going.
            let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("optimus-runner: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn tell(held: &Held) -> anyhow::Result<()> {
    let mut line = serde_json::to_vec(held)?;
    line.push(b'\n');
    let mut out = io::stdout().lock();
    out.write_all(&line)
        .and_then(|()| out.flush())
        .context("nobody listens")
}

/// Locks the files below a folder, of its own file system and of so many bytes together, for as long as this process
/// lives.
fn hold(root: &Path, most_bytes: u64) -> anyhow::Result<Held> {
    let mounts = mount_points().context("cannot read what is mounted")?;
    let mut held = Held::default();
    let mut linked = HashSet::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        // What root may not read here, nobody else may.
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let Ok(about) = entry.metadata() else { continue };
            if about.is_dir() {
                if !mounts.contains(&path) {
                    folders.push(path);
                }
                continue;
            }
            let known = about.nlink() > 1 && !linked.insert((about.dev(), about.ino()));
            if !about.is_file() || about.len() == 0 || known || mounts.contains(&path) {
                continue;
            }
            let bytes = about.len().next_multiple_of(4096);
            if held.bytes + bytes > most_bytes || held.files >= MOST_FILES {
                held.left_out_files += 1;
                held.left_out_bytes += bytes;
            } else if lock(&path, &about)? {
                held.files += 1;
                held.bytes += bytes;
            }
        }
    }
    Ok(held)
}

/// Locks a whole file; `false` where this process may not read it.
fn lock(path: &Path, about: &Metadata) -> anyhow::Result<bool> {
    let Ok(file) = File::open(path) else {
        return Ok(false);
    };
    let bytes = usize::try_from(about.len()).context("a file is too large")?;
    let (access, flags) = (ProtFlags::READ, MapFlags::SHARED);
    // SAFETY: a new mapping that nothing in this program refers to, and that stays to its end.
    let locked =
        unsafe { mmap(ptr::null_mut(), bytes, access, flags, &file, 0).and_then(|all| mlock(all, bytes)) };
    locked.with_context(|| format!("cannot lock {}", path.display()))?;
    Ok(true)
}

fn mount_points() -> io::Result<HashSet<PathBuf>> {
    let table = fs::read_to_string("/proc/self/mountinfo")?;
    let points = table.lines().filter_map(|line| line.split(' ').nth(4));
    Ok(points.map(PathBuf::from).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Memory of this process that is locked, in bytes.
    fn locked() -> u64 {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmLck:"));
        line.and_then(|line| line.trim().strip_suffix(" kB"))
            .unwrap()
            .trim()
            .parse::<u64>()
            .unwrap()
            << 10
    }

    #[test]
    fn files_are_locked_up_to_the_bound_and_the_rest_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name| folder.path().join(name);
        fs::create_dir(path("below")).unwrap();
        fs::write(path("empty"), "").unwrap();
        fs::write(path("below/one"), vec![1; 5000]).unwrap();
        fs::hard_link(path("below/one"), path("again")).unwrap();
        std::os::unix::fs::symlink("/usr", path("link")).unwrap();
        let before = locked();
        let all = hold(folder.path(), 1 << 20).unwrap();
        let two_pages = Held {
            files: 1,
            bytes: 8192,
            ..Held::default()
        };
        assert_eq!(all, two_pages);
        assert_eq!(locked() - before, 8192);
        fs::write(path("large"), vec![1; 40_000]).unwrap();
        let part = hold(folder.path(), 20_000).unwrap();
        assert_eq!(
            part,
            Held {
                left_out_files: 1,
                left_out_bytes: 40_960,
                ..two_pages
            }
        );
    }
}
