//! What was measured, and against which goal.

use serde::Serialize;

use crate::output::table;

/// The outcome of one benchmark.
#[derive(Debug, Serialize)]
pub(crate) struct BenchReport {
    pub(crate) benchmark: &'static str,
    pub(crate) measured: Vec<Measured>,
    pub(crate) goals: Vec<Goal>,
}

/// One variant's samples.
#[derive(Debug, Serialize)]
pub(crate) struct Measured {
    what: String,
    unit: &'static str,
    median: f64,
    p99: f64,
    min: f64,
    max: f64,
    samples: usize,
}

impl Measured {
    /// `None` where there is no sample.
    pub(crate) fn of(what: impl Into<String>, unit: &'static str, samples: &[f64]) -> Option<Self> {
        let mut sorted = samples.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        Some(Self {
            what: what.into(),
            unit,
            median: median(&sorted),
            // The smallest sample that at most one in a hundred is above.
            p99: sorted[(sorted.len() * 99).div_ceil(100) - 1],
            min,
            max,
            samples: sorted.len(),
        })
    }

    pub(crate) fn median(&self) -> f64 {
        self.median
    }

    pub(crate) fn p99(&self) -> f64 {
        self.p99
    }
}

fn median(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 {
        sorted[middle]
    } else {
        f64::midpoint(sorted[middle - 1], sorted[middle])
    }
}

/// A number to reach, and what was reached.
#[derive(Debug, Serialize)]
pub(crate) struct Goal {
    what: String,
    bound: Bound,
    #[serde(rename = "goal")]
    limit: f64,
    measured: f64,
    unit: &'static str,
    met: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Bound {
    AtLeast,
    AtMost,
}

impl Goal {
    pub(crate) fn new(
        what: impl Into<String>,
        bound: Bound,
        limit: f64,
        measured: f64,
        unit: &'static str,
    ) -> Self {
        let met = match bound {
            Bound::AtLeast => measured >= limit,
            Bound::AtMost => measured <= limit,
        };
        Self {
            what: what.into(),
            bound,
            limit,
            measured,
            unit,
            met,
        }
    }
}

/// Both tables of a report.
pub(crate) fn text(report: &BenchReport) -> String {
    let mut measured = table(&[report.benchmark, "median", "p99", "min", "max", "samples"]);
    for Measured {
        what,
        unit,
        median,
        p99,
        min,
        max,
        samples,
    } in &report.measured
    {
        let number = |number: &f64| format!("{} {unit}", rounded(*number));
        measured.add_row([
            what.clone(),
            number(median),
            number(p99),
            number(min),
            number(max),
            samples.to_string(),
        ]);
    }
    let mut goals = table(&["", "measured", "goal", ""]);
    for Goal {
        what,
        bound,
        limit,
        measured,
        unit,
        met,
    } in &report.goals
    {
        let bound = match bound {
            Bound::AtLeast => "at least",
            Bound::AtMost => "at most",
        };
        goals.add_row([
            what.clone(),
            format!("{} {unit}", rounded(*measured)),
            format!("{bound} {} {unit}", rounded(*limit)),
            if *met { "pass" } else { "miss" }.to_owned(),
        ]);
    }
    format!("{measured}\n{goals}")
}

/// Three digits that count, or all before the point.
fn rounded(number: f64) -> String {
    match number.abs() {
        size if size >= 100.0 => format!("{number:.0}"),
        size if size >= 10.0 => format!("{number:.1}"),
        _ => format!("{number:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        let of = |samples: &[f64]| Measured::of("x", "ms", samples).map(|measured| measured.median());
        assert_eq!(of(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(of(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn one_sample_in_a_hundred_may_be_above_the_p99() {
        let of = |samples: &[f64]| Measured::of("x", "ms", samples).map(|measured| measured.p99());
        let hundred: Vec<_> = (1..=100).map(f64::from).collect();
        assert_eq!(of(&hundred), Some(99.0));
        assert_eq!(of(&[7.0]), Some(7.0));
    }

    #[test]
    fn goals_are_met_on_their_bound() {
        assert!(Goal::new("x", Bound::AtLeast, 2.5, 2.5, "x").met);
        assert!(!Goal::new("x", Bound::AtLeast, 2.5, 2.4, "x").met);
        assert!(Goal::new("x", Bound::AtMost, 25.0, 24.0, "ms").met);
        assert!(!Goal::new("x", Bound::AtMost, 25.0, f64::NAN, "ms").met);
    }
}
