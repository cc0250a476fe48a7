//! What a box has for a root.

use std::{fmt, path::PathBuf, sync::Arc};

use optimus_common::LanguageName;
use serde::{Deserialize, Serialize};

/// The root of one language's boxes. Boxes of equal roots share nothing that can be written, locked or watched.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Root {
    /// Parts of this host, read-only.
    Host {
        paths: Vec<HostPath>,
        /// `PATH` of the guests.
        path: String,
        /// What the toolchain says of its version, in one line.
        toolchain: String,
        /// What was prepared for the language: becomes `/optimus/<language>`.
        support: Option<PathBuf>,
    },
    /// An unpacked image, read-only.
    Image { folder: PathBuf },
}

/// A file or folder of the host, and where boxes see it.
///
/// A folder's contents are seen as they are; file systems mounted below it are not, unless they are listed as well. A
/// symbolic link is made again. A file is copied once, and must be small. What does not exist is passed over.
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

/// The root of each language, or why it has none here. Asked whenever a box is made.
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
