//! Native boxes, and what they are made of.

use std::{collections::BTreeSet, fs, os::unix::fs::MetadataExt, path::Path, sync::Arc};

use optimus_sandbox::native::NativeBackend;

use super::{mounts, processes};
use optimus_testkit::cgroups;

use crate::place::Place;

/// Where a program that has left its box could write.
const WRITABLE: [&str; 5] = ["/tmp", "/var/tmp", "/dev/shm", "/dev/mqueue", "/run"];

/// This machine, with the boxes of one spawner.
pub(crate) struct Host {
    place: &'static Place,
    backend: Arc<NativeBackend>,
    before: Traces,
}

/// What must be the same again whenever there is no box.
#[derive(Debug, PartialEq, Eq)]
struct Traces {
    spawner: Option<u32>,
    mounts: BTreeSet<String>,
    mounts_of_spawner: BTreeSet<String>,
    children_of_spawner: String,
    system_v: Vec<usize>,
}

impl Host {
    pub(crate) async fn watch(place: &'static Place, backend: Arc<NativeBackend>) -> Self {
        let before = Traces::of(&backend).await;
        Self {
            place,
            backend,
            before,
        }
    }

    /// The control group of a box.
    pub(crate) fn path_of(&self, name: &str) -> String {
        format!("{}/{name}", self.place.base)
    }

    pub(crate) fn gone(&self, name: &str) -> Result<(), String> {
        if cgroups::exists(&self.path_of(name)) {
            return Err(format!("the control group of {name} is still there"));
        }
        Ok(())
    }

    pub(crate) async fn is_as_it_was(&self) -> Result<(), String> {
        let boxes = cgroups::boxes(&self.place.base, None);
        let in_groups = self.place.processes();
        if !boxes.is_empty() || !in_groups.is_empty() {
            return Err(format!("boxes are left: {boxes:?} with {in_groups:?}"));
        }
        let uids = self.place.uids();
        let ours = |uid: u32| uids.iter().any(|range| range.contains(&uid));
        let left = processes("status", |status| {
            let uids = status.lines().find_map(|line| line.strip_prefix("Uid:"));
            uids.is_some_and(|uids| {
                uids.split_ascii_whitespace()
                    .any(|uid| uid.parse().is_ok_and(ours))
            })
        });
        if !left.is_empty() {
            return Err(format!("processes of boxes live on: {left:?}"));
        }
        for folder in WRITABLE {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                if fs::symlink_metadata(entry.path()).is_ok_and(|data| ours(data.uid())) {
                    return Err(format!("{} is a guest's", entry.path().display()));
                }
            }
        }
        let now = Traces::of(&self.backend).await;
        if now != self.before {
            return Err(now.beside(&self.before));
        }
        Ok(())
    }
}

impl Traces {
    async fn of(backend: &NativeBackend) -> Self {
        let spawner = backend.spawner_process().await;
        let process = spawner.unwrap_or_default().to_string();
        let of_spawner = Path::new("/proc").join(&process);
        let lines =
            |file: &str| fs::read_to_string(Path::new("/proc/sysvipc").join(file)).unwrap_or_default();
        Self {
            spawner,
            // An engine's own come and go with its containers.
            mounts: mounts("self")
                .into_iter()
                .filter(|mount| !mount.contains("/docker/"))
                .collect(),
            // What boxes are built of is mounted when the first one of a language is made, and stays.
            mounts_of_spawner: mounts(&process)
                .into_iter()
                .filter(|mount| !mount.contains(" /roots/"))
                .collect(),
            children_of_spawner: fs::read_to_string(of_spawner.join("task").join(&process).join("children"))
                .unwrap_or_default(),
            system_v: ["shm", "sem", "msg"]
                .map(|kind| lines(kind).lines().count())
                .into(),
        }
    }

    /// What is not as it was before.
    fn beside(&self, before: &Self) -> String {
        let mounts = self.mounts.symmetric_difference(&before.mounts);
        let of_spawner = self
            .mounts_of_spawner
            .symmetric_difference(&before.mounts_of_spawner);
        format!(
            "mounts: {:?}; the spawner was process {:?} and is {:?}, has children {:?}; System V objects: {:?}, before {:?}",
            mounts.chain(of_spawner).collect::<Vec<_>>(),
            before.spawner,
            self.spawner,
            self.children_of_spawner,
            self.system_v,
            before.system_v,
        )
    }
}
