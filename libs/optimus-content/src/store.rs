//! What every store of content promises.

use std::error::Error;

use async_trait::async_trait;
use optimus_common::{JobId, causes, content::Digest};
use uuid::Uuid;

use crate::{Content, ContentError, Incoming, Sink};

/// Content under its digest.
///
/// Content is whole or not there: it is seen by nobody before all of its bytes have come and their digest was found to be
/// its name. It never changes, so that jobs may share it. It is kept for [`Rules::retention`](crate::Rules) after its last
/// use, unless others need its room, and for as long as a job holds it.
#[async_trait]
pub trait ContentStore: Send + Sync {
    /// A name that this store got when it was made, and no other has: by it two processes know whether they have the same.
    /// Asked for anew each time, so that it also tells whether the store answers.
    async fn identity(&self) -> Result<Uuid, ContentError>;

    /// Begins to take the content of this digest. Where it is there already, that counts as a use, and what comes is
    /// compared with the digest, and with what is there, all the same.
    async fn begin(&self, digest: Digest) -> Result<Incoming, ContentError>;

    /// A place for content of this digest, whether or not there is some.
    async fn sink(&self, digest: Digest) -> Result<Box<dyn Sink>, ContentError>;

    /// The most memory that one content takes here while it comes.
    fn incoming_memory(&self) -> usize;

    /// Largest content it takes.
    fn max_bytes(&self) -> u64;

    /// What all content may count for at present.
    async fn bound(&self) -> Result<u64, ContentError>;

    /// The content, which is no use of it.
    async fn get(&self, digest: Digest) -> Result<Option<Content>, ContentError>;

    /// The size of the content, where it is there, which is no use of it.
    async fn size(&self, digest: Digest) -> Result<Option<u64>, ContentError> {
        Ok(self.get(digest).await?.map(|content| content.size()))
    }

    /// Uses these: keeps what is there of them for the whole time from now on. The answers are their sizes, in the same
    /// order.
    async fn renew(&self, digests: &[Digest]) -> Result<Vec<Option<u64>>, ContentError>;

    /// As [`ContentStore::renew`], and keeps what is there of them until the job is over, however long that takes. To be
    /// called before the job is stored. Where all that jobs hold would then count for more than `most`, each content once, it
    /// holds nothing, and there is [`ContentError::NoRoom`].
    async fn hold(&self, job: JobId, digests: &[Digest], most: u64)
    -> Result<Vec<Option<u64>>, ContentError>;

    /// The job is over, or never was. What it held is kept as if it had been used when it was last renewed.
    async fn release(&self, job: JobId) -> Result<(), ContentError>;

    /// Releases what jobs hold that are over, and removes what was not used for its time, and what is more than there is
    /// room for. A job of which nothing can be learned keeps what it holds, and the rest goes on. Safe to run anywhere, any
    /// number of times at once.
    async fn upkeep(&self, holders: &dyn Holders) -> Result<Upkept, ContentError>;
}

/// Who knows of jobs.
#[async_trait]
pub trait Holders: Send + Sync {
    /// Whether the job ended, or is not known. Only asked of jobs that held content for a while, so that one which is not
    /// known is not on its way into its store. An error is nobody's end.
    async fn is_over(&self, job: JobId) -> Result<bool, Box<dyn Error + Send + Sync>>;
}

/// What a pass of [`ContentStore::upkeep`] did, and what it left.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Upkept {
    /// Jobs whose hold ended.
    pub released: u64,
    /// Jobs of which the store of jobs could not say whether they are over.
    pub unknown: u64,
    /// Contents removed.
    pub removed: u64,
    /// Bytes of all content, as they count.
    pub bytes: u64,
}

/// Releases what those of these jobs hold that are over: the first part of every [`ContentStore::upkeep`].
///
/// One job whose record cannot be read must not keep what all others held.
pub async fn release_over(
    store: &dyn ContentStore,
    jobs: Vec<JobId>,
    holders: &dyn Holders,
) -> Result<Upkept, ContentError> {
    let mut upkept = Upkept::default();
    for job in jobs {
        match holders.is_over(job).await {
            Ok(true) => {
                store.release(job).await?;
                upkept.released += 1;
            }
            Ok(false) => {}
            Err(error) => {
                tracing::warn!(
                    job_id = %job,
                    error = causes(&*error),
                    "whether a job is over is not known; it keeps its content"
                );
                upkept.unknown += 1;
            }
        }
    }
    Ok(upkept)
}
