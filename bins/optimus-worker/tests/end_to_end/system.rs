//! The whole system, from its binaries: Redis, the API, workers, and the engine's containers.

use std::{path::Path, process::Command, time::Duration};

use optimus_common::language::Languages;
use optimus_testkit::{
    boxes::{Boxes, Kind},
    client::{Client, Method, StatusCode},
    process::Process,
    project::{binary, project},
    redis::{Redis, free_port},
    until,
    waiting::until_within,
};
use serde_json::Value;
use tempfile::TempDir;

/// Longer than all languages take to be prepared anew on a slow and busy machine: their toolchains are copied, and Go's
/// library is compiled.
const PREPARING: Duration = Duration::from_mins(10);

/// What is started, and how.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) boxes: Kind,
    /// What the workers serve.
    pub(crate) languages: &'static str,
    pub(crate) workers: usize,
    /// Jobs at once of each worker and language.
    pub(crate) concurrency: u32,
    /// Settings beside the defaults.
    pub(crate) settings: Vec<(&'static str, String)>,
}

impl Options {
    /// Python alone, with times short enough to see what happens after them.
    pub(crate) fn hasty(boxes: Kind) -> Self {
        let settings = [
            ("OPTIMUS__QUEUE__LEASE_MS", "3000"),
            ("OPTIMUS__QUEUE__RENEW_MS", "500"),
            ("OPTIMUS__QUEUE__SAFETY_MARGIN_MS", "1000"),
            ("OPTIMUS__QUEUE__REAP_MS", "500"),
            ("OPTIMUS__QUEUE__RETRY_BACKOFF_MS", "100"),
            ("OPTIMUS__WORKER__HEARTBEAT_MS", "500"),
        ];
        Self {
            boxes,
            languages: "python",
            workers: 1,
            concurrency: 2,
            settings: settings.map(|(key, value)| (key, value.to_owned())).to_vec(),
        }
    }

    fn serves(&self, language: &str) -> bool {
        self.languages == "all" || self.languages.split(',').any(|name| name == language)
    }

    /// Everything, as it is shipped.
    pub(crate) fn shared(boxes: Kind) -> Self {
        Self {
            boxes,
            languages: "all",
            workers: 1,
            concurrency: 2,
            settings: Vec::new(),
        }
    }

    pub(crate) fn set(mut self, key: &'static str, value: &str) -> Self {
        self.settings.push((key, value.to_owned()));
        self
    }
}

#[derive(Debug)]
pub(crate) struct System {
    pub(crate) client: Client,
    pub(crate) redis: Redis,
    pub(crate) workers: Vec<Process>,
    api: Process,
    api_port: u16,
    options: Options,
    started_workers: usize,
    boxes: Boxes,
    dir: TempDir,
}

impl System {
    pub(crate) async fn start(options: Options) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let redis = Redis::start(dir.path()).await;
        let api_port = free_port();
        let scope = dir
            .path()
            .file_name()
            .unwrap()
            .to_string_lossy()
            .trim_start_matches('.')
            .to_owned();
        let boxes = Boxes::new(options.boxes, scope);
        boxes.require(&languages(), |name| options.serves(name));
        let api = start_api(dir.path(), &redis, api_port, &options);
        let workers = options.workers;
        let client = Client::new(api_port);
        let mut system = Self {
            client,
            redis,
            workers: Vec::new(),
            api,
            api_port,
            options,
            started_workers: 0,
            boxes,
            dir,
        };
        until("the API answers", async || {
            system.api.assert_running();
            system.client.ask(Method::GET, "/health", None).await.is_some()
        })
        .await;
        for _ in 0..workers {
            system.start_worker();
        }
        if workers > 0 {
            system.until_available().await;
        }
        system
    }

    /// Starts one more worker; its index is the next free one of `workers`.
    pub(crate) fn start_worker(&mut self) {
        self.started_workers += 1;
        let mut command = Command::new(env!("CARGO_BIN_EXE_optimus-worker"));
        command
            .args([
                "--language",
                self.options.languages,
                "--concurrency",
                &self.options.concurrency.to_string(),
            ])
            .args(["--redis-url", &self.redis.url()])
            .args(["--backend", self.options.boxes.backend()])
            .envs(self.boxes.settings());
        configure(&mut command, &self.options);
        let name = format!("worker-{}", self.started_workers);
        self.workers
            .push(Process::start(&name, self.dir.path(), &mut command));
    }

    /// Waits until every chosen language can be graded.
    pub(crate) async fn until_available(&mut self) {
        let known = languages()
            .languages
            .into_iter()
            .map(|language| language.name.to_string());
        let chosen: Vec<_> = known.filter(|name| self.options.serves(name)).collect();
        until_within(PREPARING, "all languages are available", async || {
            for worker in &mut self.workers {
                worker.assert_running();
            }
            let Some(answer) = self.client.ask(Method::GET, "/languages", None).await else {
                return false;
            };
            answer.status == StatusCode::OK
                && chosen
                    .iter()
                    .all(|name| language_of(&answer.body, name)["available"] == true)
        })
        .await;
    }

    pub(crate) async fn language(&self, name: &str) -> Value {
        language_of(&self.client.get("/languages").await.body, name)
    }

    pub(crate) async fn kill_api(&mut self) {
        self.api.kill().await;
    }

    pub(crate) fn start_api(&mut self) {
        self.api = start_api(self.dir.path(), &self.redis, self.api_port, &self.options);
    }

    pub(crate) fn api(&self) -> &Process {
        &self.api
    }

    /// Kills every box behind the workers' backs.
    pub(crate) fn kill_boxes(&self) {
        self.boxes.kill_all();
    }

    /// The id under which a worker announced itself.
    pub(crate) fn worker_id(&self, index: usize) -> String {
        let log = self.workers[index].log();
        let (_, id) = log
            .split_once("working worker_id=")
            .expect("it announced itself before it was available");
        id.split_whitespace().next().unwrap().to_owned()
    }

    /// Waits until the boxes that a dead worker left are gone, while others work on.
    pub(crate) async fn until_no_box_of(&self, worker: &str) {
        until("the dead worker's boxes are removed", async || {
            !self.boxes.owners().iter().any(|owner| owner.ends_with(worker))
        })
        .await;
    }

    /// Stops everything in peace, and checks that nothing is left over.
    pub(crate) async fn stop(mut self) {
        for worker in &self.workers {
            worker.signal(rustix::process::Signal::TERM);
        }
        for worker in &mut self.workers {
            let status = worker.ended().await;
            assert!(
                status.success(),
                "a worker left with {status}; its log ends with\n{}",
                worker.log_end()
            );
        }
        self.until_no_box().await;
        let status = self.api.terminate().await;
        assert!(
            status.success(),
            "the API left with {status}; its log ends with\n{}",
            self.api.log_end()
        );
        self.redis.stop().await;
    }

    /// Waits until what was on its way out is gone.
    pub(crate) async fn until_no_box(&self) {
        until("no box is left over", async || self.boxes.owners().is_empty()).await;
    }
}

impl Drop for System {
    /// Shows the ends of all logs where a test fails, and leaves nothing behind.
    fn drop(&mut self) {
        if std::thread::panicking() {
            for process in self.workers.iter().chain([&self.api]) {
                println!("{}", process.log_end());
            }
        }
        // Dead first, so that they make no more.
        self.workers.clear();
        self.boxes.remove_all();
    }
}

fn start_api(dir: &Path, redis: &Redis, port: u16, options: &Options) -> Process {
    let mut command = Command::new(binary("optimus-api"));
    command.env("OPTIMUS__LOG__FILTER", "warn");
    command.args([
        "--host",
        "127.0.0.1",
        "--port",
        &port.to_string(),
        "--redis-url",
        &redis.url(),
    ]);
    configure(&mut command, options);
    Process::start("api", dir, &mut command)
}

fn configure(command: &mut Command, options: &Options) {
    command.current_dir(project());
    command.envs(options.settings.iter().map(|(key, value)| (key, value)));
}

pub(crate) fn languages() -> Languages {
    Languages::load(&project().join("config/languages.json")).unwrap()
}

fn language_of(answer: &Value, name: &str) -> Value {
    let all = answer["languages"]
        .as_array()
        .unwrap_or_else(|| panic!("no languages in {answer}"));
    all.iter()
        .find(|language| language["name"] == name)
        .cloned()
        .unwrap_or(Value::Null)
}
