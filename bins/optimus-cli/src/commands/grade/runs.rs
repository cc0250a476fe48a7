//! Jobs on their way through the store.

use std::time::Duration;

use anyhow::Context;
use futures_util::{StreamExt, TryStreamExt, stream};
use optimus_common::{
    JobId, LanguageName,
    job::{JobRecord, JobStatus},
    result::{JobResult, Verdict},
    settings::Settings,
};
use optimus_queue::{JobEvent, NewJob, Submitted};
use tokio::{
    sync::broadcast::error::RecvError,
    time::{self, Instant},
};
use tokio_util::sync::CancellationToken;

use super::{Problem, candidates::Candidate, progress::Progress, template};
use crate::{
    embedded::Embedded,
    exit::{Blame, Failure},
};

/// How often a job is looked at although no event came. Events are a hint.
const LOOK: Duration = Duration::from_secs(1);
/// How long a language may have no boxes before its jobs are given up. The first box takes its time, and what fails is
/// tried again.
const PATIENCE: Duration = Duration::from_mins(1);

/// How a program's job ended.
#[derive(Debug)]
pub(super) enum Outcome {
    Graded(Box<JobResult>),
    NotGraded(String),
}

impl Outcome {
    pub(super) fn result(&self) -> Option<&JobResult> {
        match self {
            Self::Graded(result) => Some(result),
            Self::NotGraded(_) => None,
        }
    }

    /// Whether a result under a longer time limit is the same under this one.
    pub(super) fn holds_under(&self, limit_ms: u64) -> bool {
        let wall_limit_ms = limit_ms.saturating_mul(2).saturating_add(1000);
        self.result().is_none_or(|result| {
            result.test_results.iter().all(|test| {
                test.verdict != Verdict::TimeLimitExceeded
                    && test.cpu_time_ms <= limit_ms
                    && test.execution_time_ms <= wall_limit_ms
            })
        })
    }

    fn how(&self) -> String {
        match self {
            Self::Graded(result) => format!(
                "{} ({} of {} tests)",
                result.verdict.as_str().replace('_', " "),
                result.passed_tests,
                result.total_tests
            ),
            Self::NotGraded(why) => format!("not graded: {why}"),
        }
    }
}

/// The store, and what goes into it.
pub(super) struct Runs<'a> {
    embedded: &'a Embedded,
    problem: &'a Problem,
    progress: &'a Progress,
    stop: &'a CancellationToken,
}

impl<'a> Runs<'a> {
    pub(super) fn new(
        embedded: &'a Embedded,
        problem: &'a Problem,
        progress: &'a Progress,
        stop: &'a CancellationToken,
    ) -> Self {
        Self {
            embedded,
            problem,
            progress,
            stop,
        }
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.embedded.settings
    }

    pub(super) fn progress(&self) -> &Progress {
        self.progress
    }

    /// Grades these, as many at once as the workers take, and answers in their order.
    pub(super) async fn all<'c>(
        &self,
        candidates: impl Iterator<Item = &'c Candidate>,
        timeout_ms: u64,
    ) -> Result<Vec<Outcome>, Failure> {
        let at_once = self.settings().worker.total_concurrency.max(1) as usize;
        stream::iter(candidates)
            .map(|candidate| async move {
                self.progress.begins(&candidate.name);
                let outcome = self.one(candidate, timeout_ms).await?;
                self.progress.ends(&candidate.name, &outcome.how());
                Ok(outcome)
            })
            .buffered(at_once)
            .try_collect()
            .await
    }

    async fn one(&self, candidate: &Candidate, timeout_ms: u64) -> Result<Outcome, Failure> {
        let program = match &candidate.program {
            Ok(program) => program,
            Err(why) => return Ok(Outcome::NotGraded(why.clone())),
        };
        let offers = &self.embedded.choice.offers;
        if let Some(offer) = offers.iter().find(|offer| offer.language == program.language)
            && let Err(reason) = &offer.toolchain
        {
            return Ok(Outcome::NotGraded(unavailable(&program.language, reason)));
        }
        if self.stop.is_cancelled() {
            return Ok(Outcome::NotGraded("cancelled".to_owned()));
        }
        // Made when its turn comes: the tests of a problem may be large, and its programs many.
        let mut submission = template(&self.problem.settings)?;
        program.clone().put_into(&mut submission);
        submission.test_cases.clone_from(&self.problem.cases);
        submission.timeout_ms = Some(timeout_ms);
        let job = NewJob {
            id: JobId::new(),
            submission,
            idempotency: None,
        };
        self.follow(job).await
    }

    /// Submits the job and waits for its end.
    async fn follow(&self, job: NewJob) -> Result<Outcome, Failure> {
        let store = &self.embedded.store;
        let (id, language) = (job.id, job.submission.language.clone());
        let mut events = store.subscribe();
        match store.submit(job).await.trouble()? {
            Submitted::Created | Submitted::Existing(_) => {}
            Submitted::KeyReused | Submitted::Full => {
                return Err(Failure::trouble("there is no room for the job in the store"));
            }
        }
        let mut asked_to_stop = false;
        let mut last_available = Instant::now();
        loop {
            let record = store.get(id).await.trouble()?;
            let record = record.context("the job vanished from the store").trouble()?;
            if record.status.is_terminal() {
                return Ok(ended(record));
            }
            match self.unavailable(&language).await? {
                Some(reason) if record.status == JobStatus::Queued => {
                    if last_available.elapsed() > PATIENCE {
                        store.cancel(id).await.trouble()?;
                        return Ok(Outcome::NotGraded(unavailable(&language, &reason)));
                    }
                }
                _ => last_available = Instant::now(),
            }
            tokio::select! {
                () = finished(&mut events, id) => {}
                () = time::sleep(LOOK) => {}
                () = self.stop.cancelled(), if !asked_to_stop => {
                    asked_to_stop = true;
                    store.cancel(id).await.trouble()?;
                }
            }
        }
    }

    /// Why nobody takes jobs of this language, where that turned out after the start.
    async fn unavailable(&self, language: &LanguageName) -> Result<Option<String>, Failure> {
        let workers = self.embedded.store.workers().await.trouble()?;
        let mut pools = workers.into_iter().flat_map(|worker| worker.pools);
        Ok(pools
            .find(|pool| pool.language == *language)
            .and_then(|pool| pool.unavailable))
    }
}

fn unavailable(language: &LanguageName, reason: &str) -> String {
    format!("{language} is not available: {reason}")
}

/// Returns when the job may have ended.
async fn finished(events: &mut tokio::sync::broadcast::Receiver<JobEvent>, id: JobId) {
    loop {
        match events.recv().await {
            Ok(JobEvent::Finished(finished)) if finished == id => return,
            Ok(_) => {}
            Err(RecvError::Lagged(_)) => return,
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}

fn ended(record: JobRecord) -> Outcome {
    match record {
        JobRecord {
            status: JobStatus::Completed,
            result: Some(result),
            ..
        } => Outcome::Graded(Box::new(result)),
        JobRecord {
            error: Some(error), ..
        } => Outcome::NotGraded(error),
        JobRecord { status, .. } => Outcome::NotGraded(status.as_str().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn graded(verdict: &str, cpu_time_ms: u64, execution_time_ms: u64) -> Outcome {
        let result = json!({
            "overall_status": "failed", "verdict": verdict, "score": 0.0, "total_tests": 1, "passed_tests": 0,
            "compile": null, "test_results": [{
                "test_id": 1, "passed": false, "verdict": verdict, "stdout": "", "stderr": "",
                "execution_time_ms": execution_time_ms, "cpu_time_ms": cpu_time_ms, "peak_memory_bytes": 1,
                "exit_code": null, "signal": null, "stdout_truncated": false, "stderr_truncated": false,
                "message": null,
            }],
        });
        Outcome::Graded(serde_json::from_value(result).unwrap())
    }

    #[test]
    fn a_result_under_a_longer_limit_holds_where_no_clock_would_have_struck() {
        for (outcome, holds) in [
            (graded("accepted", 1000, 3000), true),
            (graded("wrong_answer", 900, 900), true),
            (graded("accepted", 1001, 1001), false),
            (graded("accepted", 10, 3001), false),
            (graded("time_limit_exceeded", 10, 10), false),
            (Outcome::NotGraded("why".to_owned()), true),
        ] {
            assert_eq!(outcome.holds_under(1000), holds, "{outcome:?}");
        }
    }
}
