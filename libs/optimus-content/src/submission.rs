//! The content that a submission names.

use std::collections::HashMap;

use optimus_common::{
    JobId,
    content::{Digest, NamedContent},
    submission::Submission,
};

use crate::{ContentError, ContentStore};

/// Holds what the job's submission names, within what all jobs may hold, and notes the sizes of what is there. What has none
/// afterwards is not there. Answers what it names, each once.
pub async fn hold(
    store: &dyn ContentStore,
    job: JobId,
    submission: &mut Submission,
    most: u64,
) -> Result<Vec<Digest>, ContentError> {
    let digests = digests(submission);
    if digests.is_empty() {
        return Ok(digests);
    }
    let sizes = store.hold(job, &digests, most).await?;
    let sizes: HashMap<_, _> = digests.iter().copied().zip(sizes).collect();
    for named in submission.named_content_mut() {
        if let Some(Some(size)) = sizes.get(&named.digest()) {
            named.set_size(*size);
        }
    }
    Ok(digests)
}

/// Each once.
pub(crate) fn digests(submission: &Submission) -> Vec<Digest> {
    let mut digests: Vec<_> = submission.named_content().map(NamedContent::digest).collect();
    digests.sort_unstable();
    digests.dedup();
    digests
}
