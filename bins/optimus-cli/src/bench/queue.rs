//! The store alone: how fast it takes and hands out jobs.

use optimus_queue::{
    bench::{self, Plan},
    settings::{QueueSettings, RedisSettings},
};

use super::{
    error::Result,
    event::{Event, Listener},
    report::{BenchReport, Bound, Goal, Measured},
};

/// On keys of its own in this Redis.
pub(crate) async fn queue(
    redis: &RedisSettings,
    queue: &QueueSettings,
    rounds: Option<usize>,
    tell: &mut Listener<'_>,
) -> Result<BenchReport> {
    tell(Event::Begins {
        what: &format!("queue: {}", redis.url),
        steps: None,
    });
    let mut reports = Vec::new();
    for _ in 0..rounds.unwrap_or(1) {
        reports.push(bench::run(redis, queue, Plan::default()).await?);
    }
    tell(Event::Ends);
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
                .push(Goal::new(what, bound, goal, measured.median, unit));
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
