//! Who watches what a box reports of a job: spans, figures and the job's progress come of it, and nothing else.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use optimus_common::{facts::RunFacts, submission::Submission};
use optimus_judge::engine::Engine;
use optimus_queue::{Claim, EventBus, Progress};
use tracing::Span;

use crate::{metrics::WorkerMetrics, spans};

/// Where the progress of one attempt at a job goes.
#[derive(Clone, Copy)]
pub(crate) struct ProgressOf<'a> {
    pub(crate) bus: &'a dyn EventBus,
    pub(crate) claim: &'a Claim,
}

impl ProgressOf<'_> {
    /// Costs the job nothing: it waits for nobody, and what is lost is lost.
    pub(crate) fn tell(self, progress: Progress) {
        self.bus.publish(&self.claim.lease, progress);
    }
}

impl fmt::Debug for ProgressOf<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ProgressOf").field(&self.claim.lease.job).finish()
    }
}

/// The watcher of one box. It is told of each report that the engine has taken.
#[derive(Debug)]
pub(crate) struct Observer<'a> {
    submission: &'a Submission,
    metrics: &'a WorkerMetrics,
    progress: ProgressOf<'a>,
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
        progress: ProgressOf<'a>,
        attempt: Span,
        in_box: Span,
    ) -> Self {
        let now = SystemTime::now();
        Self {
            submission,
            metrics,
            progress,
            attempt,
            in_box,
            since: now,
            last: now,
        }
    }

    /// The engine has taken the end of the compile step, where there is one with these facts.
    pub(crate) fn compiled(&mut self, engine: &Engine<'_>, facts: Option<&RunFacts>) {
        if let Some(facts) = facts {
            spans::compile(&self.in_box, self.since, facts);
            self.metrics
                .compiled(&self.submission.language, self.credible(facts.wall_time));
        }
        self.last = SystemTime::now();
        if let Some(result) = engine.compile_result() {
            self.progress.tell(Progress::Compiled {
                attempt: self.progress.claim.attempt,
                verdict: result.verdict,
                execution_time_ms: result.execution_time_ms,
                cpu_time_ms: result.cpu_time_ms,
                peak_memory_bytes: result.peak_memory_bytes,
            });
        }
    }

    /// The engine has taken the end of a run of the test case at this place, which may need another one for its verdict.
    pub(crate) fn ran(&mut self, engine: &Engine<'_>, place: usize, facts: &RunFacts) {
        if let Some(test) = self.submission.test_cases.get(place) {
            spans::run(&self.in_box, self.since, test.id, facts);
            self.metrics
                .ran(&self.submission.language, self.credible(facts.wall_time));
        }
        self.last = SystemTime::now();
        if let Some(result) = engine.test_result(place) {
            self.progress.tell(Progress::RunDone {
                attempt: self.progress.claim.attempt,
                test_id: result.test_id,
                verdict: result.verdict,
                execution_time_ms: result.execution_time_ms,
                cpu_time_ms: result.cpu_time_ms,
                peak_memory_bytes: result.peak_memory_bytes,
                exit_code: result.exit_code,
                signal: result.signal.clone(),
            });
        }
    }

    /// Nothing in a box takes longer than the job has had it, whatever the box says: sums of all jobs rest on this.
    fn credible(&self, told: Duration) -> Duration {
        told.min(self.since.elapsed().unwrap_or_default())
    }

    /// The result is complete; comparing outputs took this long in all.
    pub(crate) fn judged(&self, work: Duration) {
        spans::judge(&self.attempt, self.last, work);
    }
}
