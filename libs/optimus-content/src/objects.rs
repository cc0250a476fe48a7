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
mod reading;
mod removing;
mod s3;
mod sink;
mod versions;

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream, stream::BoxStream};
use object_store::{
    Error, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload, path::Path,
};
use optimus_common::{JobId, content::Digest};
use tokio::sync::Mutex;
use uuid::Uuid;

use self::{
    reading::ObjectReading,
    sink::Uploading,
    versions::{LOOKS, Restless},
};
use crate::{
    Content, ContentError, ContentStore, Holders, Incoming, Rules, Sink, Upkept,
    held::{Held, measured},
    hold_note, release_over,
    removal::left_of,
    room::{Room, Share},
};

/// Requests at once for one question.
const AT_ONCE: usize = 16;

/// From a search for room that found none to the next, at least: it lists everything.
const REST: Duration = Duration::from_secs(10);

/// Content in one object store, or below a path of it.
#[derive(Debug, Clone)]
pub struct ObjectContent(Arc<OpenObjects>);

struct OpenObjects {
    objects: Arc<dyn ObjectStore>,
    prefix: Path,
    rules: Rules,
    room: Room,
    held: Held,
    /// When room may be looked for again.
    search: Mutex<Option<Instant>>,
    /// Locked while content is copied whose only version is being removed: of several of this process who use it at the same time
    /// one makes a copy, and the others find it.
    copying: Mutex<()>,
}

/// What content counts for.
fn charge(bytes: u64) -> u64 {
    const BESIDE: u64 = 512;
    bytes + BESIDE
}

fn there<T>(result: object_store::Result<T>) -> Result<Option<T>, ContentError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(ContentError::unavailable(error)),
    }
}

#[derive(Debug, thiserror::Error)]
#[error("it does not take DeleteObjects (POST ?delete), without which nothing can be removed from it")]
struct Undeletable(#[source] ContentError);

/// All versions of one content, as they were listed.
#[derive(Debug, Default)]
struct Listed {
    versions: Vec<String>,
    bytes: u64,
    used: Option<SystemTime>,
}

impl Listed {
    fn used_at(&mut self, moment: SystemTime) {
        self.used = Some(self.used.map_or(moment, |used| used.max(moment)));
    }
}

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
        let inner = OpenObjects {
            objects,
            prefix,
            rules,
            room: Room::default(),
            held: Held::default(),
            search: Mutex::default(),
            copying: Mutex::default(),
        };
        // One that takes it a second time would let processes overwrite what others noted.
        if inner.gives_name().await? && inner.gives_name().await? {
            return Err(ContentError::Misconfigured(
                "content.store: this store takes a PUT with If-None-Match: * of what is there, which it must refuse".into(),
            ));
        }
        inner.tries_to_delete().await?;
        inner.note(&inner.listed().await?);
        Ok(Self(Arc::new(inner)))
    }
}

impl OpenObjects {
    /// Gives the store a name, where it has none. Whether it did.
    async fn gives_name(&self) -> Result<bool, ContentError> {
        let name = PutPayload::from(Uuid::now_v7().to_string());
        let first = PutOptions::from(PutMode::Create);
        match self
            .objects
            .put_opts(&self.path(&["identity"]), name, first)
            .await
        {
            Ok(_) => Ok(true),
            Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => Ok(false),
            Err(error) => Err(ContentError::unavailable(error)),
        }
    }

    /// Some stores that speak S3 have no such request, which would be noticed when the first content is to go.
    async fn tries_to_delete(&self) -> Result<(), ContentError> {
        let tried = there(self.objects.delete(&self.path(&["nothing"])).await);
        tried
            .map(drop)
            .map_err(|error| ContentError::unavailable(Undeletable(error)))
    }

    fn path(&self, parts: &[&str]) -> Path {
        self.prefix
            .parts()
            .chain(parts.iter().map(|part| (*part).into()))
            .collect()
    }

    fn kept(&self, digest: Digest, version: &str) -> Path {
        self.path(&["kept", &digest.to_string(), version])
    }

    fn gone(&self, digest: Digest, version: &str) -> Path {
        self.path(&["gone", &digest.to_string(), version])
    }

    fn used(&self, digest: Digest) -> Path {
        self.path(&["used", &digest.to_string()])
    }

    fn hold_of(&self, job: JobId) -> Path {
        self.path(&["holds", &job.to_string()])
    }

    async fn write(&self, path: &Path, bytes: impl Into<PutPayload>) -> Result<(), ContentError> {
        let written = self.objects.put(path, bytes.into()).await;
        written.map(drop).map_err(ContentError::unavailable)
    }

    async fn delete(&self, path: &Path) -> Result<(), ContentError> {
        there(self.objects.delete(path).await).map(drop)
    }

    /// What time it is there.
    async fn now(&self) -> Result<SystemTime, ContentError> {
        let clock = self.path(&["clock"]);
        self.write(&clock, Bytes::new()).await?;
        let written = self
            .objects
            .head(&clock)
            .await
            .map_err(ContentError::unavailable)?;
        Ok(written.last_modified.into())
    }

    fn list(&self, folder: &Path) -> BoxStream<'static, Result<ObjectMeta, ContentError>> {
        self.objects
            .list(Some(folder))
            .map_err(ContentError::unavailable)
            .boxed()
    }

    async fn names(&self, folder: &Path) -> Result<Vec<(String, u64)>, ContentError> {
        self.list(folder)
            .map_ok(|object| {
                let name = object.location.filename().unwrap_or_default().to_owned();
                (name, object.size)
            })
            .try_collect()
            .await
    }

    /// Its size, where it is there.
    async fn renew(&self, digest: Digest) -> Result<Option<u64>, ContentError> {
        if self.readable(digest).await?.is_none() {
            return Ok(None);
        }
        self.write(&self.used(digest), Bytes::new()).await?;
        // After that, so that whoever removes one that stays sees the use.
        Ok(self.staying(digest).await?.map(|version| version.size))
    }

    async fn renew_all(&self, digests: &[Digest]) -> Result<Vec<Option<u64>>, ContentError> {
        stream::iter(digests.to_vec())
            .map(|digest| self.renew(digest))
            .buffered(AT_ONCE)
            .try_collect()
            .await
    }

    /// All content.
    async fn listed(&self) -> Result<HashMap<Digest, Listed>, ContentError> {
        let mut all: HashMap<Digest, Listed> = HashMap::new();
        let mut kept = self.list(&self.path(&["kept"]));
        while let Some(object) = kept.try_next().await? {
            let parts: Vec<_> = object.location.parts().collect();
            let [.., digest, version] = &parts[..] else {
                continue;
            };
            let Ok(digest) = digest.as_ref().parse() else {
                continue;
            };
            let content = all.entry(digest).or_default();
            content.versions.push(version.as_ref().to_owned());
            content.bytes += charge(object.size);
            content.used_at(object.last_modified.into());
        }
        let mut used = self.list(&self.path(&["used"]));
        while let Some(mark) = used.try_next().await? {
            let digest = mark.location.filename().and_then(|name| name.parse().ok());
            if let Some(content) = digest.and_then(|digest: Digest| all.get_mut(&digest)) {
                content.used_at(mark.last_modified.into());
            }
        }
        Ok(all)
    }

    async fn holds(&self) -> Result<Vec<(JobId, SystemTime)>, ContentError> {
        let mut jobs = Vec::new();
        let mut holds = self.list(&self.path(&["holds"]));
        while let Some(hold) = holds.try_next().await? {
            if let Some(job) = hold.location.filename().and_then(|name| name.parse().ok()) {
                jobs.push((job, hold.last_modified.into()));
            }
        }
        Ok(jobs)
    }

    /// All that is held.
    async fn look_at_holds(&self) -> Result<HashSet<Digest>, ContentError> {
        let jobs = self.holds().await?.into_iter().map(|(job, _)| job).collect();
        let holds = stream::iter(self.held.keep(&jobs)).map(|job| async move {
            let Some(hold) = there(self.objects.get(&self.hold_of(job)).await)? else {
                return Ok((job, Bytes::new()));
            };
            let hold = hold.bytes().await.map_err(ContentError::unavailable)?;
            Ok((job, hold))
        });
        let mut holds = holds.buffer_unordered(AT_ONCE);
        while let Some((job, hold)) = holds.try_next().await? {
            self.held.learn(job, hold_note::digests(job, &hold));
        }
        Ok(self.held.digests())
    }

    /// Notes what is there.
    fn note(&self, listed: &HashMap<Digest, Listed>) {
        self.room
            .set_kept(listed.values().map(|content| content.bytes).sum());
        self.held
            .measure(listed.iter().map(|(digest, content)| (*digest, content.bytes)));
    }

    /// Takes so much more for what comes, and makes room where there is none.
    async fn take(&self, share: &mut Share, more: u64) -> Result<(), ContentError> {
        let bound = self.rules.max_total_bytes;
        let is_known = || !self.room.is_to_be_looked_at(bound);
        if is_known() && share.grow(more, bound) {
            return Ok(());
        }
        let mut not_before = self.search.lock().await;
        if !is_known() {
            self.note(&self.listed().await?);
        }
        if share.grow(more, bound) {
            return Ok(());
        }
        if not_before.is_some_and(|moment| Instant::now() < moment) {
            return Err(ContentError::NoRoom);
        }
        let on_its_way = self.room.taken().on_its_way() + more;
        let removed = self
            .remove_unused(left_of(bound).saturating_sub(on_its_way))
            .await?;
        if share.grow(more, bound) {
            return Ok(());
        }
        if removed == 0 {
            *not_before = Some(Instant::now() + REST);
        }
        Err(ContentError::NoRoom)
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

impl fmt::Debug for OpenObjects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenObjects")
            .field("objects", &self.objects)
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}
