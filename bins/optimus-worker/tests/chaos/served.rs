//! `optimus-cli serve`: everything in one process, jobs in SQLite, native boxes.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
};

use optimus_testkit::{
    boxes::{Boxes, Kind},
    client::Client,
    process::Process,
    project::project,
    redis::free_port,
    until,
};
use rusqlite::{Connection, OpenFlags};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::{binaries, fleet::acknowledged, leftovers};

#[derive(Debug)]
pub(crate) struct Served {
    pub(crate) client: Client,
    pub(crate) process: Process,
    language: &'static str,
    environment: Vec<(&'static str, String)>,
    data: PathBuf,
    scope: String,
    boxes: Boxes,
    port: u16,
    logs: Vec<PathBuf>,
    dir: TempDir,
}

impl Served {
    /// With its data in `data` below the folder; returns when the languages can be graded.
    pub(crate) async fn start(
        dir: TempDir,
        language: &'static str,
        environment: Vec<(&'static str, String)>,
    ) -> Self {
        let name = dir.path().file_name().unwrap().to_string_lossy();
        let scope = format!("chaos-{}", name.trim_start_matches('.'));
        let port = free_port();
        let (data, mut logs) = (dir.path().join("data"), Vec::new());
        let command = command(language, &environment, &data, &scope, port);
        let process = launch(dir.path(), &mut logs, command);
        let mut served = Self {
            client: Client::new(port),
            process,
            language,
            environment,
            data,
            boxes: Boxes::new(Kind::Native, scope.clone()),
            scope,
            port,
            logs,
            dir,
        };
        served.until_available().await;
        served
    }

    /// Does what a service manager would: starts it again where it gave up before it had begun, because what it tried out
    /// was killed.
    pub(crate) fn revive(&mut self) {
        if let Some(status) = self.process.status() {
            let log = self.process.log();
            assert!(
                log.contains("there can be no"),
                "it left by itself with {status}; its log:\n{log}"
            );
            self.start_again();
        }
    }

    pub(crate) async fn until_available(&mut self) {
        until("all languages are available", async || {
            self.revive();
            for name in self.language.split(',') {
                if !self.client.is_available(name).await {
                    return false;
                }
            }
            true
        })
        .await;
    }

    /// `kill -9`, and a new start right after that.
    pub(crate) async fn replace(&mut self) {
        self.process.kill().await;
        self.start_again();
    }

    pub(crate) fn start_again(&mut self) {
        let command = command(
            self.language,
            &self.environment,
            &self.data,
            &self.scope,
            self.port,
        );
        self.process = launch(self.dir.path(), &mut self.logs, command);
    }

    pub(crate) fn kill_boxes(&self) {
        self.boxes.kill_all();
    }

    /// Whether a process of this name runs in some box.
    pub(crate) fn has_guest(&self, name: &str) -> bool {
        leftovers::guests(&self.scope).iter().any(|guest| guest == name)
    }

    pub(crate) fn acknowledged(&self) -> BTreeMap<String, usize> {
        acknowledged(&self.logs)
    }

    /// The database as others may look at it.
    pub(crate) fn database(&self) -> Database {
        Database(self.data.join("jobs.sqlite"))
    }

    /// Ends it in peace. What is wrong with its file then.
    pub(crate) async fn leave(&mut self) -> Vec<String> {
        self.process.signal(Signal::TERM);
        let status = self.process.ended().await;
        assert!(
            status.success(),
            "serve left with {status}; its log ends with\n{}",
            self.process.log_end()
        );
        let soundness = self.database().soundness();
        let damaged = (soundness != "ok").then(|| format!("a damaged database: {soundness}"));
        damaged.into_iter().collect()
    }

    pub(crate) async fn left_over(self) -> Vec<String> {
        leftovers::found(&self.scope, self.dir.path(), &self.boxes).await
    }

    pub(crate) async fn stop(mut self) -> Vec<String> {
        let mut found = self.leave().await;
        found.extend(self.left_over().await);
        found
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("{}", self.process.log_end());
        }
        // The cgroup in which all of them get theirs, which stays as long as the machine is up.
        self.boxes.remove_all();
    }
}

fn command(language: &str, environment: &[(&str, String)], data: &Path, scope: &str, port: u16) -> Command {
    let mut command = Command::new(binaries::path("optimus-cli"));
    command
        .current_dir(project())
        .args(["serve", "--backend", "native", "--host", "127.0.0.1"])
        .args(["--port", &port.to_string(), "--language", language, "--data-dir"])
        .arg(data)
        .env("OPTIMUS__NATIVE__CGROUP", format!("/{scope}"))
        .envs(environment.iter().map(|(key, value)| (key, value)));
    command
}

fn launch(dir: &Path, logs: &mut Vec<PathBuf>, mut command: Command) -> Process {
    let name = format!("serve-{}", logs.len());
    logs.push(dir.join(format!("{name}.log")));
    Process::start(&name, dir, &mut command)
}

/// The file with the jobs, looked at from another process.
#[derive(Debug)]
pub(crate) struct Database(PathBuf);

impl Database {
    /// Bytes of the file and of its log.
    pub(crate) fn bytes(&self) -> u64 {
        let log = self.0.with_extension("sqlite-wal");
        let sizes = [&self.0, &log].map(|path| path.metadata().map_or(0, |file| file.len()));
        sizes.iter().sum()
    }

    pub(crate) fn jobs(&self) -> u64 {
        let count = "SELECT count(*) FROM jobs";
        self.open().query_row(count, [], |row| row.get(0)).unwrap()
    }

    fn soundness(&self) -> String {
        let check = "PRAGMA integrity_check";
        self.open().query_row(check, [], |row| row.get(0)).unwrap()
    }

    fn open(&self) -> Connection {
        Connection::open_with_flags(&self.0, OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap()
    }
}
