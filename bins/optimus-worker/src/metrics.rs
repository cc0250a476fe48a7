//! What a worker counts of itself, for `GET /metrics`.

use std::{
    fmt, io,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicU64},
    time::Duration,
};

use optimus_common::LanguageName;
use optimus_queue::PoolInfo;
use optimus_sandbox::pool::PoolStatus;
use optimus_service::{
    metrics::{Metrics, family},
    status::{self, Status},
    supervise::supervise,
};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet},
    metrics::{
        counter::{ConstCounter, Counter},
        family::Family,
        gauge::ConstGauge,
        histogram::Histogram,
    },
    registry::{Registry, Unit},
};
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;
use tracing::info;

use crate::{pool_states::PoolStates, settings::WorkerSettings};

/// Upper bounds in seconds: a warm box is there at once, a job in a long queue waits for an hour.
const WAITS: [f64; 14] = [
    0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 3600.0,
];

/// From a program that prints a line to the longest that is allowed.
const RUNS: [f64; 14] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0,
];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Language {
    language: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Job {
    language: String,
    verdict: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Attempt {
    language: String,
    end: &'static str,
}

type Durations = Family<Language, Histogram, fn() -> Histogram>;

/// The figures of one worker. Clones count for the same one.
#[derive(Debug, Clone)]
pub struct WorkerMetrics {
    registry: Arc<Registry>,
    jobs: Family<Job, Counter<u64, AtomicU64>>,
    attempts: Family<Attempt, Counter<u64, AtomicU64>>,
    queue_wait: Durations,
    box_wait: Durations,
    compile: Durations,
    run: Durations,
    /// Set once the worker has begun.
    pools: Arc<Mutex<Option<PoolStates>>>,
}

impl Default for WorkerMetrics {
    fn default() -> Self {
        let mut registry = Registry::default();
        let (jobs, attempts) = (Family::default(), Family::default());
        registry.register(
            "optimus_worker_jobs",
            "Jobs that this worker gave a result, by verdict",
            Family::clone(&jobs),
        );
        registry.register(
            "optimus_worker_attempts",
            "Claims of jobs that are over, by how they ended",
            Family::clone(&attempts),
        );
        let waits: fn() -> Histogram = || Histogram::new(WAITS);
        let runs: fn() -> Histogram = || Histogram::new(RUNS);
        let mut durations = |name, help, make| {
            let durations = Durations::new_with_constructor(make);
            registry.register_with_unit(name, help, Unit::Seconds, durations.clone());
            durations
        };
        Self {
            queue_wait: durations(
                "optimus_worker_queue_wait",
                "From a job's submission to its first claim",
                waits,
            ),
            box_wait: durations("optimus_worker_box_wait", "From a claim to a box for it", waits),
            compile: durations(
                "optimus_worker_compile_duration",
                "Wall time of compile steps, as measured in the box",
                runs,
            ),
            run: durations(
                "optimus_worker_run_duration",
                "Wall time of runs of tests, as measured in the box",
                runs,
            ),
            registry: Arc::new(registry),
            jobs,
            attempts,
            pools: Arc::default(),
        }
    }
}

/// Why nobody can be shown anything.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} (worker.metrics_address)")]
pub struct CannotListen {
    address: String,
    #[source]
    source: io::Error,
}

impl WorkerMetrics {
    /// Shows the figures where the settings say, until the answer is dropped.
    pub async fn listen(
        &self,
        settings: &WorkerSettings,
    ) -> Result<Option<AbortOnDropHandle<()>>, CannotListen> {
        let address = &settings.metrics_address;
        if address.is_empty() {
            return Ok(None);
        }
        let listening = async {
            let listener = TcpListener::bind(address).await?;
            io::Result::Ok((listener.local_addr()?, Arc::new(listener)))
        };
        let (address, listener) = listening.await.map_err(|source| CannotListen {
            address: address.clone(),
            source,
        })?;
        info!(%address, "metrics");
        let status: Arc<dyn Status> = Arc::new(self.clone());
        let serving = supervise("showing metrics", move || {
            status::serve(Arc::clone(&listener), Arc::clone(&status))
        });
        Ok(Some(AbortOnDropHandle::new(tokio::spawn(serving))))
    }

    pub(crate) fn job_finished(&self, language: &LanguageName, verdict: &'static str) {
        let language = language.to_string();
        self.jobs.get_or_create(&Job { language, verdict }).inc();
    }

    pub(crate) fn attempt_ended(&self, language: &LanguageName, end: &'static str) {
        let language = language.to_string();
        self.attempts.get_or_create(&Attempt { language, end }).inc();
    }

    pub(crate) fn queue_wait(&self, language: &LanguageName, took: Duration) {
        observe(&self.queue_wait, language, took);
    }

    pub(crate) fn box_wait(&self, language: &LanguageName, took: Duration) {
        observe(&self.box_wait, language, took);
    }

    pub(crate) fn compiled(&self, language: &LanguageName, took: Duration) {
        observe(&self.compile, language, took);
    }

    pub(crate) fn ran(&self, language: &LanguageName, took: Duration) {
        observe(&self.run, language, took);
    }

    /// The worker has begun, and these are its pools.
    pub(crate) fn show(&self, pools: PoolStates) {
        *self.pools.lock().unwrap_or_else(PoisonError::into_inner) = Some(pools);
    }

    fn pools(&self) -> Option<PoolStates> {
        self.pools.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn observe(durations: &Durations, language: &LanguageName, took: Duration) {
    let language = language.to_string();
    durations
        .get_or_create(&Language { language })
        .observe(took.as_secs_f64());
}

impl Metrics for WorkerMetrics {
    fn encode(&self, text: &mut String) -> fmt::Result {
        self.registry.encode(text)?;
        let mut scrape = Registry::default();
        scrape.register_collector(Box::new(PoolMetrics(self.pools())));
        scrape.encode(text)
    }
}

impl Status for WorkerMetrics {
    /// Ready where it would take a job of some language.
    fn ready(&self) -> Result<(), String> {
        let Some(pools) = self.pools() else {
            return Err("the worker is starting".to_owned());
        };
        let mut reasons = Vec::new();
        for pool in pools.current().iter() {
            let info = pool.info();
            match info.unavailable {
                None => return Ok(()),
                Some(reason) => reasons.push(format!("{}: {reason}", info.language)),
            }
        }
        Err(reasons.join("; "))
    }
}

/// The pools as they are at one scrape.
#[derive(Debug)]
struct PoolMetrics(Option<PoolStates>);

/// Name, help and value of a figure of each pool.
type Figure = (&'static str, &'static str, fn(&PoolInfo, &PoolStatus) -> u64);

const GAUGES: [Figure; 5] = [
    (
        "optimus_worker_pool_available",
        "Whether this worker takes jobs of the language",
        |info, _| u64::from(info.unavailable.is_none()),
    ),
    (
        "optimus_worker_pool_slots",
        "Jobs that this worker can run at once",
        |info, _| info.slots.into(),
    ),
    (
        "optimus_worker_pool_busy_slots",
        "Jobs that this worker runs at the moment",
        |info, _| info.busy.into(),
    ),
    (
        "optimus_worker_pool_warm_boxes",
        "Boxes that wait for a job",
        |_, boxes| boxes.warm as u64,
    ),
    (
        "optimus_worker_pool_starting_boxes",
        "Boxes on their way",
        |_, boxes| boxes.starting as u64,
    ),
];

const COUNTERS: [Figure; 2] = [
    (
        "optimus_worker_box_starts",
        "Boxes that became ready",
        |_, boxes| boxes.made,
    ),
    (
        "optimus_worker_box_failures",
        "Boxes that could not be made, or broke while they waited for a job",
        |_, boxes| boxes.failures,
    ),
];

impl Collector for PoolMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Some(pools) = &self.0 else { return Ok(()) };
        let pools: Vec<_> = pools
            .current()
            .iter()
            .map(|pool| (pool.info(), pool.boxes()))
            .collect();
        let labels = |info: &PoolInfo| vec![("language", info.language.to_string())];
        for (name, help, value) in GAUGES {
            let values = pools
                .iter()
                .map(|(info, boxes)| (labels(info), ConstGauge::new(value(info, boxes))));
            family(&mut encoder, (name, help, None), values)?;
        }
        for (name, help, value) in COUNTERS {
            let values = pools
                .iter()
                .map(|(info, boxes)| (labels(info), ConstCounter::new(value(info, boxes))));
            family(&mut encoder, (name, help, None), values)?;
        }
        Ok(())
    }
}
