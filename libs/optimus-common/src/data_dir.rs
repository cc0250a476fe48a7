//! Where a process keeps what must outlive it.

use std::{
    env,
    path::{Path, PathBuf},
};

use serde::Deserialize;

/// The setting `data_dir`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "PathBuf")]
pub struct DataDir(PathBuf);

impl DataDir {
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl From<PathBuf> for DataDir {
    /// Empty: the usual place.
    fn from(path: PathBuf) -> Self {
        Self(if path.as_os_str().is_empty() {
            usual()
        } else {
            path
        })
    }
}

fn usual() -> PathBuf {
    let own = || env::var_os("XDG_DATA_HOME").filter(|folder| !folder.is_empty());
    match (own(), env::var_os("HOME")) {
        // Root's home is often closed to others, and a service's may not exist.
        (None, Some(home)) if home != "/root" && home != "/" && !home.is_empty() => {
            Path::new(&home).join(".local/share/optimus")
        }
        (Some(folder), _) => Path::new(&folder).join("optimus"),
        _ => PathBuf::from("/var/lib/optimus"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_is_taken_and_what_is_not_has_a_place() {
        let named = DataDir::from(PathBuf::from("/srv/optimus"));
        assert_eq!(named.path(), Path::new("/srv/optimus"));
        assert!(DataDir::from(PathBuf::new()).path().ends_with("optimus"));
    }
}
