//! The content that a submission names.

use std::{collections::HashMap, sync::Arc};

use optimus_common::{
    JobId,
    content::{Digest, NamedContent},
    submission::Submission,
};

use crate::{ContentError, ContentStore};

/// Why the content of a job could not be had. Whoever submitted it did nothing wrong: it was there when the job was taken.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error("the content {0}, which the job names, is gone")]
    Gone(Digest),
    #[error("the content {0}, which the job names, cannot be read")]
    Unreadable(Digest, #[source] ContentError),
}

/// Holds what the job's submission names, and notes the sizes of what is there. What has none afterwards is not there.
pub async fn hold(
    store: &dyn ContentStore,
    job: JobId,
    submission: &mut Submission,
) -> Result<(), ContentError> {
    let digests = digests(submission);
    if digests.is_empty() {
        return Ok(());
    }
    let sizes = store.hold(job, &digests).await?;
    let sizes: HashMap<_, _> = digests.into_iter().zip(sizes).collect();
    for named in submission.named_content_mut() {
        if let Some(Some(size)) = sizes.get(&named.digest()) {
            named.set_size(*size);
        }
    }
    Ok(())
}

/// Reads what the submission names, each content once, and compares it with its digest.
pub async fn fetch(store: &dyn ContentStore, submission: &mut Submission) -> Result<(), FetchError> {
    let mut read = HashMap::new();
    for digest in digests(submission) {
        let unreadable = |error| FetchError::Unreadable(digest, error);
        let content = store.get(digest).await.map_err(unreadable)?;
        let content = content.ok_or(FetchError::Gone(digest))?;
        match content.into_bytes().await {
            Ok(bytes) => read.insert(digest, Arc::<[u8]>::from(bytes)),
            Err(error) => {
                if matches!(error, ContentError::Damaged(_)) {
                    // So that somebody may put it again, before the job is out of attempts.
                    store.forget(digest).await.map_err(unreadable)?;
                }
                return Err(unreadable(error));
            }
        };
    }
    for named in submission.named_content_mut() {
        if let Some(bytes) = read.get(&named.digest()) {
            named.set_bytes(Arc::clone(bytes));
        }
    }
    Ok(())
}

/// Each once.
fn digests(submission: &Submission) -> Vec<Digest> {
    let mut digests: Vec<_> = submission.named_content().map(NamedContent::digest).collect();
    digests.sort_unstable();
    digests.dedup();
    digests
}
