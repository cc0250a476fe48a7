//! The content that submissions name: held from before a job is stored until it is over.

use std::{error::Error, sync::Arc};

use async_trait::async_trait;
use optimus_common::{JobId, causes};
use optimus_content::{Holders, submission};
use optimus_judge::plan::JobPlan;
use optimus_queue::{JobStore, NewJob, Submitted};
use optimus_service::supervise::supervise;

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
    let language = &job.submission.language;
    let unserved = app.roster.unserved(&*app.store, language).await;
    let part = if unserved.is_some() {
        HELD_BY_UNSERVED
    } else {
        HELD
    };
    let most = app.content.bound().await? / part;
    submission::hold(&*app.content, id, &mut job.submission, most).await?;
    let checked = match check(app, &job) {
        Ok(()) => reaches_workers(app, &job).await,
        refused => refused,
    };
    if let Err(problem) = checked {
        release(app, id).await;
        return Err(problem);
    }
    // After an error the job may be stored all the same. If it is not, an upkeep finds that nobody knows it.
    let submitted = app.store.submit(job).await?;
    if submitted != Submitted::Created {
        release(app, id).await;
    }
    Ok(submitted)
}

/// Once more, now that the sizes are known.
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
    match app.roster.lacks_content(&*app.store, language, identity).await {
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
