//! The content that submissions name: held from before a job is stored until it is over.

use std::{error::Error, sync::Arc};

use async_trait::async_trait;
use optimus_common::{JobId, causes, content::Digest};
use optimus_content::{Holders, Rules, submission};
use optimus_judge::plan::JobPlan;
use optimus_queue::{JobStore, NewJob, Submitted};
use optimus_service::supervise::supervise;
use tokio::time::Instant;

use crate::{App, problem::Problem};

/// The part of the room for content that jobs may hold, so that there is always some for what comes.
const HELD: u64 = 2;

/// The same for a job to be held for that no worker takes at the moment, and that may wait for ever.
const HELD_BY_UNSERVED: u64 = 4;

/// Stores a job that was checked, all but what depends on the content it names. That is held first: whatever happens
/// from then on, content of a job that may be stored is not removed.
pub(crate) async fn store(app: &App, mut job: NewJob) -> Result<Submitted, Problem> {
    let id = job.id;
    if job.submission.named_content().next().is_none() {
        return Ok(app.store.submit(job).await?);
    }
    // A client that did not hear its answer asks again, also when the content has served and is gone, or cannot be asked for.
    if let Some(idempotency) = &job.idempotency
        && let Some(known) = app
            .store
            .submitted_before(&job.context.owner, idempotency)
            .await?
    {
        return Ok(known);
    }
    let began = Instant::now();
    let is_late = || began.elapsed() >= Rules::of(&app.settings.content).min_kept / 2;
    let language = &job.submission.language;
    let unserved = app.recent_workers.unserved(&*app.store, language).await;
    let part = if unserved.is_some() {
        HELD_BY_UNSERVED
    } else {
        HELD
    };
    let most = app.content.bound().await? / part;
    let named = submission::hold(&*app.content, id, &mut job.submission, most).await?;
    let mut checked = match check(app, &job) {
        Ok(()) => reaches_workers(app, &job).await,
        refused => refused,
    };
    // An upkeep ends the hold of a job that nobody knows yet, once it is old.
    if checked.is_ok() && is_late() {
        checked = Err(Problem::content_unavailable());
    }
    if let Err(problem) = checked {
        release(app, id).await;
        return Err(problem);
    }
    let submitted = app.store.submit(job).await;
    match &submitted {
        Ok(Submitted::Created) | Err(_) if is_late() => hold_again(app, id, &named).await,
        // After an error the job may be stored all the same. If it is not, an upkeep finds that nobody knows it.
        Ok(Submitted::Created) | Err(_) => {}
        Ok(_) => release(app, id).await,
    }
    Ok(submitted?)
}

/// The job's hold may have been ended before its store knew it.
async fn hold_again(app: &App, job: JobId, named: &[Digest]) {
    match app.content.hold(job, named, u64::MAX).await {
        Ok(sizes) if sizes.iter().all(Option::is_some) => {}
        Ok(_) => tracing::error!(job_id = %job, "content that a job names went while the job was stored"),
        Err(error) => {
            tracing::error!(job_id = %job, error = causes(&error), "whether a job holds its content is not known");
        }
    }
}

/// Checks the submission once more, now that the sizes of what it names are known.
fn check(app: &App, job: &NewJob) -> Result<(), Problem> {
    let (submission, limits) = (&job.submission, &app.settings.limits);
    submission.validate_content(app.settings.content.max_job_bytes)?;
    submission.validate(&limits.max)?;
    let languages = app.catalog.current();
    // It was there a moment ago.
    let language = languages
        .get(&submission.language)
        .ok_or_else(|| Problem::invalid_field("language", "is not configured any more"))?;
    JobPlan::new(submission, language, limits)?;
    Ok(())
}

/// Refuses what no worker could grade: all of them look for content where none of this is.
async fn reaches_workers(app: &App, job: &NewJob) -> Result<(), Problem> {
    let identity = app.content.identity().await?;
    let language = &job.submission.language;
    match app
        .recent_workers
        .lacks_content(&*app.store, language, identity)
        .await
    {
        Some(reason) => {
            tracing::error!(error = reason, "a submission that names content was refused");
            Err(Problem::content_elsewhere(&reason))
        }
        None => Ok(()),
    }
}

/// Left undone, an upkeep does it.
async fn release(app: &App, job: JobId) {
    if let Err(error) = app.content.release(job).await {
        tracing::debug!(job_id = %job, error = causes(&error), "the content of a job is held in vain");
    }
}

/// Removes content that nobody uses, for as long as the API is there.
pub(crate) fn keep_up(app: &App) -> impl Future<Output = ()> + use<> {
    let content = Arc::clone(&app.content);
    let holders: Arc<dyn Holders> = Arc::new(Jobs(Arc::clone(&app.store)));
    let every = app.settings.content.upkeep;
    async move {
        supervise("removing content that nobody uses", || {
            optimus_content::keep_up(Arc::clone(&content), Arc::clone(&holders), every)
        })
        .await;
    }
}

struct Jobs(Arc<dyn JobStore>);

#[async_trait]
impl Holders for Jobs {
    async fn is_over(&self, job: JobId) -> Result<bool, Box<dyn Error + Send + Sync>> {
        let job = self.0.lookup(job).await?;
        Ok(job.is_none_or(|job| job.record.status.is_terminal()))
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, sync::Mutex, time::Duration};

    use axum::{http::StatusCode, response::IntoResponse};
    use optimus_common::{language::LanguagesFile, submission::Submission};
    use optimus_content::{ContentStore, FaultyContent, Memory};
    use optimus_queue::{
        JobQueue,
        faulty::{Fault, FaultyStore, StoreCall},
        memory::MemoryStore,
    };
    use serde_json::json;
    use sha2::Digest as _;
    use tokio::time::sleep;

    use super::*;
    use crate::Settings;

    /// Longer than a hold is safe that nobody knows the job of.
    const LONG: Duration = Duration::from_secs(45);

    struct Slow {
        app: App,
        store: FaultyStore<MemoryStore>,
        content: FaultyContent,
    }

    impl Slow {
        fn new() -> Self {
            let mut settings = Settings::defaults();
            settings.languages_file = LanguagesFile::BuiltIn;
            // So that an upkeep asks for the job at once, as after a minute.
            let rules = Rules {
                min_kept: Duration::ZERO,
                ..Rules::of(&settings.content)
            };
            settings.content.min_kept = Duration::ZERO;
            let store = FaultyStore::new(MemoryStore::new(&settings.queue));
            let content = FaultyContent::new(Arc::new(Memory::new(rules)));
            let shared = Arc::new(content.clone());
            let app = App::new(Arc::new(store.clone()), shared, settings).unwrap();
            Self { app, store, content }
        }

        async fn job(&self) -> NewJob {
            let digest = Digest::from(<[u8; 32]>::from(sha2::Sha256::digest(b"12")));
            let mut incoming = self.content.begin(digest).await.unwrap();
            incoming.write("12".into()).await.unwrap();
            incoming.finish().await.unwrap();
            let submission: Submission = serde_json::from_value(json!({
                "language": "python",
                "source_code": "",
                "test_cases": [{"id": 1, "input_sha256": digest.to_string(), "expected_output": ""}],
            }))
            .unwrap();
            NewJob::new(submission)
        }

        /// Does an upkeep; the jobs that held something.
        async fn upkeep(&self) -> HashSet<JobId> {
            let jobs = Asked(Jobs(Arc::new(self.store.clone())), Mutex::default());
            self.content.upkeep(&jobs).await.unwrap();
            jobs.1.into_inner().unwrap()
        }
    }

    struct Asked(Jobs, Mutex<HashSet<JobId>>);

    #[async_trait]
    impl Holders for Asked {
        async fn is_over(&self, job: JobId) -> Result<bool, Box<dyn Error + Send + Sync>> {
            self.1.lock().unwrap().insert(job);
            self.0.is_over(job).await
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_job_that_is_stored_late_holds_its_content() {
        let slow = Slow::new();
        let job = slow.job().await;
        let id = job.id;
        slow.store.fail_next(StoreCall::Submit, Fault::Late(LONG));
        let upkeep = async {
            sleep(LONG / 2).await;
            slow.upkeep().await
        };
        let (submitted, held) = tokio::join!(super::store(&slow.app, job), upkeep);
        assert_eq!(submitted.unwrap(), Submitted::Created);
        assert_eq!(held, HashSet::from([id]), "nobody knew it");
        assert_eq!(slow.upkeep().await, HashSet::from([id]));
        assert_eq!(slow.upkeep().await, HashSet::from([id]), "it is known");
    }

    #[tokio::test(start_paused = true)]
    async fn a_job_whose_hold_is_old_is_not_stored() {
        let slow = Slow::new();
        let job = slow.job().await;
        let id = job.id;
        slow.content.delay_holds(LONG);
        let refused = super::store(&slow.app, job).await.unwrap_err();
        assert_eq!(refused.into_response().status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(slow.store.lookup(id).await.unwrap().is_none());
        assert!(slow.upkeep().await.is_empty());
    }
}
