//! What a box has for a root.

use std::path::{Path, PathBuf};

use optimus_common::{
    box_layout::{AGENT_DIR, BOX_DIR, TMP_DIR},
    content::Digest,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::root_digest::RootDigest;

/// Folders in which every box has something of its own, which would cover whatever of the host is shown there.
const COVERED: [&str; 5] = [TMP_DIR, BOX_DIR, "/dev", "/proc", AGENT_DIR];

/// The root of one language's boxes. It is copied into memory once; boxes of equal roots share nothing that can be
/// written, locked or watched.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Root {
    /// Parts of this host, read-only.
    Host(HostRoot),
    /// An unpacked image, read-only.
    Image {
        folder: PathBuf,
        /// Differs when another image has been unpacked there, which makes it another root.
        stamp: String,
    },
}

impl Root {
    /// Covers everything by which one root differs from another.
    pub(super) fn digest(&self) -> RootDigest {
        let mut hash = Sha256::new();
        match self {
            Self::Host(host) => {
                take(&mut hash, b"host");
                count(&mut hash, host.paths.len());
                for path in &host.paths {
                    take(&mut hash, path.host.as_os_str().as_encoded_bytes());
                    take(&mut hash, path.inside.as_os_str().as_encoded_bytes());
                }
                for names in [&host.packages, &host.without] {
                    count(&mut hash, names.len());
                    for name in names {
                        take(&mut hash, name.as_bytes());
                    }
                }
                let support = host.support.as_deref().unwrap_or(Path::new(""));
                take(&mut hash, support.as_os_str().as_encoded_bytes());
                for text in [&host.path, &host.toolchain, &host.stamp] {
                    take(&mut hash, text.as_bytes());
                }
            }
            Self::Image { folder, stamp } => {
                take(&mut hash, b"image");
                take(&mut hash, folder.as_os_str().as_encoded_bytes());
                take(&mut hash, stamp.as_bytes());
            }
        }
        let digest = Digest::from(<[u8; 32]>::from(hash.finalize()));
        RootDigest::from(format!("sha256:{digest}"))
    }
}

/// So that no two lists of parts are the same bytes.
fn take(hash: &mut Sha256, part: &[u8]) {
    count(hash, part.len());
    hash.update(part);
}

fn count(hash: &mut Sha256, parts: usize) {
    hash.update((parts as u64).to_le_bytes());
}

/// Which parts of this host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct HostRoot {
    pub paths: Vec<HostPath>,
    /// Packages of Debian's package manager, by the names of its lists of files: those files are shown as well.
    pub packages: Vec<String>,
    /// Patterns of paths that are left out of folders.
    pub without: Vec<String>,
    /// `PATH` of the guests.
    pub path: String,
    /// What the toolchain says of its version, in one line.
    pub toolchain: String,
    /// What was prepared for the language: becomes `/optimus/<language>`.
    pub support: Option<PathBuf>,
    /// Differs when something of it has changed on the host, which makes it another root.
    pub stamp: String,
}

/// A file or folder of the host, and where boxes see it.
///
/// A folder is shown with what is in it; file systems mounted below it are not, unless they are listed as well. A
/// symbolic link is made again, and where it leads is shown too, as are the libraries that a program is linked to. What
/// does not exist is passed over.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct HostPath {
    pub host: PathBuf,
    /// Absolute.
    pub inside: PathBuf,
}

impl HostPath {
    /// Seen in boxes where it is on the host.
    pub fn same(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        Self {
            host: path.clone(),
            inside: path,
        }
    }
}

/// The folder of every box's own that would cover this path.
pub(super) fn covered_by(inside: &Path) -> Option<&'static str> {
    COVERED.into_iter().find(|folder| inside.starts_with(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_makes_another_root_has_another_digest() {
        let host = HostRoot {
            paths: vec![HostPath::same("/usr/bin/cc")],
            packages: vec!["gcc".to_owned()],
            ..HostRoot::default()
        };
        let changes: [&dyn Fn(&mut HostRoot); 8] = [
            &|root| root.paths[0].inside = "/bin/cc".into(),
            &|root| root.paths.push(HostPath::same("/usr/bin/ld")),
            &|root| root.packages = vec!["g".to_owned(), "cc".to_owned()],
            // A name that moves from one list to the next.
            &|root| root.without = std::mem::take(&mut root.packages),
            &|root| "/usr/bin".clone_into(&mut root.path),
            &|root| "gcc 99".clone_into(&mut root.toolchain),
            &|root| root.support = Some("/data/c".into()),
            &|root| "1".clone_into(&mut root.stamp),
        ];
        let image = |folder: &str, stamp: &str| Root::Image {
            folder: folder.into(),
            stamp: stamp.to_owned(),
        };
        let mut roots = vec![
            Root::Host(host.clone()),
            image("/images/c", "1"),
            image("/images/c", "2"),
            image("/images/cpp", "1"),
        ];
        for change in changes {
            let mut other = host.clone();
            change(&mut other);
            roots.push(Root::Host(other));
        }
        for (index, root) in roots.iter().enumerate() {
            assert_eq!(root.digest(), root.clone().digest());
            let same = roots.iter().filter(|other| other.digest() == root.digest());
            assert_eq!(same.count(), 1, "{index}: {root:?}");
        }
    }
}
