//! What a benchmark found, for people.

use optimus_bench::{BenchReport, Bound, Goal, Measured};

use crate::output::table;

/// Both tables of a report.
pub(super) fn text(report: &BenchReport) -> String {
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
