//! What `serve` must not leave behind: processes and cgroups.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use crate::waiting::until;

/// What belongs to one machine of the tests.
#[derive(Debug)]
pub struct Leftovers<'a> {
    pub binary: PathBuf,
    pub cgroup: &'a str,
}

impl Leftovers<'_> {
    /// Waits until nothing is left: what is killed needs a moment to be gone.
    pub async fn assert_none(&self) {
        self.assert_no_processes().await;
        until("no cgroup is left", async || self.cgroups().is_empty()).await;
    }

    pub async fn assert_no_processes(&self) {
        until("no process is left", async || self.processes().is_empty()).await;
    }

    /// Processes of the binary, wherever they were moved to, and all that are in the boxes' cgroups.
    pub fn processes(&self) -> Vec<String> {
        let binary = fs::metadata(&self.binary).unwrap();
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let folder = entry.path();
            let Some(pid) = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse::<u32>().ok())
            else {
                continue;
            };
            // Either may be gone by now.
            let same_binary = fs::metadata(folder.join("exe"))
                .is_ok_and(|exe| (exe.dev(), exe.ino()) == (binary.dev(), binary.ino()));
            let in_a_box =
                fs::read_to_string(folder.join("cgroup")).is_ok_and(|groups| groups.contains(self.cgroup));
            if same_binary || in_a_box {
                let name = fs::read_to_string(folder.join("comm")).unwrap_or_default();
                found.push(format!("{pid} {}", name.trim_end()));
            }
        }
        found
    }

    /// The cgroups below that of the tests, in every hierarchy.
    pub fn cgroups(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        for hierarchy in hierarchies() {
            collect(&hierarchy.join(self.cgroup), &mut found);
        }
        found
    }
}

/// The roots of all control groups there may be.
pub fn hierarchies() -> impl Iterator<Item = PathBuf> {
    let top = Path::new("/sys/fs/cgroup");
    let below = fs::read_dir(top).unwrap().flatten().map(|entry| entry.path());
    below.chain([top.to_owned()])
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            collect(&entry.path(), found);
            found.push(entry.path());
        }
    }
}
