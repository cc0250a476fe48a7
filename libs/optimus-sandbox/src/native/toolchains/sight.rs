//! What a box sees of this host, and what not.

use std::{
    collections::VecDeque,
    ffi::OsString,
    fs,
    path::{Component, Path, PathBuf},
};

/// As many as the kernel follows.
const MAX_LINKS: u32 = 40;

/// Files and folders that are seen, each with what lies below it.
#[derive(Debug, Clone, Default)]
pub(super) struct Sight {
    seen: Vec<PathBuf>,
    /// Where file systems are mounted: what lies on one that is mounted below a folder is not seen with that folder.
    mounts: Vec<PathBuf>,
}

impl Sight {
    pub(super) fn new(seen: Vec<PathBuf>) -> Self {
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        Self {
            seen,
            mounts: mounts.lines().filter_map(mount_point).collect(),
        }
    }

    pub(super) fn with(&self, more: impl IntoIterator<Item = PathBuf>) -> Self {
        let mut sight = self.clone();
        sight.seen.extend(more);
        sight
    }

    pub(super) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.seen.iter().map(PathBuf::as_path)
    }

    /// Whether the path leads to the same in a box: every symbolic link on the way is seen, and what is at its end.
    pub(super) fn shows(&self, path: &Path) -> bool {
        let mut ahead = parts(path);
        let mut here = PathBuf::from("/");
        let mut links = 0;
        while let Some(part) = ahead.pop_front() {
            if part == ".." {
                here.pop();
                continue;
            }
            here.push(part);
            let Ok(target) = fs::read_link(&here) else {
                continue;
            };
            links += 1;
            if links > MAX_LINKS || !self.covers(&here) {
                return false;
            }
            here.pop();
            if target.is_absolute() {
                here = PathBuf::from("/");
            }
            let rest = std::mem::replace(&mut ahead, parts(&target));
            ahead.extend(rest);
        }
        self.covers(&here) && here.exists()
    }

    fn covers(&self, path: &Path) -> bool {
        self.seen.iter().any(|seen| {
            path.starts_with(seen)
                && !self
                    .mounts
                    .iter()
                    .any(|mount| mount != seen && mount.starts_with(seen) && path.starts_with(mount))
        })
    }
}

fn parts(path: &Path) -> VecDeque<OsString> {
    path.components()
        .filter(|part| matches!(part, Component::Normal(_) | Component::ParentDir))
        .map(|part| part.as_os_str().to_owned())
        .collect()
}

/// The fifth field of a line; blanks in it are written as octal numbers.
fn mount_point(line: &str) -> Option<PathBuf> {
    let written = line.split(' ').nth(4)?;
    let mut path = String::new();
    let mut rest = written;
    while let Some((before, after)) = rest.split_once('\\') {
        path.push_str(before);
        let (digits, after) = after.split_at_checked(3)?;
        path.push(char::from(u8::from_str_radix(digits, 8).ok()?));
        rest = after;
    }
    path.push_str(rest);
    Some(path.into())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn sight(seen: &[&Path]) -> Sight {
        Sight {
            seen: seen.iter().map(|path| path.to_path_buf()).collect(),
            mounts: Vec::new(),
        }
    }

    #[test]
    fn every_link_on_the_way_must_be_seen() {
        let top = tempfile::tempdir().unwrap();
        let top = top.path().canonicalize().unwrap();
        let [bin, alternatives, lib] = ["bin", "alternatives", "lib"].map(|name| top.join(name));
        for folder in [&bin, &alternatives, &lib] {
            fs::create_dir(folder).unwrap();
        }
        fs::write(lib.join("tool"), "").unwrap();
        symlink("../lib/tool", alternatives.join("tool")).unwrap();
        symlink(alternatives.join("tool"), bin.join("tool")).unwrap();
        symlink("nowhere", bin.join("dangling")).unwrap();

        let tool = bin.join("tool");
        assert!(sight(&[&bin, &alternatives, &lib]).shows(&tool));
        assert!(!sight(&[&bin, &lib]).shows(&tool));
        assert!(!sight(&[&bin, &alternatives]).shows(&tool));
        assert!(!sight(&[&top]).shows(&bin.join("dangling")));
        assert!(!sight(&[&top]).shows(&bin.join("none")));
    }

    #[test]
    fn a_file_system_mounted_below_a_folder_is_not_seen_with_it() {
        let mut sight = sight(&[Path::new("/usr"), Path::new("/bin")]);
        let program = Path::new("/usr/bin/env");
        assert!(sight.shows(program));
        sight.mounts = vec!["/".into(), "/usr".into(), "/usr/bin".into()];
        assert!(!sight.shows(program));
        assert!(sight.with(["/usr/bin".into()]).shows(program));
    }

    #[test]
    fn mount_points_are_read() {
        let line = r"36 35 98:0 /mnt1 /mnt/two\040words rw,noatime master:1 - ext3 /dev/root rw";
        assert_eq!(mount_point(line), Some("/mnt/two words".into()));
        assert_eq!(mount_point("nonsense"), None);
    }
}
