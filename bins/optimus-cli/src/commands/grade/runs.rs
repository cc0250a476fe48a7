//! Jobs on their way through the store.

use std::time::Duration;

use anyhow::Context;
use futures_util::{StreamExt, TryStreamExt, stream};
use optimus_common::{
    JobId, LanguageName, counted,
    job::{JobRecord, JobStatus},
    limits::Limits,
    result::{JobResult, Verdict},
};
use optimus_judge::plan::run_limits;
use optimus_queue::{JobEvent, JobEvents, NewJob, Submitted};
use optimus_worker::Settings;
use tokio::time::{self, Instant};
use tokio_util::sync::CancellationToken;

use super::{
    candidates::Candidate,
    problem::{Problem, template},
    progress::Progress,
    proofs::Proofs,
};
use crate::{
    embedded::Embedded,
    exit::{Classify, Failure},
};

/// How often a job is looked at although no event came. Events are a hint.
const LOOK: Duration = Duration::from_secs(1);

/// How long a language may have no boxes before its jobs are given up: a minute, unless the settings let a box take longer. The
/// first one takes its time, and what fails is tried again.
fn unavailable_timeout(settings: &Settings) -> Duration {
    let native = settings.native.start_timeout * 6;
    native.max(settings.docker.start_timeout)
}

/// How a program's job ended.
#[derive(Debug)]
pub(super) enum ProgramOutcome {
    Graded(Box<JobResult>),
    NotGraded(String),
}

impl ProgramOutcome {
    pub(super) fn result(&self) -> Option<&JobResult> {
        match self {
            Self::Graded(result) => Some(result),
            Self::NotGraded(_) => None,
        }
    }

    /// Whether a result under longer time limits is the same under these.
    fn holds_under(&self, limits: &Limits) -> bool {
        self.result().is_none_or(|result| {
            result.test_results.iter().all(|test| {
                // Without evidence it did not run.
                let is_within = test.evidence.as_ref().is_none_or(|evidence| {
                    let facts = &evidence.facts;
                    facts.cpu_time <= limits.cpu_time && !facts.is_over_wall_time(limits)
                });
                test.verdict != Verdict::TimeLimitExceeded && is_within
            })
        })
    }

    fn how(&self) -> String {
        match self {
            Self::Graded(result) => format!(
                "{} ({} of {})",
                result.verdict.as_str().replace('_', " "),
                result.passed_tests,
                counted(result.total_tests, "test")
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
    proofs: Proofs,
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
            proofs: Proofs::default(),
        }
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.embedded.settings
    }

    pub(super) fn progress(&self) -> &Progress {
        self.progress
    }

    /// Whether a candidate's outcome under a longer time limit is the same under this one, which its language may scale.
    pub(super) fn holds_under(
        &self,
        outcome: &ProgramOutcome,
        candidate: &Candidate,
        timeout_ms: u64,
    ) -> Result<bool, Failure> {
        let Ok(program) = &candidate.program else {
            return Ok(true);
        };
        let languages = self.settings().languages_file.load().usage()?;
        let Some(language) = languages.get(&program.language) else {
            return Ok(false);
        };
        let mut submission = template(&self.problem.settings)?;
        submission.timeout_ms = Some(timeout_ms);
        let limits = run_limits(&submission, language, &self.settings().limits);
        Ok(outcome.holds_under(&limits))
    }

    /// Grades these, as many at once as the workers take, and answers in their order.
    pub(super) async fn all<'c>(
        &self,
        candidates: impl Iterator<Item = &'c Candidate>,
        timeout_ms: u64,
    ) -> Result<Vec<ProgramOutcome>, Failure> {
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

    async fn one(&self, candidate: &Candidate, timeout_ms: u64) -> Result<ProgramOutcome, Failure> {
        let program = match &candidate.program {
            Ok(program) => program,
            Err(why) => return Ok(ProgramOutcome::NotGraded(why.clone())),
        };
        let statuses = &self.embedded.choice.languages;
        if let Some(status) = statuses.iter().find(|status| status.language == program.language)
            && let Err(reason) = &status.toolchain
        {
            return Ok(ProgramOutcome::NotGraded(unavailable(&program.language, reason)));
        }
        if self.stop.is_cancelled() {
            return Ok(ProgramOutcome::NotGraded("cancelled".to_owned()));
        }
        // Made when its turn comes: the tests of a problem may be large, and its programs many.
        let mut submission = template(&self.problem.settings)?;
        program.clone().put_into(&mut submission);
        submission.test_cases.clone_from(&self.problem.cases);
        submission.timeout_ms = Some(timeout_ms);
        let job = NewJob::new(submission);
        let outcome = self.follow(job).await?;
        let ProgramOutcome::Graded(result) = &outcome else {
            return Ok(outcome);
        };
        let doubt = self
            .proofs
            .doubt(self.embedded, &program.language, result)
            .await?;
        Ok(doubt.map_or(outcome, |reason| {
            ProgramOutcome::NotGraded(unavailable(&program.language, &reason))
        }))
    }

    /// Submits the job and waits for its end.
    async fn follow(&self, job: NewJob) -> Result<ProgramOutcome, Failure> {
        let store = &self.embedded.store;
        let (id, language) = (job.id, job.submission.language.clone());
        let mut events = store.subscribe();
        match store.submit(job).await.system()? {
            Submitted::Created | Submitted::Existing(_) => {}
            Submitted::KeyReused | Submitted::Full => {
                return Err(Failure::system("there is no room for the job in the store"));
            }
        }
        let mut asked_to_stop = false;
        let mut last_available = Instant::now();
        loop {
            let record = store.get(id).await.system()?;
            let record = record.context("the job vanished from the store").system()?;
            if record.status.is_terminal() {
                return Ok(ended(record));
            }
            match self.unavailable(&language).await? {
                Some(reason) if record.status == JobStatus::Queued => {
                    if last_available.elapsed() > unavailable_timeout(self.settings()) {
                        store.cancel(id).await.system()?;
                        return Ok(ProgramOutcome::NotGraded(unavailable(&language, &reason)));
                    }
                }
                _ => last_available = Instant::now(),
            }
            tokio::select! {
                () = finished(&mut events, id) => {}
                () = time::sleep(LOOK) => {}
                () = self.stop.cancelled(), if !asked_to_stop => {
                    asked_to_stop = true;
                    store.cancel(id).await.system()?;
                }
            }
        }
    }

    /// Why nobody takes jobs of this language, where that turned out after the start.
    async fn unavailable(&self, language: &LanguageName) -> Result<Option<String>, Failure> {
        let workers = self.embedded.store.workers().await.system()?;
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
async fn finished(events: &mut JobEvents, id: JobId) {
    loop {
        match events.next().await {
            Some(JobEvent::Finished(finished)) if finished == id => return,
            Some(JobEvent::Missed) => return,
            Some(_) => {}
            None => std::future::pending().await,
        }
    }
}

fn ended(record: JobRecord) -> ProgramOutcome {
    match record {
        JobRecord {
            status: JobStatus::Completed,
            result: Some(result),
            ..
        } => ProgramOutcome::Graded(Box::new(result)),
        JobRecord {
            error: Some(error), ..
        } => ProgramOutcome::NotGraded(error),
        JobRecord { status, .. } => ProgramOutcome::NotGraded(status.as_str().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use optimus_common::{
        facts::{MeasuredBy, RunEnd, RunFacts},
        language::LanguagesFile,
        result::RunEvidence,
    };
    use serde_json::json;

    use super::*;

    /// Of one test, which was run under ten seconds.
    fn graded(verdict: &str, cpu_time_us: u64, wall_time_us: u64) -> ProgramOutcome {
        let result = json!({
            "overall_status": "failed", "verdict": verdict, "score": 0.0, "total_tests": 1, "passed_tests": 0,
            "compile": null, "test_results": [{
                "test_id": 1, "passed": false, "verdict": verdict, "stdout": "", "stderr": "",
                "execution_time_ms": wall_time_us / 1000, "cpu_time_ms": cpu_time_us / 1000, "peak_memory_bytes": 1,
                "exit_code": null, "signal": null, "stdout_truncated": false, "stderr_truncated": false,
                "message": null,
            }],
        });
        let mut result: JobResult = serde_json::from_value(result).unwrap();
        result.test_results[0].evidence = Some(Box::new(RunEvidence {
            facts: RunFacts {
                end: RunEnd::Exited { code: 0 },
                cpu_time: Duration::from_micros(cpu_time_us),
                cpu_time_from: MeasuredBy::Cgroup,
                wall_time: Duration::from_micros(wall_time_us),
                waited_for_cpu: None,
                waited_for_io: None,
                held: Duration::ZERO,
                peak_memory_bytes: 1,
                peak_memory_from: MeasuredBy::Cgroup,
                oom_kills: 0,
                process_limit_hits: 0,
                stdout_bytes: 0,
                stderr_bytes: 0,
            },
            limits: limits(1.0, 10_000),
            earlier: None,
        }));
        ProgramOutcome::Graded(Box::new(result))
    }

    fn limits(time_multiplier: f64, timeout_ms: u64) -> Limits {
        let mut language = LanguagesFile::BuiltIn.load().unwrap().languages.remove(0);
        language.execution.time_multiplier = time_multiplier;
        let mut submission = template(&crate::testcases::Settings::default()).unwrap();
        submission.timeout_ms = Some(timeout_ms);
        run_limits(&submission, &language, &Settings::defaults().limits)
    }

    #[test]
    fn a_result_under_a_longer_limit_holds_where_no_clock_would_have_struck() {
        for (outcome, multiplier, holds) in [
            (graded("accepted", 1_000_000, 3_000_000), 1.0, true),
            (graded("wrong_answer", 900_000, 900_000), 1.0, true),
            (graded("accepted", 1_000_001, 1_000_001), 1.0, false),
            (graded("accepted", 10, 3_000_001), 1.0, false),
            (graded("time_limit_exceeded", 10, 10), 1.0, false),
            (ProgramOutcome::NotGraded("why".to_owned()), 1.0, true),
            // The language is given less, or more, than the limit says.
            (graded("accepted", 600_000, 600_000), 0.5, false),
            (graded("accepted", 500_000, 500_000), 0.5, true),
            (graded("accepted", 1_900_000, 1_900_000), 2.0, true),
        ] {
            assert_eq!(
                outcome.holds_under(&limits(multiplier, 1000)),
                holds,
                "{outcome:?}"
            );
        }
    }
}
