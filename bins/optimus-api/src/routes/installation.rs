//! What the installation offers and what waits in it, for people and dashboards.

use std::sync::Arc;

use axum::{Json, extract::State};
use optimus_common::{language::Language, submission::SubmissionLimits};
use optimus_judge::settings::LimitSettings;
use optimus_queue::WorkerInfo;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    App,
    fleet::{LanguageState, NOBODY, language_states, pools},
    problem::Problem,
};

/// The configured languages.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LanguageList {
    languages: Vec<LanguageEntry>,
}

/// One language.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LanguageEntry {
    #[schema(example = "python")]
    name: String,
    /// As configured.
    #[schema(example = "3.12")]
    version: String,
    /// What the toolchain itself says of its version, where a worker has told it.
    #[schema(example = "Python 3.12.8")]
    toolchain: Option<String>,
    /// Whether a worker takes its jobs at the moment. Jobs submitted meanwhile wait.
    available: bool,
    /// Why it is not available.
    reason: Option<String>,
    #[schema(example = ".py")]
    file_extension: String,
    /// What its sources may end in as well. In lower case it stands for any case.
    #[schema(example = json!([".py3"]))]
    other_extensions: Vec<String>,
    /// Tests of one job that run at once.
    max_parallel_tests: u32,
    limits: LanguageLimits,
}

/// What a submission in this language gets where it says nothing, and the most it may ask for.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LanguageLimits {
    timeout_ms: u64,
    compile_timeout_ms: u64,
    memory_limit_mb: u64,
    output_limit_bytes: u64,
    /// Applied to the time limits of a run, those a submission names included.
    time_multiplier: f64,
    /// Added to the memory limit of a run for what the runtime itself needs.
    memory_allowance_mb: u64,
    max: SubmissionLimits,
}

impl LanguageEntry {
    fn new(language: &Language, limits: &LimitSettings, workers: &[WorkerInfo]) -> Self {
        let pools = || pools(workers, &language.name);
        let available = pools().any(|pool| pool.unavailable.is_none());
        let reason = (!available).then(|| {
            let told = pools().find_map(|pool| pool.unavailable.clone());
            told.unwrap_or_else(|| NOBODY.to_owned())
        });
        Self {
            name: language.name.to_string(),
            version: language.version.clone(),
            toolchain: pools().find_map(|pool| pool.toolchain.clone()),
            available,
            reason,
            file_extension: language.execution.file_extension.clone(),
            other_extensions: language.execution.other_extensions.clone(),
            max_parallel_tests: language.concurrency.max_parallel_tests,
            limits: LanguageLimits {
                timeout_ms: limits.timeout_ms,
                compile_timeout_ms: limits.compile_timeout_ms,
                memory_limit_mb: language.memory_limit_mb,
                output_limit_bytes: limits.output_limit_bytes,
                time_multiplier: language.execution.time_multiplier,
                memory_allowance_mb: language.execution.memory_allowance_mb,
                max: limits.max.clone(),
            },
        }
    }
}

/// The languages there are, and whether they can be used at the moment.
#[utoipa::path(
    get,
    path = "/languages",
    tag = "installation",
    security((), ("token" = [])),
    responses(
        (status = 200, description = "All configured languages", body = LanguageList),
        (status = 401, description = "A token is needed"),
        (status = 503, description = "The store is not available"),
    )
)]
pub(crate) async fn languages(State(app): State<Arc<App>>) -> Result<Json<LanguageList>, Problem> {
    let workers = app.store.workers().await?;
    let configured = app.catalog.current();
    let entry = |language| LanguageEntry::new(language, &app.settings.limits, &workers);
    Ok(Json(LanguageList {
        languages: configured.languages.iter().map(entry).collect(),
    }))
}

/// The queues of all configured languages.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct QueueList {
    queues: Vec<QueueEntry>,
}

/// One language's queue and workers.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct QueueEntry {
    #[schema(example = "python")]
    language: String,
    /// Jobs that wait, in all: the sum of the next four.
    waiting: u64,
    interactive: u64,
    normal: u64,
    batch: u64,
    /// Waiting for the delay after a failure of Optimus to end.
    delayed: u64,
    /// Leased to a worker.
    running: u64,
    /// Out of attempts, and kept for inspection.
    dead: u64,
    /// Workers that take its jobs.
    workers: u64,
    /// Jobs they can run at once.
    slots: u64,
    /// Jobs they run.
    busy: u64,
}

impl From<LanguageState> for QueueEntry {
    fn from(
        LanguageState {
            depth,
            workers,
            slots,
            busy,
        }: LanguageState,
    ) -> Self {
        Self {
            language: depth.language.to_string(),
            waiting: depth.waiting(),
            interactive: depth.interactive,
            normal: depth.normal,
            batch: depth.batch,
            delayed: depth.delayed,
            running: depth.running,
            dead: depth.dead,
            workers,
            slots,
            busy,
        }
    }
}

/// What waits and runs, by language.
#[utoipa::path(
    get,
    path = "/queues",
    tag = "installation",
    security((), ("token" = [])),
    responses(
        (status = 200, description = "All queues", body = QueueList),
        (status = 401, description = "A token is needed"),
        (status = 503, description = "The store is not available"),
    )
)]
pub(crate) async fn queues(State(app): State<Arc<App>>) -> Result<Json<QueueList>, Problem> {
    let states = language_states(&*app.store, &app.catalog.current()).await?;
    Ok(Json(QueueList {
        queues: states.into_iter().map(Into::into).collect(),
    }))
}
