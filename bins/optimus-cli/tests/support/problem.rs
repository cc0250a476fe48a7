//! A problem's folder, graded by the real binary with native boxes.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use optimus_testkit::cgroups;
use serde_json::Value;
use tempfile::TempDir;

use super::Ended;

/// Longer than the removal of boxes takes on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(20);

pub(crate) const DOUBLE: &str = "print(2 * int(input()))\n";

/// A problem's folder, and beside it one for whatever a run leaves behind.
pub(crate) struct Problem {
    folder: TempDir,
    cgroup: String,
}

impl Problem {
    /// Doubles a number: 2 gives what squaring gives too, 3 does not.
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let name = folder.path().file_name().unwrap().to_string_lossy();
        let problem = Self {
            cgroup: format!("optimus-test{}", name.replace('.', "-")),
            folder,
        };
        fs::create_dir(problem.path().join("tmp")).unwrap();
        problem.write(&[
            ("p/data/sample/1.in", "2\n"),
            ("p/data/sample/1.ans", "4\n"),
            ("p/data/secret/1-three.in", "3\n"),
            ("p/data/secret/1-three.ans", "6\n"),
        ]);
        problem.write(files);
        problem
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn write(&self, files: &[(&str, &str)]) {
        for (name, content) in files {
            let path = self.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_optimus-cli"));
        command
            .args(["grade", "--backend", "native", "--data-dir", "data"])
            .args(args)
            .current_dir(self.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.path())
            .env("TMPDIR", self.path().join("tmp"))
            .env("OPTIMUS__NATIVE__CGROUP", format!("/{}", self.cgroup))
            .stdin(Stdio::null());
        command
    }

    /// Runs it to its end, after which nothing of it may be left.
    pub(crate) fn grade(&self, args: &[&str]) -> Ended {
        let ended = Ended(self.command(args).output().unwrap());
        self.assert_nothing_is_left();
        ended
    }

    #[track_caller]
    pub(crate) fn assert_nothing_is_left(&self) {
        let left: Vec<_> = fs::read_dir(self.path().join("tmp"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        assert!(left.is_empty(), "{left:?}");
        let below = |folder: PathBuf| -> Vec<PathBuf> {
            let inside = fs::read_dir(folder).into_iter().flatten().flatten();
            inside
                .map(|entry| entry.path())
                .filter(|path| path.is_dir())
                .collect()
        };
        let cgroups = || -> Vec<_> {
            let hierarchies = below("/sys/fs/cgroup".into())
                .into_iter()
                .chain(["/sys/fs/cgroup".into()]);
            hierarchies
                .flat_map(|hierarchy| below(hierarchy.join(&self.cgroup)))
                .collect()
        };
        // The process that makes boxes sees that its worker is gone, and then removes everything.
        let asked = Instant::now();
        while !cgroups().is_empty() {
            assert!(asked.elapsed() < TIMEOUT, "{:?}", cgroups());
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Problem {
    fn drop(&mut self) {
        // Empty, or the test has failed by now.
        for folder in cgroups::folders(&self.cgroup) {
            let _ = fs::remove_dir(folder);
        }
    }
}

/// The solution of this name in `--json`'s report.
#[track_caller]
pub(crate) fn solution<'a>(report: &'a Value, name: &str) -> &'a Value {
    let solutions = report["solutions"].as_array().unwrap();
    let found = solutions.iter().find(|solution| solution["name"] == name);
    found.unwrap_or_else(|| panic!("no {name} in {report:#}"))
}
