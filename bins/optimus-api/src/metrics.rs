//! `GET /metrics`: what this process counted of its requests, and what the store says of the whole installation.

use std::{fmt, sync::atomic::AtomicU64, time::Duration};

use axum::http::{Method, StatusCode};
use optimus_service::metrics::{self, Metrics, family};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric},
    metrics::{
        counter::{ConstCounter, Counter},
        family::Family,
        gauge::ConstGauge,
        histogram::Histogram,
        info::Info,
    },
    registry::{Registry, Unit},
};

use crate::fleet::{Fleet, LanguageState};

/// Upper bounds in seconds: a plain request takes milliseconds, one that waits up to a minute.
const BUCKETS: [f64; 14] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0, 60.0,
];

/// Name, help and value of a gauge of each language.
type Gauge = (&'static str, &'static str, fn(&LanguageState) -> u64);

const GAUGES: [Gauge; 6] = [
    (
        "optimus_queue_delayed_jobs",
        "Jobs that wait for the delay after a failure to end",
        |s| s.depth.delayed,
    ),
    ("optimus_queue_running_jobs", "Jobs leased to a worker", |s| {
        s.depth.running
    }),
    (
        "optimus_queue_dead_jobs",
        "Jobs that ran out of attempts and are kept for inspection",
        |s| s.depth.dead,
    ),
    ("optimus_workers", "Workers that take jobs of the language", |s| {
        s.workers
    }),
    (
        "optimus_worker_slots",
        "Jobs that all workers can run at once",
        |s| s.slots,
    ),
    (
        "optimus_worker_busy_slots",
        "Jobs that all workers run at the moment",
        |s| s.busy,
    ),
];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    method: &'static str,
    /// The route's template, never the path: paths are without number.
    route: String,
    status: u16,
}

/// The requests this process answered.
pub(crate) struct HttpMetrics {
    registry: Registry,
    requests: Family<Labels, Counter<u64, AtomicU64>>,
    durations: Family<Labels, Histogram>,
    /// Figures of what else runs in this process, such as a worker.
    more: Vec<Box<dyn Metrics>>,
}

impl HttpMetrics {
    /// Shows these figures, too.
    pub(crate) fn add(&mut self, more: impl Metrics) {
        self.more.push(Box::new(more));
    }

    pub(crate) fn new() -> Self {
        let mut registry = Registry::default();
        let requests = Family::default();
        let durations = Family::<Labels, Histogram>::new_with_constructor(|| Histogram::new(BUCKETS));
        registry.register(
            "optimus_build",
            "Version of the API",
            Info::new([("version", env!("CARGO_PKG_VERSION"))]),
        );
        registry.register(
            "optimus_http_requests",
            "Requests answered by this process",
            requests.clone(),
        );
        registry.register_with_unit(
            "optimus_http_request_duration",
            "Time to answer a request, waiting included",
            Unit::Seconds,
            durations.clone(),
        );
        Self {
            registry,
            requests,
            durations,
            more: Vec::new(),
        }
    }

    /// A request whose method is [`known`] was answered.
    pub(crate) fn observe(&self, method: &'static str, route: &str, status: StatusCode, took: Duration) {
        let labels = Labels {
            method,
            route: route.to_owned(),
            status: status.as_u16(),
        };
        self.requests.get_or_create(&labels).inc();
        self.durations.get_or_create(&labels).observe(took.as_secs_f64());
    }

    /// Everything in the `OpenMetrics` text format: `waiting` requests wait for a job, `streams` follow one; `fleet` is
    /// `None` where the store does not answer.
    pub(crate) fn encode(
        &self,
        waiting: usize,
        streams: usize,
        fleet: Option<Fleet>,
    ) -> Result<String, fmt::Error> {
        let mut scrape = Registry::default();
        scrape.register(
            "optimus_http_waiting_requests",
            "Requests to this process that wait for a job to end",
            ConstGauge::new(waiting as u64),
        );
        scrape.register(
            "optimus_http_event_streams",
            "Streams of this process that follow a job",
            ConstGauge::new(streams as u64),
        );
        scrape.register_collector(Box::new(FleetMetrics(fleet)));
        let mut text = String::new();
        self.registry.encode(&mut text)?;
        scrape.encode(&mut text)?;
        for more in &self.more {
            more.encode(&mut text)?;
        }
        metrics::end(&mut text)?;
        Ok(text)
    }
}

/// A client may invent methods; each would be a series of its own, and a name of spans.
pub(crate) fn known(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

/// The state of the installation at one scrape.
#[derive(Debug)]
struct FleetMetrics(Option<Fleet>);

impl Collector for FleetMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let up = ConstGauge::new(u64::from(self.0.is_some()));
        let descriptor = encoder.encode_descriptor(
            "optimus_store_up",
            "Whether the job store answered this scrape",
            None,
            up.metric_type(),
        )?;
        up.encode(descriptor)?;
        match &self.0 {
            Some(fleet) => {
                encode_totals(fleet, &mut encoder).and_then(|()| encode_gauges(fleet, &mut encoder))
            }
            None => Ok(()),
        }
    }
}

fn encode_totals(fleet: &Fleet, encoder: &mut DescriptorEncoder) -> fmt::Result {
    let totals = &fleet.totals;
    family(
        encoder,
        (
            "optimus_jobs_submitted",
            "Jobs accepted by any process of this installation",
            None,
        ),
        totals.submitted.iter().map(|(language, count)| {
            (
                vec![("language", language.to_string())],
                ConstCounter::new(*count),
            )
        }),
    )?;
    family(
        encoder,
        (
            "optimus_jobs_finished",
            "Jobs that reached a terminal state, by verdict",
            None,
        ),
        totals.finished.iter().map(|((language, verdict), count)| {
            let labels = vec![("language", language.to_string()), ("verdict", verdict.clone())];
            (labels, ConstCounter::new(*count))
        }),
    )?;
    family(
        encoder,
        (
            "optimus_jobs_requeued",
            "Times a job went back to its queue after a failure of ours",
            None,
        ),
        totals.requeued.iter().map(|(language, count)| {
            (
                vec![("language", language.to_string())],
                ConstCounter::new(*count),
            )
        }),
    )?;
    for (name, help, bytes) in [
        (
            "optimus_store_submissions",
            "Size of all submissions held for jobs that are not finished",
            totals.stored_bytes,
        ),
        (
            "optimus_store_results",
            "Size of all results held with their details",
            totals.result_bytes,
        ),
    ] {
        let held = ConstGauge::new(bytes);
        let descriptor = encoder.encode_descriptor(name, help, Some(&Unit::Bytes), held.metric_type())?;
        held.encode(descriptor)?;
    }
    Ok(())
}

fn encode_gauges(fleet: &Fleet, encoder: &mut DescriptorEncoder) -> fmt::Result {
    family(
        encoder,
        (
            "optimus_queue_waiting_jobs",
            "Jobs that wait for a worker, by priority",
            None,
        ),
        fleet.languages.iter().flat_map(|state| {
            let depth = &state.depth;
            [
                ("interactive", depth.interactive),
                ("normal", depth.normal),
                ("batch", depth.batch),
            ]
            .map(|(priority, jobs)| {
                let labels = vec![
                    ("language", depth.language.to_string()),
                    ("priority", priority.to_owned()),
                ];
                (labels, ConstGauge::new(jobs))
            })
        }),
    )?;
    for (name, help, value) in GAUGES {
        let values = fleet.languages.iter().map(|state| {
            (
                vec![("language", state.depth.language.to_string())],
                ConstGauge::new(value(state)),
            )
        });
        family(encoder, (name, help, None), values)?;
    }
    Ok(())
}
