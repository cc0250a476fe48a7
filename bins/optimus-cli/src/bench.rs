//! Benchmarks of a running installation, each against its own baseline in the same run.
//!
//! Every round measures all variants one after the other, so that a machine that slows down slows them all. Ratios
//! carry the message; absolute times are for orientation.
//!
//! - [`compile_once`]: one job of ten tests against ten jobs of one
//! - [`latency`]: one small job against the bare interpreter and against `docker run`
//! - [`throughput`]: jobs a second against containers a second
//! - [`queue`]: the store alone
//! - [`one_box`]: a native box and a run in it; [`native`]: an installation of this process on native boxes
//! - [`report`]: what was measured, and against which goal; [`boxes`]: the worker's boxes as the engine sees them

mod boxes;
mod compile_once;
mod latency;
mod native;
mod one_box;
mod queue;
mod report;
mod sum;
mod throughput;

use optimus_client::Client;
use optimus_common::submission::{Submission, TestCase};

pub(crate) use self::report::{BenchReport, text};
pub(crate) use self::{
    compile_once::compile_once, latency::latency, native::Installation, one_box::one_box, queue::queue,
    throughput::throughput,
};
use crate::{
    api, args,
    exit::{Classify, Failure},
    output,
};

/// The language of the benchmarks that need only one.
const PYTHON: &str = "python";
const HELLO: &str = "print('hello')\n";

/// What every benchmark gets.
#[derive(Debug)]
pub(crate) struct Setting {
    pub(crate) api: Client,
    /// Rounds asked for; each benchmark has a number of its own otherwise.
    pub(crate) rounds: Option<usize>,
}

impl Setting {
    pub(crate) fn new(api: &args::ApiArgs, rounds: Option<usize>) -> Result<Self, Failure> {
        Ok(Self {
            api: api::client(api)?,
            rounds,
        })
    }

    fn rounds(&self, usual: usize) -> usize {
        self.rounds.unwrap_or(usual)
    }
}

fn progress(what: &str, rounds: usize) -> output::Bar {
    output::bar(what, rounds as u64)
}

/// A program, and as many equal tests.
fn submission(
    language: &str,
    source: &str,
    input: &str,
    expected: &str,
    tests: u64,
) -> Result<Submission, Failure> {
    let test = |id| TestCase::new(id, input, expected);
    let mut submission: Submission = serde_json::from_value(serde_json::json!({
        "language": language,
        "source_code": source,
        "test_cases": [],
    }))
    .system()?;
    submission.test_cases = (1..=tests).map(test).collect();
    Ok(submission)
}

fn hello() -> Result<Submission, Failure> {
    submission(PYTHON, HELLO, "", "hello\n", 1)
}
