//! What a box has for a root.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use optimus_common::{
    LanguageName,
    box_layout::{AGENT_DIR, BOX_DIR, TMP_DIR},
};
use serde::{Deserialize, Serialize};

/// Folders in which every box has something of its own, which would cover whatever of the host is shown there.
const COVERED: [&str; 5] = [TMP_DIR, BOX_DIR, "/dev", "/proc", AGENT_DIR];

/// The root of one language's boxes. It is copied into memory once; boxes of equal roots share nothing that can be
/// written, locked or watched.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Root {
    /// Parts of this host, read-only.
    Host(HostRoot),
    /// An unpacked image, read-only.
    Image { folder: PathBuf },
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

/// The root of each language, or why it has none here. Asked whenever a box is made, on a thread that may wait.
#[derive(Clone)]
pub struct Roots(Arc<Find>);

type Find = dyn Fn(&LanguageName) -> Result<Root, String> + Send + Sync;

impl Roots {
    pub fn new(find: impl Fn(&LanguageName) -> Result<Root, String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(find))
    }

    pub(super) fn find(&self, language: &LanguageName) -> Result<Root, String> {
        (self.0)(language)
    }
}

impl fmt::Debug for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Roots").finish_non_exhaustive()
    }
}
