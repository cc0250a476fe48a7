//! Containers, and what an engine makes for them.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use bollard::{
    Docker,
    errors::Error,
    query_parameters::{InspectContainerOptions, ListContainersOptionsBuilder},
};

use super::{mounts, processes};

/// The containers of one scope.
pub(crate) struct Containers {
    docker: Docker,
    scope: String,
    /// Those whose traces were not yet looked for.
    noted: Mutex<BTreeMap<String, Container>>,
}

/// What there is of a container on the machine.
#[derive(Debug, Clone)]
struct Container {
    id: String,
    /// Where its network namespace and its root are mounted.
    places: Vec<PathBuf>,
}

impl Containers {
    pub(crate) fn new(scope: &str) -> Self {
        Self {
            docker: Docker::connect_with_defaults().expect("the backend is connected to it"),
            scope: scope.to_owned(),
            noted: Mutex::default(),
        }
    }

    pub(crate) async fn note(&self, name: &str) {
        let inspected = self
            .docker
            .inspect_container(name, None::<InspectContainerOptions>)
            .await
            .unwrap_or_else(|error| panic!("{name} was just made: {error}"));
        let namespace = inspected.network_settings.and_then(|network| network.sandbox_key);
        let root = inspected
            .graph_driver
            .and_then(|driver| driver.data.get("MergedDir").cloned());
        let container = Container {
            id: inspected.id.unwrap_or_default(),
            places: namespace
                .into_iter()
                .chain(root)
                .filter(|path| !path.is_empty())
                .map(PathBuf::from)
                .collect(),
        };
        self.noted
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name.to_owned(), container);
    }

    /// As this machine numbers it.
    #[cfg(optimus_weaken)]
    pub(crate) async fn first_process(&self, name: &str) -> Result<i32, String> {
        let inspected = self
            .docker
            .inspect_container(name, None::<InspectContainerOptions>)
            .await
            .map_err(|error| error.to_string())?;
        let process = inspected.state.and_then(|state| state.pid);
        process
            .and_then(|process| i32::try_from(process).ok())
            .ok_or_else(|| format!("{name} does not run"))
    }

    pub(crate) async fn gone(&self, name: &str) -> Result<(), String> {
        match self
            .docker
            .inspect_container(name, None::<InspectContainerOptions>)
            .await
        {
            Err(Error::DockerResponseServerError { status_code: 404, .. }) => {}
            Err(error) => return Err(format!("the engine does not answer: {error}")),
            Ok(_) => return Err(format!("the container {name} is still there")),
        }
        let container = self
            .noted
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(name)
            .cloned();
        container.map_or(Ok(()), |container| container.is_gone())
    }

    pub(crate) async fn is_as_it_was(&self) -> Result<(), String> {
        let own = format!("optimus.scope={}", self.scope);
        let filters = HashMap::from([("label", vec![own, "optimus.box=1".to_owned()])]);
        let options = ListContainersOptionsBuilder::new()
            .all(true)
            .filters(&filters)
            .build();
        let left = self
            .docker
            .list_containers(Some(options))
            .await
            .map_err(|error| format!("the engine does not answer: {error}"))?;
        if !left.is_empty() {
            return Err(format!("{} containers are left", left.len()));
        }
        let noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for container in noted.values() {
            container.is_gone()?;
        }
        let left = processes("cgroup", |groups| {
            noted.values().any(|container| groups.contains(&container.id))
        });
        if !left.is_empty() {
            return Err(format!("processes of containers live on: {left:?}"));
        }
        self.noted.lock().unwrap_or_else(PoisonError::into_inner).clear();
        Ok(())
    }
}

impl Container {
    fn is_gone(&self) -> Result<(), String> {
        let mounted = mounts("self");
        if let Some(mount) = mounted.iter().find(|mount| {
            self.places
                .iter()
                .any(|place| mount.contains(&*place.to_string_lossy()))
        }) {
            return Err(format!("a mount of a container is left: {mount}"));
        }
        match group(Path::new("/sys/fs/cgroup"), &self.id, 4) {
            Some(group) => Err(format!("{} of a container is left", group.display())),
            None => Ok(()),
        }
    }
}

/// A control group of a container, however the engine names it.
fn group(below: &Path, id: &str, depth: u32) -> Option<PathBuf> {
    let entries = fs::read_dir(below).ok()?.flatten();
    entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .find_map(|entry| {
            if entry.file_name().to_string_lossy().contains(id) {
                Some(entry.path())
            } else if depth > 0 {
                group(&entry.path(), id, depth - 1)
            } else {
                None
            }
        })
}
