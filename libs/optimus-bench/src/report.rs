//! What was measured, and against which goal.

use serde::Serialize;

use crate::error::{Error, Result};

/// The outcome of one benchmark.
#[derive(Debug, Serialize)]
pub struct BenchReport {
    pub benchmark: &'static str,
    pub measured: Vec<Measured>,
    pub goals: Vec<Goal>,
}

/// One variant's samples.
#[derive(Debug, Serialize)]
pub struct Measured {
    pub what: String,
    pub unit: &'static str,
    pub median: f64,
    pub p99: f64,
    pub min: f64,
    pub max: f64,
    pub samples: usize,
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
pub struct Goal {
    pub what: String,
    pub bound: Bound,
    #[serde(rename = "goal")]
    pub limit: f64,
    pub measured: f64,
    pub unit: &'static str,
    pub met: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
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

/// A variant without which the benchmark says nothing.
pub(crate) fn measured(what: impl Into<String>, unit: &'static str, samples: &[f64]) -> Result<Measured> {
    Measured::of(what, unit, samples).ok_or_else(|| Error::not_measured("no round was run"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        let of = |samples: &[f64]| Measured::of("x", "ms", samples).map(|measured| measured.median);
        assert_eq!(of(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(of(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn one_sample_in_a_hundred_may_be_above_the_p99() {
        let of = |samples: &[f64]| Measured::of("x", "ms", samples).map(|measured| measured.p99);
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
