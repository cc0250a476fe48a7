//! Looks somebody's folder over before any of it is read.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;

use crate::exit::{Classify, Failure, or_cannot_read};

/// Files and folders in one folder, links counted once.
const MOST_ENTRIES: usize = 100_000;

/// A file with more cannot be part of a job. It need not take that room in its archive.
const LARGEST: u64 = 1 << 30;

/// Refuses what an archive may hold and no problem needs: links that lead out of the folder, so that files of this
/// machine would take part, and devices or pipes, which may have no end.
pub(super) fn validate_tree(folder: &Path) -> Result<(), Failure> {
    let root = or_cannot_read(folder, folder.canonicalize())?;
    let mut folders = vec![folder.to_owned()];
    let mut left = MOST_ENTRIES;
    while let Some(folder) = folders.pop() {
        for entry in or_cannot_read(&folder, fs::read_dir(&folder))? {
            let entry = or_cannot_read(&folder, entry)?;
            left = left
                .checked_sub(1)
                .with_context(|| format!("{}: more than {MOST_ENTRIES} files", root.display()))
                .usage()?;
            folders.extend(validate_entry(&entry, &root)?);
        }
    }
    Ok(())
}

/// Returns a folder that is to be looked over too.
fn validate_entry(entry: &fs::DirEntry, root: &Path) -> Result<Option<PathBuf>, Failure> {
    let path = entry.path();
    let refuse = |why: &str| Err(Failure::usage(format!("{}: {why}", path.display())));
    let metadata = or_cannot_read(&path, entry.metadata())?;
    if metadata.is_dir() {
        return Ok(Some(path));
    }
    if metadata.is_symlink() {
        // One that leads nowhere is an error only where it is needed.
        return match path.canonicalize() {
            Ok(target) if !target.starts_with(root) => refuse("the link leads out of the problem's folder"),
            _ => Ok(None),
        };
    }
    if !metadata.is_file() {
        return refuse("is neither a file nor a folder");
    }
    if metadata.len() > LARGEST {
        return refuse("is larger than 1 GiB");
    }
    Ok(None)
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::{fs::symlink, net::UnixListener};

    use super::*;

    fn refused(plant: impl FnOnce(&Path)) -> String {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("problem/data")).unwrap();
        plant(folder.path());
        validate_tree(&folder.path().join("problem"))
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn links_may_not_lead_out() {
        for target in ["/etc/hostname", "/dev/zero", "../../beside", "../.."] {
            let error = refused(|folder| {
                fs::write(folder.join("beside"), "").unwrap();
                symlink(target, folder.join("problem/data/1.in")).unwrap();
            });
            assert!(error.contains("1.in: the link leads out"), "{target}: {error}");
        }
    }

    #[test]
    fn only_files_and_folders_are_read() {
        let error = refused(|folder| drop(UnixListener::bind(folder.join("problem/data/1.in")).unwrap()));
        assert!(error.contains("neither a file nor a folder"), "{error}");
        let error = refused(|folder| {
            let file = fs::File::create(folder.join("problem/data/1.in")).unwrap();
            file.set_len(LARGEST + 1).unwrap();
        });
        assert!(error.contains("larger"), "{error}");
    }

    #[test]
    fn links_inside_are_part_of_the_format() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("data")).unwrap();
        fs::write(folder.path().join("data/1.in"), "").unwrap();
        symlink("1.in", folder.path().join("data/2.in")).unwrap();
        symlink("data", folder.path().join("again")).unwrap();
        symlink("nowhere", folder.path().join("data/3.in")).unwrap();
        validate_tree(folder.path()).unwrap();
    }
}
