//! Who watches what a box reports of a job: spans and figures come of it, and nothing else.

use std::time::{Duration, SystemTime};

use optimus_common::submission::Submission;
use optimus_protocol::{CompileDone, RunDone};
use tracing::Span;

use crate::{metrics::WorkerMetrics, spans};

/// The watcher of one box. It is told of each report when it arrives.
#[derive(Debug)]
pub(crate) struct Observer<'a> {
    submission: &'a Submission,
    metrics: &'a WorkerMetrics,
    attempt: Span,
    in_box: Span,
    /// When the job had its box.
    since: SystemTime,
    /// When the last step ended.
    last: SystemTime,
}

impl<'a> Observer<'a> {
    pub(crate) fn new(
        submission: &'a Submission,
        metrics: &'a WorkerMetrics,
        attempt: Span,
        in_box: Span,
    ) -> Self {
        let now = SystemTime::now();
        Self {
            submission,
            metrics,
            attempt,
            in_box,
            since: now,
            last: now,
        }
    }

    pub(crate) fn compile_done(&mut self, done: &CompileDone) {
        if let Some(facts) = &done.facts {
            spans::compile(&self.in_box, self.since, facts);
            self.metrics.compiled(&self.submission.language, facts.wall_time);
        }
        self.last = SystemTime::now();
    }

    pub(crate) fn run_done(&mut self, done: &RunDone) {
        if let Some(test) = self.submission.test_cases.get(done.run as usize) {
            spans::run(&self.in_box, self.since, test.id, &done.facts);
            self.metrics.ran(&self.submission.language, done.facts.wall_time);
        }
        self.last = SystemTime::now();
    }

    /// The result is complete; comparing outputs took this long in all.
    pub(crate) fn judged(&self, work: Duration) {
        spans::judge(&self.attempt, self.last, work);
    }
}
