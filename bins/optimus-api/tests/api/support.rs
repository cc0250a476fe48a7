//! A real server for each test, over a real Redis or a store in memory.

use std::{path::PathBuf, sync::Arc, time::Duration};

use optimus_api::{App, Settings};
use optimus_common::{
    JobId, LanguageName, WorkerId,
    job::Outcome,
    result::{CompileResult, CompileVerdict, JobResult, OverallStatus, TestResult, Verdict},
};
use optimus_content::{ContentStore, FaultyContent, Memory, Rules};
use optimus_queue::{
    Claim, JobStore, PoolInfo, WorkerInfo, faulty::FaultyStore, memory::MemoryStore, redis::RedisStore,
};
use optimus_testkit::redis_socket::SocketRedis;
use reqwest::{Response, StatusCode, header};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    net::TcpListener,
    sync::oneshot,
    task::JoinHandle,
    time::{sleep, timeout},
};
use uuid::Uuid;

/// Nothing here takes long; this bounds a test that hangs.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(30);

/// A Redis server in a folder of its own, which keeps what it has confirmed.
pub(crate) struct Redis {
    server: Option<SocketRedis>,
    folder: TempDir,
}

impl Redis {
    pub(crate) fn start() -> Self {
        let mut redis = Self::absent();
        let arguments = ["--appendonly", "yes", "--appendfsync", "always"];
        redis.server = Some(SocketRedis::start(redis.folder.path(), &arguments));
        redis
    }

    /// The folder without a server.
    fn absent() -> Self {
        Self {
            server: None,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn server(&self) -> &SocketRedis {
        self.server.as_ref().expect("there is a server")
    }

    /// Starts the server over the data it left.
    pub(crate) fn resume(&self) {
        self.server().start_again();
    }

    /// Kills the server; nothing is lost that it had confirmed.
    pub(crate) fn kill(&self) {
        self.server().kill();
    }

    pub(crate) fn url(&self) -> String {
        format!("redis+unix://{}", self.server().socket().display())
    }
}

/// A server over a store, and everything a test does with them.
pub(crate) struct Api<S = RedisStore> {
    pub(crate) store: Arc<S>,
    pub(crate) content: Arc<dyn ContentStore>,
    /// The same, below and around.
    pub(crate) memory: Memory,
    pub(crate) content_faults: FaultyContent,
    pub(crate) redis: Redis,
    pub(crate) languages_file: PathBuf,
    url: String,
    client: reqwest::Client,
    stop: Option<oneshot::Sender<()>>,
    server: JoinHandle<std::io::Result<()>>,
    worker: WorkerId,
}

impl Api {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// Starts with settings that differ from the defaults.
    pub(crate) async fn start_with(change: impl FnOnce(&mut Settings)) -> Self {
        let redis = Redis::start();
        let mut settings = settings(&redis);
        settings.redis.url = redis.url();
        settings.redis.connection_timeout = Duration::from_secs(1);
        change(&mut settings);
        let store = connect(&settings).await;
        Self::serve(redis, settings, store).await
    }
}

/// A store of this process alone, that fails when it is told to.
pub(crate) type InMemory = FaultyStore<MemoryStore>;

impl Api<InMemory> {
    pub(crate) async fn in_memory() -> Self {
        Self::in_memory_with(|_| {}).await
    }

    pub(crate) async fn in_memory_with(change: impl FnOnce(&mut Settings)) -> Self {
        let redis = Redis::absent();
        let mut settings = settings(&redis);
        change(&mut settings);
        let store = FaultyStore::new(MemoryStore::new(&settings.queue));
        Self::serve(redis, settings, store).await
    }
}

/// The defaults, with a file of languages that a test may change.
fn settings(redis: &Redis) -> Settings {
    let mut settings = Settings::defaults();
    let languages_file = redis.folder.path().join("languages.json");
    std::fs::write(&languages_file, include_str!("../../../../config/languages.json")).unwrap();
    settings.languages_file = languages_file.into();
    settings
}

impl<S: JobStore> Api<S> {
    async fn serve(redis: Redis, settings: Settings, store: S) -> Self {
        let languages_file = redis.folder.path().join("languages.json");
        let store = Arc::new(store);
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let memory = Memory::new(Rules {
            min_kept: settings.content.min_kept,
            ..Rules::of(&settings.content)
        });
        let content_faults = FaultyContent::new(Arc::new(memory.clone()));
        let content: Arc<dyn ContentStore> = Arc::new(content_faults.clone());
        let app = Arc::new(App::new(store.clone(), Arc::clone(&content), settings).unwrap());
        let (stop, stopped) = oneshot::channel();
        let server = tokio::spawn(optimus_api::serve(listener, app, async {
            let _ = stopped.await;
        }));
        Self {
            store,
            content,
            memory,
            content_faults,
            redis,
            languages_file,
            url,
            client: reqwest::Client::new(),
            stop: Some(stop),
            server,
            worker: WorkerId::new(),
        }
    }

    /// Asks the server to end.
    pub(crate) fn stop(&mut self) {
        self.stop.take().expect("not stopped yet").send(()).unwrap();
    }

    pub(crate) async fn stopped(&mut self) {
        timeout(TIMEOUT, &mut self.server)
            .await
            .unwrap()
            .unwrap()
            .unwrap();
    }

    pub(crate) fn get(&self, path: &str) -> reqwest::RequestBuilder {
        self.client.get(format!("{}{path}", self.url))
    }

    pub(crate) fn delete(&self, path: &str) -> reqwest::RequestBuilder {
        self.client.delete(format!("{}{path}", self.url))
    }

    pub(crate) fn post(&self, path: &str) -> reqwest::RequestBuilder {
        self.client.post(format!("{}{path}", self.url))
    }

    pub(crate) fn request(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url))
    }

    pub(crate) fn address(&self) -> &str {
        self.url.strip_prefix("http://").unwrap()
    }

    /// Posts text that is said to be JSON.
    pub(crate) async fn submit_text(&self, body: impl Into<reqwest::Body>) -> Response {
        let request = self
            .post("/jobs")
            .header(header::CONTENT_TYPE, "application/json")
            .body(body);
        request.send().await.unwrap()
    }

    pub(crate) async fn submit(&self, submission: &Value) -> Response {
        self.submit_text(submission.to_string()).await
    }

    /// Submits what must be accepted.
    pub(crate) async fn accepted(&self, submission: &Value) -> JobId {
        let answer = self.submit(submission).await;
        assert_eq!(answer.status(), StatusCode::ACCEPTED);
        job_id(&answer.json().await.unwrap())
    }

    pub(crate) async fn record(&self, id: JobId) -> Value {
        self.get(&format!("/jobs/{id}"))
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap()
    }

    /// Does a worker's part: claims the next job.
    pub(crate) async fn claim(&self, language: &str) -> Claim {
        let language = language_name(language);
        let claim = async {
            loop {
                if let Some(claim) = self.store.claim(&language, &self.worker).await.unwrap() {
                    return claim;
                }
                self.store
                    .wait_for_work(&language, Duration::from_secs(1))
                    .await
                    .unwrap();
            }
        };
        timeout(TIMEOUT, claim).await.expect("a job to claim")
    }

    pub(crate) async fn finish(&self, claim: &Claim) {
        let outcome = Outcome::Completed(accepted_result(claim));
        self.store.finish(&claim.lease, outcome).await.unwrap();
    }

    /// Announces a worker with one pool for each of these languages.
    pub(crate) async fn announce(&self, pools: &[(&str, Option<&str>)]) {
        self.announce_with_content(pools, None).await;
    }

    /// The same, of one that reads this content store.
    pub(crate) async fn announce_with_content(&self, pools: &[(&str, Option<&str>)], content: Option<Uuid>) {
        let pool = |(language, unavailable): &(&str, Option<&str>)| PoolInfo {
            language: language_name(language),
            slots: 2,
            busy: 1,
            unavailable: unavailable.map(ToOwned::to_owned),
            toolchain: unavailable.is_none().then(|| format!("{language} 1.2.3")),
        };
        let worker = WorkerInfo {
            id: self.worker.clone(),
            host: "here".to_owned(),
            pools: pools.iter().map(pool).collect(),
            content,
        };
        self.store.heartbeat(&worker).await.unwrap();
    }
}

/// The server listens on its socket a moment after its start.
pub(crate) async fn connect(settings: &Settings) -> RedisStore {
    let attempt = async {
        loop {
            if let Ok(store) = RedisStore::connect(&settings.redis, &settings.queue).await {
                return store;
            }
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(TIMEOUT, attempt).await.expect("a Redis that answers")
}

pub(crate) fn language_name(name: &str) -> LanguageName {
    name.parse().unwrap()
}

pub(crate) fn job_id(answer: &Value) -> JobId {
    answer["job_id"].as_str().unwrap().parse().unwrap()
}

/// The submission of the original description.
pub(crate) fn submission() -> Value {
    json!({
        "language": "python",
        "source_code": "print(input())",
        "test_cases": [{"id": 1, "input": "hi\n", "expected_output": "hi\n"}],
        "timeout_ms": 5000
    })
}

/// As [`submission`], with one field replaced or added.
pub(crate) fn submission_with(field: &str, value: Value) -> Value {
    let mut submission = submission();
    submission[field] = value;
    submission
}

pub(crate) fn accepted_result(claim: &Claim) -> JobResult {
    let tests = &claim.submission.test_cases;
    let result = |id| TestResult {
        test_id: id,
        passed: true,
        verdict: Verdict::Accepted,
        stdout: "hi\n".to_owned(),
        stderr: String::new(),
        stdout_base64: None,
        stderr_base64: None,
        execution_time_ms: 14,
        cpu_time_ms: 11,
        peak_memory_bytes: 9_437_184,
        exit_code: Some(0),
        signal: None,
        stdout_truncated: false,
        stderr_truncated: false,
        message: None,
        evidence: None,
    };
    let count = u32::try_from(tests.len()).unwrap();
    JobResult {
        overall_status: OverallStatus::Success,
        verdict: Verdict::Accepted,
        score: Some(1.0),
        total_tests: count,
        passed_tests: count,
        entry_point: None,
        compile: Some(CompileResult {
            stdout_truncated: false,
            stderr_truncated: false,
            verdict: CompileVerdict::Ok,
            stdout: String::new(),
            stderr: String::new(),
            execution_time_ms: 0,
            cpu_time_ms: 0,
            peak_memory_bytes: 0,
            message: None,
            evidence: None,
        }),
        test_results: tests.iter().map(|test| result(test.id)).collect(),
    }
}

/// The problem in an answer, checked for what all of them have.
pub(crate) async fn problem(answer: Response) -> Value {
    let status = answer.status();
    assert!(status.is_client_error() || status.is_server_error(), "{status}");
    assert_eq!(answer.headers()[header::CONTENT_TYPE], "application/problem+json");
    let request_id = answer.headers()["x-request-id"].to_str().unwrap().to_owned();
    let problem: Value = answer.json().await.unwrap();
    assert_eq!(problem["status"], status.as_u16());
    assert_eq!(problem["request_id"], request_id);
    for text in ["type", "title", "detail", "instance"] {
        assert!(
            problem[text].as_str().is_some_and(|text| !text.is_empty()),
            "{text}: {problem}"
        );
    }
    problem
}
