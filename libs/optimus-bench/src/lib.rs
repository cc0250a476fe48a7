//! Benchmarks of a running installation, each against its own baseline in the same run.
//!
//! Every round measures all variants one after the other, so that a machine that slows down slows them all. Ratios
//! carry the message; absolute times are for orientation.
//!
//! - [`compile_once()`]: one job of ten tests against ten jobs of one
//! - [`latency()`]: one small job against the bare interpreter and against `docker run`
//! - [`throughput()`]: jobs a second against containers a second
//! - [`queue()`]: the store alone, of which it is told what was measured (`optimus_queue::bench`): what knows boxes knows no store
//! - [`one_box()`]: a native box and a run in it; [`native`]: an installation on native boxes of this machine
//! - `report`: what was measured, and against which goal; `boxes`: the worker's boxes as the engine sees them
//! - `event`: what is told while they run; `error`: why one could not be run
#![forbid(unsafe_code)]

mod boxes;
mod compile_once;
mod error;
mod event;
mod latency;
pub mod native;
mod one_box;
mod queue;
mod report;
mod sum;
mod throughput;

use std::time::Instant;

use optimus_client::Client;
use optimus_common::submission::{Submission, TestCase};

pub use self::{
    compile_once::compile_once,
    error::{Error, Result},
    event::{Event, Listener},
    latency::latency,
    one_box::one_box,
    queue::{StoreFigures, queue},
    report::{BenchReport, Bound, Goal, Measured},
    throughput::throughput,
};

/// The language of the benchmarks that need only one.
const PYTHON: &str = "python";
const HELLO: &str = "print('hello')\n";

/// Which installation is measured, and how often.
#[derive(Debug)]
pub struct Setting {
    api: Client,
    /// Rounds asked for; each benchmark has a number of its own otherwise.
    rounds: Option<usize>,
}

impl Setting {
    pub fn new(api: Client, rounds: Option<usize>) -> Self {
        Self { api, rounds }
    }

    fn rounds(&self, usual: usize) -> usize {
        self.rounds.unwrap_or(usual)
    }
}

/// A program, and as many equal tests.
fn submission(language: &str, source: &str, input: &str, expected: &str, tests: u64) -> Submission {
    let language = language.parse().expect("the benchmarks name languages");
    let tests = (1..=tests).map(|id| TestCase::new(id, input, expected));
    Submission::new(language, source, tests.collect())
}

fn hello() -> Submission {
    submission(PYTHON, HELLO, "", "hello\n", 1)
}

fn milliseconds(began: Instant) -> f64 {
    began.elapsed().as_secs_f64() * 1000.0
}
