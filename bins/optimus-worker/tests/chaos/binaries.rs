//! Copies of the binaries that only this suite runs, so that whatever is left of its processes can be told from all others
//! on this machine.

use std::{path::PathBuf, sync::Mutex};

use optimus_testkit::{executable, project};
use tempfile::TempDir;

static FOLDER: Mutex<Option<TempDir>> = Mutex::new(None);

const NAMES: [&str; 3] = ["optimus-api", "optimus-worker", "optimus-cli"];

/// This suite's copy of a binary.
pub(crate) fn path(name: &str) -> PathBuf {
    let mut folder = FOLDER.lock().unwrap();
    let folder = folder.get_or_insert_with(|| tempfile::tempdir().unwrap());
    let path = folder.path().join(name);
    if !path.exists() {
        executable::copy(project::binary(name), &path);
    }
    path
}

/// All that were asked for so far.
pub(crate) fn copied() -> Vec<PathBuf> {
    let folder = FOLDER.lock().unwrap();
    let paths = folder
        .iter()
        .flat_map(|folder| NAMES.map(|name| folder.path().join(name)));
    paths.filter(|path| path.exists()).collect()
}

/// At the end of the suite.
pub(crate) fn remove() {
    FOLDER.lock().unwrap().take();
}
