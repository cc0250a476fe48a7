//! A problem, and the time limit it is graded under.

use optimus_common::submission::{Submission, TestCase};

use crate::{
    exit::{Classify, Failure},
    testcases::{self, package::TimeRule},
};

/// A problem, as far as grading needs it.
pub(super) struct Problem {
    /// For people.
    pub(super) name: String,
    /// Names of its tests.
    pub(super) names: Vec<String>,
    /// What of it is passed over.
    pub(super) notes: Vec<String>,
    pub(super) cases: Vec<TestCase>,
    pub(super) settings: testcases::Settings,
    pub(super) time: Time,
}

/// The CPU time limit of one test.
#[derive(Debug, Clone)]
pub(super) enum Time {
    Fixed(Limit),
    /// It follows from the slowest of the package's own programs.
    Follows(TimeRule),
}

#[derive(Debug, Clone)]
pub(super) struct Limit {
    pub(super) ms: u64,
    /// Who says so, for people.
    pub(super) from: String,
}

/// What every job of a problem has in common, without a program and without its tests.
pub(super) fn template(settings: &testcases::Settings) -> Result<Submission, Failure> {
    let mut submission: Submission = serde_json::from_value(serde_json::json!({
        "language": "none",
        "test_cases": [],
    }))
    .system()?;
    settings.apply(&mut submission);
    Ok(submission)
}
