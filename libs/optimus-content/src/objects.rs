//! Content in an object store, such as S3: the store of a fleet for what is large.
//!
//! | object | holds |
//! |---|---|
//! | `kept/<digest>/<version>` | content; each upload of it is a version of its own |
//! | `used/<digest>` | nothing; the time at which it was written is that of the last use |
//! | `gone/<digest>/<version>` | the last use that whoever removes that version knew of, or that it is damaged |
//! | `holds/<job id>` | the digests that a job holds, each followed by a line's end |
//! | `identity` | the name of the store |
//! | `clock` | nothing; written to learn what time it is there |
//! | `nothing` | never there; deleted to learn whether the store does what it is asked |
//!
//! An object store has no transactions, but shows what was written to whoever reads after that. Whoever removes a version notes
//! that it goes, then looks whether the content was used, and only then deletes it. Whoever uses content writes that it is used
//! and then looks for a version without such a note. If there is one, whoever comes to remove it sees the use, and copies it to
//! another version before it deletes it. If there is none, whoever uses it makes the copy, since those who remove what is there may
//! have looked too early. So what was used is there at every moment, for whoever reads: a version that goes is read as well, and
//! where it is deleted in between, its copy is there. No version comes again once it is deleted. So any number of processes may
//! remove the same, each may stop at any moment, and what it began is finished by the next.

mod http;
mod open;
mod reading;
mod removing;
mod s3;
mod sink;
mod versions;

use std::sync::Arc;

use async_trait::async_trait;
use object_store::{ObjectStore, ObjectStoreExt, path::Path};
use optimus_common::{JobId, content::Digest};
use uuid::Uuid;

use self::{
    open::{OpenObjects, charge},
    reading::ObjectReading,
    sink::Uploading,
    versions::{LOOKS, Restless},
};
use crate::{
    Content, ContentError, ContentStore, Holders, Incoming, Rules, Sink, Upkept, held::measured, hold_note,
    release_over,
};

/// Content in one object store, or below a path of it.
#[derive(Debug, Clone)]
pub struct ObjectContent(Arc<OpenObjects>);

impl ObjectContent {
    /// The store that `url` names: `s3://bucket`, or a path in a bucket. What else it takes is in the environment, by the names
    /// that other programs for S3 read (`AWS_ACCESS_KEY_ID` and so on), and in `options`, by the same names.
    pub async fn open_url(url: &str, options: &[(&str, &str)], rules: Rules) -> Result<Self, ContentError> {
        let path = url
            .strip_prefix("s3://")
            .map(|rest| rest.split_once('/').map_or("", |(_, path)| path));
        let path = path
            .ok_or_else(|| ContentError::Misconfigured(format!("content.store: {url} is no s3://bucket")))?;
        let prefix = Path::parse(path)
            .map_err(|error| ContentError::Misconfigured(format!("content.store: {error}")))?;
        Self::open(s3::bucket(url, options)?, prefix, rules).await
    }

    /// Makes the store where there is none.
    pub async fn open(
        objects: Arc<dyn ObjectStore>,
        prefix: Path,
        rules: Rules,
    ) -> Result<Self, ContentError> {
        let inner = OpenObjects::open(objects, prefix, rules).await?;
        Ok(Self(Arc::new(inner)))
    }
}

#[async_trait]
impl ContentStore for ObjectContent {
    async fn identity(&self) -> Result<Uuid, ContentError> {
        let name = self.0.objects.get(&self.0.path(&["identity"])).await;
        let name = name.map_err(ContentError::unavailable)?;
        let name = name.bytes().await.map_err(ContentError::unavailable)?;
        let name = String::from_utf8_lossy(&name);
        name.parse().map_err(ContentError::unavailable)
    }

    async fn begin(&self, digest: Digest) -> Result<Incoming, ContentError> {
        Incoming::begin(Arc::new(self.clone()), digest).await
    }

    async fn sink(&self, digest: Digest) -> Result<Box<dyn Sink>, ContentError> {
        let uploading = Uploading::begin(Arc::clone(&self.0), digest).await?;
        Ok(Box::new(uploading))
    }

    fn incoming_memory(&self) -> usize {
        3 * sink::PART
    }

    fn max_bytes(&self) -> u64 {
        self.0.rules.max_bytes
    }

    async fn get(&self, digest: Digest) -> Result<Option<Content>, ContentError> {
        for _ in 0..LOOKS {
            let Some(version) = self.0.readable(digest).await? else {
                return Ok(None);
            };
            if let Some(reading) = ObjectReading::begin(&self.0, digest, &version).await? {
                return Ok(Some(Content::new(digest, version.size, reading)));
            }
        }
        Err(ContentError::unavailable(Restless))
    }

    async fn size(&self, digest: Digest) -> Result<Option<u64>, ContentError> {
        let version = self.0.readable(digest).await?;
        Ok(version.map(|version| version.size))
    }

    async fn renew(&self, digests: &[Digest]) -> Result<Vec<Option<u64>>, ContentError> {
        self.0.renew_all(digests).await
    }

    async fn bound(&self) -> Result<u64, ContentError> {
        Ok(self.0.rules.max_total_bytes)
    }

    async fn hold(
        &self,
        job: JobId,
        digests: &[Digest],
        most: u64,
    ) -> Result<Vec<Option<u64>>, ContentError> {
        self.0
            .write(&self.0.hold_of(job), hold_note::text(digests))
            .await?;
        // After that, so that whoever does not see the hold sees the use.
        let sizes = self.0.renew_all(digests).await?;
        if !self.0.held.add(job, &measured(digests, &sizes, charge), most) {
            self.0.delete(&self.0.hold_of(job)).await?;
            return Err(ContentError::NoRoom);
        }
        Ok(sizes)
    }

    async fn release(&self, job: JobId) -> Result<(), ContentError> {
        self.0.delete(&self.0.hold_of(job)).await?;
        self.0.held.end(job);
        Ok(())
    }

    async fn upkeep(&self, holders: &dyn Holders) -> Result<Upkept, ContentError> {
        let now = self.0.now().await?;
        let old = self.0.rules.old_holds(self.0.holds().await?, now);
        let mut upkept = release_over(self, old, holders).await?;
        let on_its_way = self.0.room.taken().on_its_way();
        let most = self.0.rules.max_total_bytes.saturating_sub(on_its_way);
        upkept.removed = self.0.remove_unused(most).await?;
        upkept.bytes = self.0.room.taken().total();
        Ok(upkept)
    }
}
