//! The boxes of one system, seen from outside.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use optimus_common::language::{Language, Languages};
use rustix::process::{Pid, Signal, kill_process};

use crate::project::project;

/// What boxes are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Container,
    Native,
}

impl Kind {
    /// The backend that makes them, as `--backend` names it.
    pub fn backend(self) -> &'static str {
        match self {
            Self::Container => "docker",
            Self::Native => "native",
        }
    }
}

/// The boxes of all workers of one system, and of no other.
#[derive(Debug)]
pub struct Boxes {
    kind: Kind,
    scope: String,
}

impl Boxes {
    pub fn new(kind: Kind, scope: String) -> Self {
        Self { kind, scope }
    }

    /// The workers' settings that tell these boxes from any others.
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        match self.kind {
            Kind::Container => vec![("OPTIMUS__DOCKER__SCOPE", self.scope.clone())],
            Kind::Native => {
                // What is prepared once for a language serves all runs of this suite.
                let prepared = project().join("target/end-to-end");
                vec![
                    ("OPTIMUS__NATIVE__CGROUP", format!("/{}", self.scope)),
                    ("OPTIMUS__DATA_DIR", prepared.to_string_lossy().into_owned()),
                ]
            }
        }
    }

    /// Checks that the boxes can be made, so that a missing image is not told as a test that takes too long.
    pub fn require(&self, languages: &Languages, serves: impl Fn(&str) -> bool) {
        if self.kind == Kind::Native {
            return;
        }
        let serves = |language: &&Language| serves(language.name.as_str());
        for language in languages.languages.iter().filter(serves) {
            assert!(
                docker(&["image", "inspect", &language.image]).status.success(),
                "the image {} is missing; run: cargo run -p optimus-cli -- build-image --all",
                language.image
            );
        }
    }

    /// The workers that have boxes, whatever state those are in.
    pub fn owners(&self) -> BTreeSet<String> {
        match self.kind {
            Kind::Container => self.containers(r#"{{.Label "optimus.worker"}}"#),
            Kind::Native => {
                let folders = self.cgroups().into_iter().flat_map(|cgroup| subfolders(&cgroup));
                folders.map(|folder| name_of(&folder)).collect()
            }
        }
    }

    /// Kills everything in them, behind the worker's back.
    pub fn kill_all(&self) {
        match self.kind {
            Kind::Container => {
                for container in self.containers("{{.ID}}") {
                    // One that is gone meanwhile needs no killing.
                    docker(&["kill", &container]);
                }
            }
            Kind::Native => {
                for process in self.cgroups().iter().flat_map(|cgroup| processes_below(cgroup)) {
                    let _ = kill_process(process, Signal::KILL);
                }
            }
        }
    }

    /// Leaves nothing, once no worker is left.
    pub fn remove_all(&self) {
        match self.kind {
            Kind::Container => {
                for container in self.containers("{{.ID}}") {
                    docker(&["rm", "--force", &container]);
                }
            }
            Kind::Native => {
                self.kill_all();
                for cgroup in self.cgroups() {
                    remove_below(&cgroup);
                }
            }
        }
    }

    fn containers(&self, format: &str) -> BTreeSet<String> {
        let filter = format!("label=optimus.scope={}", self.scope);
        let found = docker(&[
            "ps",
            "--all",
            "--no-trunc",
            "--filter",
            &filter,
            "--format",
            format,
        ]);
        assert!(
            found.status.success(),
            "the container engine does not answer: {found:?}"
        );
        let lines = String::from_utf8(found.stdout).unwrap();
        lines.lines().map(str::to_owned).collect()
    }

    /// This system's cgroup in each hierarchy.
    fn cgroups(&self) -> Vec<PathBuf> {
        let root = Path::new("/sys/fs/cgroup");
        let mut hierarchies = subfolders(root);
        hierarchies.push(root.to_owned());
        let cgroups = hierarchies
            .into_iter()
            .map(|hierarchy| hierarchy.join(&self.scope));
        cgroups.filter(|cgroup| cgroup.is_dir()).collect()
    }
}

fn docker(args: &[&str]) -> Output {
    Command::new("docker")
        .args(args)
        .output()
        .expect("the docker command is needed")
}

fn subfolders(folder: &Path) -> Vec<PathBuf> {
    // Cgroups come and go.
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.path())
        .filter(|path| path.is_dir() && !path.is_symlink())
        .collect()
}

fn processes_below(cgroup: &Path) -> Vec<Pid> {
    let listed = fs::read_to_string(cgroup.join("cgroup.procs")).unwrap_or_default();
    let mut processes: Vec<_> = listed
        .lines()
        .filter_map(|line| Pid::from_raw(line.parse().ok()?))
        .collect();
    processes.extend(
        subfolders(cgroup)
            .iter()
            .flat_map(|folder| processes_below(folder)),
    );
    processes
}

fn remove_below(cgroup: &Path) {
    for folder in subfolders(cgroup) {
        remove_below(&folder);
    }
    let _ = fs::remove_dir(cgroup);
}

fn name_of(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}
