//! The way of one job, from its claim to its end.
//!
//! Whatever happens, the box is destroyed, and the job is finished, given back, or left to whoever holds it now.

use std::{
    borrow::Cow,
    fmt,
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, SystemTime},
};

use futures_util::FutureExt;
use optimus_common::{
    WorkerId, causes,
    job::Outcome,
    language::Language,
    result::{JobResult, OverallStatus, Verdict},
    submission::Submission,
};
use optimus_content::{FetchError, Fetched, Fetcher};
use optimus_judge::{engine::Engine, plan::JobPlan};
use optimus_queue::{Claim, Finish, JobStore, Progress, Retry, StoreError};
use optimus_sandbox::{
    BackendError, BoxHandle,
    provider::AcquireError,
    session::{BoxSession, Session},
};
use optimus_service::{Backoff, trace};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::task::AbortOnDropHandle;
use tracing::{Instrument, Span, debug, error, info, warn};

use crate::{
    Settings,
    grading::{self, GradeError},
    lease::{LeaseRenewer, Stop},
    metrics::WorkerMetrics,
    observer::{Observer, ProgressOf},
    proof::Proof,
    spans,
};

/// What every job of a pool needs.
#[derive(Clone)]
pub(crate) struct JobRunner {
    pub(crate) worker: WorkerId,
    pub(crate) settings: Arc<Settings>,
    pub(crate) language: Arc<Language>,
    pub(crate) store: Arc<dyn JobStore>,
    pub(crate) content: Arc<Fetcher>,
    /// Memory of a box as the pool makes it.
    pub(crate) box_memory_bytes: u64,
    pub(crate) proof: Arc<Proof>,
    pub(crate) metrics: WorkerMetrics,
}

/// How the work in a box ended.
#[derive(Debug)]
enum AttemptEnd {
    Graded(JobResult),
    /// A failure of ours.
    Broken(String),
    /// A failure of ours as well, but of this job alone: one that shows nothing of the boxes of its language.
    Ungradable(String),
    /// What the job names cannot be had at the moment, nor could that of any other.
    WithoutContent(String),
    Stopped(Stop),
}

impl From<FetchError> for AttemptEnd {
    fn from(error: FetchError) -> Self {
        let reason = causes(&error);
        match error {
            FetchError::Outage(_) => Self::WithoutContent(reason),
            FetchError::Gone(_) | FetchError::Unreadable(..) | FetchError::TooLarge { .. } => {
                Self::Ungradable(reason)
            }
        }
    }
}

impl From<AcquireError> for AttemptEnd {
    fn from(error: AcquireError) -> Self {
        let reason = causes(&error);
        match error {
            AcquireError::TooMany { .. } => Self::Ungradable(format!("{reason} (worker.total_concurrency)")),
            AcquireError::HoldsBoxes => Self::Ungradable(reason),
            AcquireError::Closed(_) | AcquireError::Start(_) => Self::Broken(reason),
        }
    }
}

impl From<GradeError> for AttemptEnd {
    fn from(error: GradeError) -> Self {
        let reason = causes(&error);
        match error {
            GradeError::Checking(_) => Self::Ungradable(reason),
            GradeError::Session(_) | GradeError::Report(_) | GradeError::Stalled(_) => Self::Broken(reason),
        }
    }
}

impl AttemptEnd {
    /// A word for it.
    fn name(&self) -> &'static str {
        match self {
            Self::Graded(_) => "graded",
            Self::Broken(_) => "broken",
            Self::Ungradable(_) => "ungradable",
            Self::WithoutContent(_) => "without_content",
            Self::Stopped(Stop::Cancelled) => "cancelled",
            Self::Stopped(Stop::Lost) => "lost",
            Self::Stopped(Stop::NotRenewed) => "not_renewed",
            Self::Stopped(Stop::GivenBack) => "given_back",
        }
    }
}

/// The box of a job, from the moment it is taken to its end.
#[derive(Default)]
#[must_use = "the box is still there"]
pub(crate) struct SpentBox {
    /// Open for as long as the box is to live: without it the agent leaves by itself.
    session: Option<BoxSession>,
    handle: Option<Arc<dyn BoxHandle>>,
}

impl SpentBox {
    /// Destroys the box, where there is one, and returns when it is gone.
    pub(crate) async fn destroy(self) {
        let Some(handle) = self.handle else { return };
        if let Err(error) = handle.destroy().await {
            warn!(
                box_name = handle.name(),
                error = causes(&error),
                "box not destroyed yet"
            );
        }
        drop(self.session);
    }
}

impl JobRunner {
    /// Serves a claimed job to its end. A graded job's box is handed back alive: nobody has to wait for its end.
    pub(crate) async fn serve(
        &self,
        claim: Claim,
        get_box: impl Future<Output = Result<Session, AcquireError>>,
        renewer: LeaseRenewer,
    ) -> SpentBox {
        let job = spans::job(&claim);
        if claim.attempt == 1 {
            self.waited_in_queue(&claim, &job);
        }
        let attempt = job.in_scope(|| spans::attempt(&claim, &self.worker));
        let serving = self.serve_attempt(&claim, get_box, renewer, &job);
        // Both are entered while it works: by that a collector knows when they end.
        serving.instrument(attempt).instrument(job.clone()).await
    }

    /// By the clocks of two machines, so it may be off by their difference.
    fn waited_in_queue(&self, claim: &Claim, job: &Span) {
        let now = SystemTime::now();
        let submitted = SystemTime::from(claim.created_at).min(now);
        self.metrics.queue_wait(
            &claim.lease.language,
            now.duration_since(submitted).unwrap_or_default(),
        );
        spans::queue_wait(claim, job, (submitted, now));
    }

    /// One attempt, in its span, which is inside of the job's.
    async fn serve_attempt(
        &self,
        claim: &Claim,
        get_box: impl Future<Output = Result<Session, AcquireError>>,
        renewer: LeaseRenewer,
        job: &Span,
    ) -> SpentBox {
        let begun = renewer.claimed;
        let mut stop = AbortOnDropHandle::new(tokio::spawn(renewer.run().instrument(spans::lease())));
        // Outside of what may panic or be dropped: whatever ends the work, the box is known.
        let mut spent = SpentBox::default();
        let work = AssertUnwindSafe(self.work(claim, get_box, &mut stop, &mut spent)).catch_unwind();
        let ending = work
            .await
            .unwrap_or_else(|panic| AttemptEnd::Broken(format!("a panic: {}", panic_text(&*panic))));
        self.metrics.attempt_ended(&claim.lease.language, ending.name());
        trace::attribute(&Span::current(), "end", ending.name());
        match ending {
            AttemptEnd::Graded(result) => {
                self.proof.job_graded();
                trace::attribute(job, "verdict", result.verdict.as_str());
                self.finish(claim, Outcome::Completed(result), begun).await;
                spent
            }
            AttemptEnd::Broken(reason) => {
                trace::failed(&Span::current(), "broken");
                self.proof.job_broken();
                self.try_again(claim, &reason, spent).await
            }
            AttemptEnd::Ungradable(reason) => {
                trace::failed(&Span::current(), "ungradable");
                self.try_again(claim, &reason, spent).await
            }
            AttemptEnd::WithoutContent(reason) => {
                trace::failed(&Span::current(), "without_content");
                warn!(error = reason, "a job's content cannot be had at the moment");
                self.give_back(claim, spent).await;
                SpentBox::default()
            }
            AttemptEnd::Stopped(why) => {
                self.stopped(claim, why, spent, begun).await;
                SpentBox::default()
            }
        }
    }

    /// Content, plan, box, tests, verdicts.
    async fn work(
        &self,
        claim: &Claim,
        get_box: impl Future<Output = Result<Session, AcquireError>>,
        stop: &mut AbortOnDropHandle<Stop>,
        taken: &mut SpentBox,
    ) -> AttemptEnd {
        let fetched = tokio::select! {
            fetched = self.with_content(&claim.submission) => fetched,
            why = &mut *stop => return stopped(why),
        };
        // The memory is given back with what came into it.
        let (submission, _in_memory) = match fetched {
            Ok(fetched) => fetched,
            Err(error) => return AttemptEnd::from(error),
        };
        let submission = &*submission;
        let plan = match JobPlan::new(submission, &self.language, &self.settings.limits) {
            Ok(plan) => plan,
            Err(error) => return AttemptEnd::Ungradable(causes(&error)),
        };
        let progress = ProgressOf {
            bus: &*self.store,
            claim,
        };
        progress.tell(Progress::Started {
            attempt: claim.attempt,
        });
        let asked = Instant::now();
        let acquired = tokio::select! {
            acquired = get_box.instrument(spans::box_wait()) => acquired,
            why = &mut *stop => return stopped(why),
        };
        self.metrics.box_wait(&claim.lease.language, asked.elapsed());
        let session = match acquired {
            Ok(session) => session,
            Err(error) => return AttemptEnd::from(error),
        };
        taken.handle = Some(session.shared_handle());
        let in_box = spans::in_box(session.handle().name());
        let observer = Observer::new(
            submission,
            &self.metrics,
            progress,
            Span::current(),
            in_box.clone(),
        );
        let grading = async {
            if let Err(error) = self.make_room(&plan, session.handle()).await {
                return AttemptEnd::Broken(causes(&error));
            }
            let results = &self.settings.results;
            let engine = Engine::new(submission, &self.language, &plan, results);
            let most_checking = self.settings.worker.max_checking;
            match grading::grade(
                session,
                &mut taken.session,
                engine,
                &plan,
                most_checking,
                Some(observer),
            )
            .await
            {
                Ok(result) => AttemptEnd::Graded(result),
                Err(error) => AttemptEnd::from(error),
            }
        };
        tokio::select! {
            ending = grading.instrument(in_box) => ending,
            why = &mut *stop => stopped(why),
        }
    }

    /// The submission with the content that it names. That was there when the job was taken: where it is not now, the fault is
    /// ours.
    async fn with_content<'a>(
        &self,
        submission: &'a Submission,
    ) -> Result<(Cow<'a, Submission>, Fetched), FetchError> {
        if submission.named_content().next().is_none() {
            return Ok((Cow::Borrowed(submission), Fetched::default()));
        }
        let mut whole = submission.clone();
        let fetched = self.content.fetch(&mut whole).await?;
        Ok((Cow::Owned(whole), fetched))
    }

    /// Makes the box large enough.
    async fn make_room(&self, plan: &JobPlan, handle: &dyn BoxHandle) -> Result<(), BackendError> {
        if plan.box_memory_bytes > self.box_memory_bytes {
            handle.grow_memory(plan.box_memory_bytes).await?;
        }
        Ok(())
    }

    async fn stopped(&self, claim: &Claim, why: Stop, spent: SpentBox, begun: Instant) {
        match why {
            Stop::Cancelled => {
                let tests = u32::try_from(claim.submission.test_cases.len()).unwrap_or(u32::MAX);
                let result = JobResult::not_graded(OverallStatus::Cancelled, Verdict::Cancelled, tests);
                tokio::join!(
                    spent.destroy(),
                    self.finish(claim, Outcome::Cancelled(result), begun)
                );
            }
            Stop::Lost | Stop::NotRenewed => {
                warn!(?why, "dropped a job that is no longer ours");
                spent.destroy().await;
            }
            Stop::GivenBack => {
                self.give_back(claim, spent).await;
            }
        }
    }

    /// For another attempt, of which this was none.
    async fn give_back(&self, claim: &Claim, spent: SpentBox) {
        // Gone before the next owner begins, too.
        spent.destroy().await;
        match self.end_attempt(|| self.store.release(&claim.lease)).await {
            Some(Finish::Accepted) => info!("gave a job back"),
            Some(Finish::Refused) => info!("a job to give back was no longer ours"),
            None => warn!("could not give a job back; it is taken back when its lease expires"),
        }
    }

    async fn finish(&self, claim: &Claim, outcome: Outcome, begun: Instant) {
        let verdict = outcome.result().verdict.as_str();
        let finishing = self.end_attempt(|| self.store.finish(&claim.lease, outcome.clone()));
        let finished = finishing.instrument(spans::finish()).await;
        let duration_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        match finished {
            Some(Finish::Accepted) => {
                self.metrics.job_finished(&claim.lease.language, verdict);
                info!(duration_ms, verdict, "job finished");
            }
            Some(Finish::Refused) => {
                warn!(duration_ms, verdict, "a result came too late and was refused");
            }
            None => {
                error!(
                    duration_ms,
                    verdict,
                    "the job store did not say whether it has the result; if not, the job is run again when its lease expires"
                );
            }
        }
    }

    async fn try_again(&self, claim: &Claim, reason: &str, spent: SpentBox) -> SpentBox {
        // Gone before the next attempt begins: two boxes never run one job.
        spent.destroy().await;
        self.retry(claim, reason).await;
        SpentBox::default()
    }

    async fn retry(&self, claim: &Claim, reason: &str) {
        match self.end_attempt(|| self.store.retry(&claim.lease, reason)).await {
            Some(Retry::Requeued) => warn!(error = reason, "job not graded; it will be tried again"),
            Some(Retry::Dead) => error!(error = reason, "job failed: no attempts left"),
            Some(Retry::Cancelled) => {
                info!(
                    error = reason,
                    "job cancelled, as was asked for; it could not be graded anyway"
                );
            }
            Some(Retry::Refused) => {
                warn!(error = reason, "job not graded here, and no longer this worker's");
            }
            None => {
                warn!(
                    error = reason,
                    "job not graded, and the job store did not answer; it is taken back when its lease expires"
                );
            }
        }
    }

    /// Asks the store to end an attempt until it answers, for as long as a lease may last. `None` where it did not.
    async fn end_attempt<T, F: Future<Output = Result<T, StoreError>>>(
        &self,
        ask: impl Fn() -> F,
    ) -> Option<T> {
        let asking = async {
            let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(2));
            loop {
                match ask().await {
                    Ok(answer) => return answer,
                    Err(error) => debug!(error = causes(&error), "the job store did not answer"),
                }
                sleep(backoff.next_delay()).await;
            }
        };
        timeout(self.settings.queue.lease, asking).await.ok()
    }
}

/// The renewer's reason. A renewer that broke renews no more.
fn stopped(why: Result<Stop, tokio::task::JoinError>) -> AttemptEnd {
    AttemptEnd::Stopped(why.unwrap_or(Stop::NotRenewed))
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    let owned = panic.downcast_ref::<String>().map(String::as_str);
    owned
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("without a message")
}

impl fmt::Debug for JobRunner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobRunner")
            .field("language", &self.language.name)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_that_takes_long_to_check_shows_nothing_of_its_language() {
        let checking = AttemptEnd::from(GradeError::Checking(Duration::ZERO));
        assert!(matches!(checking, AttemptEnd::Ungradable(_)), "{checking:?}");
        let stalled = AttemptEnd::from(GradeError::Stalled(Duration::ZERO));
        assert!(matches!(stalled, AttemptEnd::Broken(_)), "{stalled:?}");
    }
}
