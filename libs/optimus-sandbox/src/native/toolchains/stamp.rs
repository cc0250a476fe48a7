//! Whether what boxes see of the host is still what was found there.

use std::{
    fs::{self, Metadata},
    os::unix::fs::MetadataExt,
    path::Path,
};

use sha2::{Digest, Sha256};

use crate::native::{packages, roots::HostRoot};

/// Differs when something that the root shows has changed on the host: a file or folder that it names, an entry of such
/// a folder, or the list of a package, which is written anew when the package is.
pub(super) fn of(root: &HostRoot) -> String {
    let mut hash = Sha256::new();
    for path in &root.paths {
        take(&mut hash, &path.host);
        // An upgrade may change nothing but what a link leads to.
        state(&mut hash, fs::metadata(&path.host).ok().as_ref());
        take_entries(&mut hash, &path.host);
    }
    for package in &root.packages {
        take(&mut hash, &packages::list(package));
    }
    in_digits(hash)
}

/// Differs when another image has been unpacked into the folder: by the entries of its top folder and of our own in it, the
/// agent's, which every build of an image writes anew.
pub(super) fn of_image(folder: &Path) -> String {
    let mut hash = Sha256::new();
    for folder in [folder, &folder.join("optimus")] {
        take(&mut hash, folder);
        take_entries(&mut hash, folder);
    }
    in_digits(hash)
}

fn in_digits(hash: Sha256) -> String {
    let digest = hash.finalize();
    let digits = digest[..8]
        .iter()
        .fold(0, |digits: u64, byte| digits << 8 | u64::from(*byte));
    format!("{digits:016x}")
}

fn take_entries(hash: &mut Sha256, folder: &Path) {
    let mut entries: Vec<_> = { fs::read_dir(folder).into_iter().flatten().flatten() }
        .map(|entry| entry.path())
        .collect();
    entries.sort();
    for entry in entries {
        take(hash, &entry);
    }
}

fn take(hash: &mut Sha256, path: &Path) {
    hash.update(path.as_os_str().as_encoded_bytes());
    state(hash, fs::symlink_metadata(path).ok().as_ref());
}

fn state(hash: &mut Sha256, data: Option<&Metadata>) {
    let Some(data) = data else {
        hash.update([0]);
        return;
    };
    hash.update([1]);
    for number in [data.dev(), data.ino(), data.len()] {
        hash.update(number.to_le_bytes());
    }
    for time in [data.mtime(), data.mtime_nsec(), data.ctime(), data.ctime_nsec()] {
        hash.update(time.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::native::HostPath;

    #[test]
    fn an_image_that_is_unpacked_again_is_noticed() {
        let top = tempfile::tempdir().unwrap();
        let ours = top.path().join("optimus");
        fs::create_dir(&ours).unwrap();
        fs::write(ours.join("runner.sh"), "1").unwrap();
        let first = of_image(top.path());
        assert_eq!(first, of_image(top.path()));
        // As tar does it.
        fs::remove_file(ours.join("runner.sh")).unwrap();
        fs::write(ours.join("runner.sh"), "1").unwrap();
        let second = of_image(top.path());
        assert_ne!(first, second);
        fs::create_dir(top.path().join("opt")).unwrap();
        assert_ne!(second, of_image(top.path()));
    }

    #[test]
    fn a_change_of_what_is_seen_is_noticed() {
        let top = tempfile::tempdir().unwrap();
        let (file, folder, link) = (top.path().join("f"), top.path().join("d"), top.path().join("l"));
        fs::write(&file, "1").unwrap();
        fs::create_dir(&folder).unwrap();
        symlink("f", &link).unwrap();
        let root = HostRoot {
            paths: [&folder, &link].map(HostPath::same).into(),
            ..HostRoot::default()
        };
        let mut last = of(&root);
        assert_eq!(last, of(&root));
        let changes: [&dyn Fn(); 3] = [
            &|| fs::write(&file, "22").unwrap(),
            &|| fs::write(folder.join("new"), "").unwrap(),
            &|| fs::write(folder.join("new"), "333").unwrap(),
        ];
        for change in changes {
            change();
            let now = of(&root);
            assert_ne!(last, now);
            last = now;
        }
    }
}
