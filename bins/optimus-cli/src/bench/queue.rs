//! The store alone: how fast it takes and hands out jobs.

use optimus_queue::bench::{self, Plan};
use optimus_worker::Settings;

use super::{
    Setting,
    report::{BenchReport, Bound, Goal, Measured},
};
use crate::{
    exit::{Classify, Failure},
    output::spinner,
};

pub(crate) async fn queue(setting: &Setting) -> Result<BenchReport, Failure> {
    let settings = Settings::load(None).usage()?;
    let progress = spinner(format!("queue: {}", settings.redis.url));
    let mut reports = Vec::new();
    for _ in 0..setting.rounds(1) {
        reports.push(
            bench::run(&settings.redis, &settings.queue, Plan::default())
                .await
                .system()?,
        );
    }
    progress.finish_and_clear();
    let samples = |value: fn(&bench::Report) -> f64| reports.iter().map(value).collect::<Vec<_>>();
    let rows = [
        (
            "submits",
            "/s",
            samples(|report| report.submits_per_second),
            Bound::AtLeast,
            10_000.0,
        ),
        (
            "claims and finishes",
            "/s",
            samples(|report| report.claims_and_finishes_per_second),
            Bound::AtLeast,
            5_000.0,
        ),
        (
            "pick-up by an idle worker, p99",
            "ms",
            samples(|report| report.pickup_p99_ms),
            Bound::AtMost,
            20.0,
        ),
    ];
    let mut report = BenchReport {
        benchmark: "queue",
        measured: Vec::new(),
        goals: Vec::new(),
    };
    for (what, unit, samples, bound, goal) in rows {
        if let Some(measured) = Measured::of(what, unit, &samples) {
            report
                .goals
                .push(Goal::new(what, bound, goal, measured.median(), unit));
            report.measured.push(measured);
        }
    }
    report.measured.extend(Measured::of(
        "pick-up by an idle worker, p50",
        "ms",
        &samples(|report| report.pickup_p50_ms),
    ));
    Ok(report)
}
