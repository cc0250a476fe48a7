//! A fleet: an API and some workers, as processes, each with a path of its own to the store.

use std::{
    collections::{BTreeMap, HashSet},
    fs,
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
use rustix::process::Signal;
use tempfile::TempDir;

use crate::{binaries, leftovers, proxy::Proxy};

/// A number that stands in no command but a claim: how much later interactive jobs may come and still go first.
pub(crate) const MARK_OF_A_CLAIM: &str = "61234";

/// Where the jobs are.
#[derive(Debug, Clone)]
pub(crate) enum Store {
    /// Redis at this port; every process reaches it by a proxy.
    At(u16),
    /// Redis by this URL, without proxies.
    Url(String),
}

#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) boxes: Kind,
    pub(crate) languages: &'static str,
    pub(crate) workers: usize,
    /// Jobs at once of each worker and language.
    pub(crate) concurrency: u32,
    pub(crate) environment: Vec<(&'static str, String)>,
}

/// Times short enough to see what happens after them, and as many attempts as there may be faults.
pub(crate) fn hasty() -> Vec<(&'static str, String)> {
    [
        ("OPTIMUS__QUEUE__LEASE_MS", "2500"),
        ("OPTIMUS__QUEUE__RENEW_MS", "400"),
        ("OPTIMUS__QUEUE__SAFETY_MARGIN_MS", "800"),
        ("OPTIMUS__QUEUE__REAP_MS", "300"),
        ("OPTIMUS__QUEUE__RETRY_BACKOFF_MS", "20"),
        ("OPTIMUS__QUEUE__MAX_ATTEMPTS", "10000"),
        ("OPTIMUS__QUEUE__PRIORITY_HEAD_START_MS", MARK_OF_A_CLAIM),
        ("OPTIMUS__WORKER__HEARTBEAT_MS", "400"),
        ("OPTIMUS__REDIS__RESPONSE_TIMEOUT_MS", "1000"),
        ("OPTIMUS__REDIS__CONNECTION_TIMEOUT_MS", "500"),
    ]
    .map(|(key, value)| (key, value.to_owned()))
    .to_vec()
}

impl Options {
    pub(crate) fn of(boxes: Kind) -> Self {
        Self {
            boxes,
            languages: "python",
            workers: 1,
            concurrency: 2,
            environment: hasty(),
        }
    }

    pub(crate) fn set(mut self, key: &'static str, value: impl Into<String>) -> Self {
        self.environment.push((key, value.into()));
        self
    }
}

/// A process, and its path to the store where it has one of its own.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) process: Process,
    path: Option<Proxy>,
}

impl Member {
    pub(crate) fn path(&self) -> &Proxy {
        self.path
            .as_ref()
            .expect("this fleet reaches its store by proxies")
    }
}

#[derive(Debug)]
pub(crate) struct Fleet {
    pub(crate) client: Client,
    pub(crate) api: Member,
    pub(crate) workers: Vec<Member>,
    store: Store,
    options: Options,
    boxes: Boxes,
    port: u16,
    scope: String,
    /// Processes started so far.
    started: usize,
    worker_logs: Vec<PathBuf>,
    dir: TempDir,
}

impl Fleet {
    /// Returns when every language can be graded.
    pub(crate) async fn start(dir: TempDir, store: Store, options: Options) -> Self {
        let name = dir.path().file_name().unwrap().to_string_lossy();
        let scope = format!("chaos-{}", name.trim_start_matches('.'));
        let boxes = Boxes::new(options.boxes, scope.clone());
        let port = free_port();
        let mut started = 0;
        let api = start_api(dir.path(), &mut started, &store, &options, port).await;
        let mut fleet = Self {
            client: Client::new(port),
            api,
            workers: Vec::new(),
            store,
            options,
            boxes,
            port,
            scope,
            started,
            worker_logs: Vec::new(),
            dir,
        };
        for _ in 0..fleet.options.workers {
            fleet.add_worker().await;
        }
        fleet.until_available().await;
        fleet
    }

    pub(crate) async fn add_worker(&mut self) {
        let worker = self.start_worker().await;
        self.workers.push(worker);
    }

    /// Kills a worker with `kill -9`, and starts another one in its place. The dead one's path is still there.
    pub(crate) async fn replace_worker(&mut self, index: usize) -> Member {
        self.workers[index].process.kill().await;
        let another = self.start_worker().await;
        std::mem::replace(&mut self.workers[index], another)
    }

    /// Kills a worker with `kill -9`. It is still there, for its path.
    pub(crate) async fn take_worker(&mut self, index: usize) -> Member {
        let mut dead = self.workers.remove(index);
        dead.process.kill().await;
        dead
    }

    /// A worker leaves in peace.
    pub(crate) async fn remove_worker(&mut self, index: usize) {
        let mut leaving = self.workers.remove(index);
        until("a worker works", async || worker_id(&leaving.process).is_some()).await;
        leaving.process.signal(Signal::TERM);
        leave(&mut leaving.process).await;
    }

    /// Kills the API with `kill -9`, and starts it again. The dead one's path is still there.
    pub(crate) async fn replace_api(&mut self) -> Member {
        self.api.process.kill().await;
        let (dir, started) = (self.dir.path(), &mut self.started);
        let another = start_api(dir, started, &self.store, &self.options, self.port).await;
        std::mem::replace(&mut self.api, another)
    }

    /// Of processes that are started from now on.
    pub(crate) fn set_environment(&mut self, variables: &[(&'static str, String)]) {
        self.options.environment.extend_from_slice(variables);
    }

    /// Every path to the store.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &Proxy> {
        self.workers.iter().chain([&self.api]).map(Member::path)
    }

    pub(crate) fn kill_boxes(&self) {
        self.boxes.kill_all();
    }

    /// Whether a process of this name runs in some box.
    pub(crate) fn has_guest(&self, name: &str) -> bool {
        leftovers::guests(&self.scope).iter().any(|guest| guest == name)
    }

    async fn start_worker(&mut self) -> Member {
        let command = Command::new(binaries::path("optimus-worker"));
        self.launch_worker("worker", command).await
    }

    /// A worker by a program of another release.
    pub(crate) async fn start_previous_worker(&mut self, program: &Path) -> Member {
        self.launch_worker("previous-worker", of_previous(program)).await
    }

    /// An API by a program of another release, beside this fleet's own.
    pub(crate) async fn start_previous_api(&mut self, program: &Path, port: u16) -> Member {
        self.started += 1;
        let name = format!("previous-api-{}", self.started);
        let command = of_previous(program);
        launch_api(&name, command, self.dir.path(), &self.store, &self.options, port).await
    }

    async fn launch_worker(&mut self, kind: &str, mut command: Command) -> Member {
        self.started += 1;
        let name = format!("{kind}-{}", self.started);
        self.worker_logs.push(self.dir.path().join(format!("{name}.log")));
        command
            .args(["--backend", self.options.boxes.backend()])
            .args(["--language", self.options.languages])
            .args(["--concurrency", &self.options.concurrency.to_string()])
            .envs(self.boxes.settings());
        start(&name, self.dir.path(), &self.store, &self.options, command).await
    }

    /// Does what a service manager would: starts workers again that gave up before they had begun, because what they
    /// tried out was killed.
    pub(crate) async fn revive(&mut self) {
        for index in 0..self.workers.len() {
            let process = &mut self.workers[index].process;
            if let Some(status) = process.status() {
                assert!(
                    worker_id(process).is_none(),
                    "{} left by itself with {status}; its log ends with\n{}",
                    process.name(),
                    process.log_end()
                );
                self.workers[index] = self.start_worker().await;
            }
        }
    }

    /// Waits until every language that the workers serve can be graded.
    pub(crate) async fn until_available(&mut self) {
        let chosen: Vec<_> = self.options.languages.split(',').collect();
        until("all languages are available", async || {
            self.revive().await;
            for name in &chosen {
                if !self.client.is_available(name).await {
                    return false;
                }
            }
            true
        })
        .await;
    }

    /// How many finishes each job's workers were told are accepted.
    pub(crate) fn acknowledged(&self) -> BTreeMap<String, usize> {
        acknowledged(&self.worker_logs)
    }

    /// Ids of jobs whose finish a worker of another release was told is accepted.
    pub(crate) fn acknowledged_by_previous(&self) -> HashSet<String> {
        let is_previous = |log: &&PathBuf| {
            log.file_name()
                .unwrap()
                .to_string_lossy()
                .starts_with("previous-")
        };
        let logs: Vec<_> = self.worker_logs.iter().filter(is_previous).cloned().collect();
        acknowledged(&logs).into_keys().collect()
    }

    /// Bytes of memory of each process that lives, by name.
    pub(crate) fn memory(&self) -> Vec<(String, u64)> {
        let members = self.workers.iter().chain([&self.api]);
        members
            .map(|member| (member.process.name().to_owned(), member.process.own_memory()))
            .collect()
    }

    /// Stops everything in peace. What is left over then.
    pub(crate) async fn stop(&mut self) -> Vec<String> {
        // Boxes of workers that died are the others' to remove.
        until("what dead workers left is removed", async || {
            let living = self
                .workers
                .iter()
                .filter_map(|worker| worker_id(&worker.process));
            let living: Vec<_> = living.collect();
            let is_alive = |owner: &String| living.iter().any(|id| owner.ends_with(id));
            living.len() == self.workers.len() && self.boxes.owners().iter().all(is_alive)
        })
        .await;
        for worker in &self.workers {
            worker.process.signal(Signal::TERM);
        }
        for member in &mut self.workers {
            leave(&mut member.process).await;
        }
        self.api.process.signal(Signal::TERM);
        leave(&mut self.api.process).await;
        leftovers::found(&self.scope, self.dir.path(), &self.boxes).await
    }
}

impl Drop for Fleet {
    /// Shows the ends of all logs where a test fails, and leaves nothing behind.
    fn drop(&mut self) {
        if std::thread::panicking() {
            for member in self.workers.iter().chain([&self.api]) {
                println!("{}", member.process.log_end());
            }
        }
        // Dead first, so that they make no more.
        self.workers.clear();
        self.boxes.remove_all();
    }
}

async fn leave(process: &mut Process) {
    let status = process.ended().await;
    assert!(
        status.success(),
        "{} left with {status}; its log ends with\n{}",
        process.name(),
        process.log_end()
    );
}

async fn start_api(dir: &Path, started: &mut usize, store: &Store, options: &Options, port: u16) -> Member {
    *started += 1;
    let name = format!("api-{started}");
    let command = Command::new(binaries::path("optimus-api"));
    launch_api(&name, command, dir, store, options, port).await
}

/// A program of another release, with the settings and languages of that.
fn of_previous(program: &Path) -> Command {
    let has_settings = |folder: &&Path| folder.join("config/languages.json").exists();
    let root = program
        .ancestors()
        .find(has_settings)
        .expect("the release's config/");
    let mut command = Command::new(binaries::copy_of_previous(program));
    command.current_dir(root);
    command
}

async fn launch_api(
    name: &str,
    mut command: Command,
    dir: &Path,
    store: &Store,
    options: &Options,
    port: u16,
) -> Member {
    command
        .args(["--host", "127.0.0.1", "--port", &port.to_string()])
        .env("OPTIMUS__LOG__FILTER", "warn");
    start(name, dir, store, options, command).await
}

async fn start(name: &str, dir: &Path, store: &Store, options: &Options, mut command: Command) -> Member {
    let (url, path) = match store {
        Store::At(port) => {
            let proxy = Proxy::to(*port).await;
            (proxy.url(), Some(proxy))
        }
        Store::Url(url) => (url.clone(), None),
    };
    if command.get_current_dir().is_none() {
        command.current_dir(project());
    }
    command
        .args(["--redis-url", &url])
        .envs(options.environment.iter().map(|(key, value)| (key, value)));
    let process = Process::start(name, dir, &mut command);
    Member { process, path }
}

/// The id under which a worker announced itself, once it has.
pub(crate) fn worker_id(process: &Process) -> Option<String> {
    let log = process.log();
    let (_, rest) = log.split_once("working worker_id=")?;
    rest.split_whitespace().next().map(str::to_owned)
}

/// By job, how often a worker that logged into one of these files was told that its result is accepted.
pub(crate) fn acknowledged(logs: &[PathBuf]) -> BTreeMap<String, usize> {
    let mut times = BTreeMap::new();
    for log in logs {
        let log = fs::read(log).unwrap_or_default();
        for line in String::from_utf8_lossy(&log).lines() {
            if line.contains(": job finished ") {
                // The span around the event tells the job's id; before there were spans, the event itself.
                let (_, rest) = line
                    .split_once("job{job_id=")
                    .or_else(|| line.split_once("job finished job_id="))
                    .expect(line);
                let id = rest.split_whitespace().next().expect(line);
                *times.entry(id.to_owned()).or_default() += 1;
            }
        }
    }
    times
}
