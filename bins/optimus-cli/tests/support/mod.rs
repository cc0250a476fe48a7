//! The real binary, in a root of its own.

#![allow(dead_code, reason = "each suite uses a part of it")]

pub(crate) mod problem;
pub(crate) mod server;

use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

/// A folder as an installation's, without any language.
#[derive(Debug)]
pub(crate) struct Root {
    folder: TempDir,
}

impl Root {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("config")).unwrap();
        fs::create_dir(folder.path().join("dockerfiles")).unwrap();
        let root = Self { folder };
        root.write("config/languages.json", "{\"languages\": []}");
        root
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path().join(name)).unwrap()
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_optimus-cli"));
        command.args(args).current_dir(self.path()).stdin(Stdio::null());
        for name in ["OPTIMUS_ROOT", "OPTIMUS_API", "OPTIMUS_TOKEN"] {
            command.env_remove(name);
        }
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ended {
        Ended(self.command(args).output().unwrap())
    }

    /// The names in `languages.json`, in its order.
    pub(crate) fn languages(&self) -> Vec<String> {
        let file: Value = serde_json::from_str(&self.read("config/languages.json")).unwrap();
        let languages = file["languages"].as_array().unwrap();
        languages
            .iter()
            .map(|language| language["name"].as_str().unwrap().to_owned())
            .collect()
    }
}

/// A run of the binary that is over.
#[derive(Debug)]
pub(crate) struct Ended(pub(crate) Output);

impl Ended {
    pub(crate) fn stdout(&self) -> String {
        String::from_utf8(self.0.stdout.clone()).unwrap()
    }

    pub(crate) fn stderr(&self) -> String {
        String::from_utf8(self.0.stderr.clone()).unwrap()
    }

    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(
            self.0.status.code(),
            Some(code),
            "{}{}",
            self.stdout(),
            self.stderr()
        );
        self
    }

    /// Its only word on standard error, or a part of it.
    #[track_caller]
    pub(crate) fn complains_of(self, part: &str) -> Self {
        assert!(
            self.stderr().contains(part),
            "{part:?} is not in {:?}",
            self.stderr()
        );
        self
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.0.stdout).unwrap()
    }
}
