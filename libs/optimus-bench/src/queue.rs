//! The store alone: how fast it takes and hands out jobs.

use crate::report::{BenchReport, Bound, Goal, Measured};

/// What a store did in one round.
#[derive(Debug, Clone, Copy)]
pub struct StoreFigures {
    pub submits_per_second: f64,
    pub claims_and_finishes_per_second: f64,
    /// From before the submission of a job until an idle worker has claimed it.
    pub pickup_p50_ms: f64,
    pub pickup_p99_ms: f64,
}

/// What these rounds come to.
pub fn queue(rounds: &[StoreFigures]) -> BenchReport {
    let samples = |value: fn(&StoreFigures) -> f64| rounds.iter().map(value).collect::<Vec<_>>();
    let rows = [
        (
            "submits",
            "/s",
            samples(|round| round.submits_per_second),
            Bound::AtLeast,
            10_000.0,
        ),
        (
            "claims and finishes",
            "/s",
            samples(|round| round.claims_and_finishes_per_second),
            Bound::AtLeast,
            5_000.0,
        ),
        (
            "pick-up by an idle worker, p99",
            "ms",
            samples(|round| round.pickup_p99_ms),
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
        &samples(|round| round.pickup_p50_ms),
    ));
    report
}
