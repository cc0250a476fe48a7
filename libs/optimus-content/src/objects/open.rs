//! A store of objects that is open: its objects by name, and what is known of them.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream, stream::BoxStream};
use object_store::{
    Error, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload, path::Path,
};
use optimus_common::{JobId, content::Digest};
use tokio::sync::Mutex;
use uuid::Uuid;

use crate::{
    ContentError, Rules,
    held::Held,
    hold_note,
    removal::left_of,
    room::{Room, Share},
};

/// Requests at once for one question.
const AT_ONCE: usize = 16;

/// From a search for room that found none to the next, at least: it lists everything.
const REST: Duration = Duration::from_secs(10);

/// All that the clones of a store share.
pub(super) struct OpenObjects {
    pub(super) objects: Arc<dyn ObjectStore>,
    prefix: Path,
    pub(super) rules: Rules,
    pub(super) room: Room,
    pub(super) held: Held,
    /// When room may be looked for again.
    search: Mutex<Option<Instant>>,
    /// Locked while content is copied whose only version is being removed: of several of this process who use it at the same time
    /// one makes a copy, and the others find it.
    pub(super) copying: Mutex<()>,
}

/// What content counts for.
pub(super) fn charge(bytes: u64) -> u64 {
    const BESIDE: u64 = 512;
    bytes + BESIDE
}

pub(super) fn there<T>(result: object_store::Result<T>) -> Result<Option<T>, ContentError> {
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
pub(super) struct Listed {
    pub(super) versions: Vec<String>,
    pub(super) bytes: u64,
    pub(super) used: Option<SystemTime>,
}

impl Listed {
    fn used_at(&mut self, moment: SystemTime) {
        self.used = Some(self.used.map_or(moment, |used| used.max(moment)));
    }
}

impl OpenObjects {
    pub(super) async fn open(
        objects: Arc<dyn ObjectStore>,
        prefix: Path,
        rules: Rules,
    ) -> Result<Self, ContentError> {
        let inner = Self {
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
        Ok(inner)
    }

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

    pub(super) fn path(&self, parts: &[&str]) -> Path {
        self.prefix
            .parts()
            .chain(parts.iter().map(|part| (*part).into()))
            .collect()
    }

    pub(super) fn kept(&self, digest: Digest, version: &str) -> Path {
        self.path(&["kept", &digest.to_string(), version])
    }

    pub(super) fn gone(&self, digest: Digest, version: &str) -> Path {
        self.path(&["gone", &digest.to_string(), version])
    }

    pub(super) fn used(&self, digest: Digest) -> Path {
        self.path(&["used", &digest.to_string()])
    }

    pub(super) fn hold_of(&self, job: JobId) -> Path {
        self.path(&["holds", &job.to_string()])
    }

    pub(super) async fn write(&self, path: &Path, bytes: impl Into<PutPayload>) -> Result<(), ContentError> {
        let written = self.objects.put(path, bytes.into()).await;
        written.map(drop).map_err(ContentError::unavailable)
    }

    pub(super) async fn delete(&self, path: &Path) -> Result<(), ContentError> {
        there(self.objects.delete(path).await).map(drop)
    }

    /// What time it is there.
    pub(super) async fn now(&self) -> Result<SystemTime, ContentError> {
        let clock = self.path(&["clock"]);
        self.write(&clock, Bytes::new()).await?;
        let written = self
            .objects
            .head(&clock)
            .await
            .map_err(ContentError::unavailable)?;
        Ok(written.last_modified.into())
    }

    pub(super) fn list(&self, folder: &Path) -> BoxStream<'static, Result<ObjectMeta, ContentError>> {
        self.objects
            .list(Some(folder))
            .map_err(ContentError::unavailable)
            .boxed()
    }

    pub(super) async fn names(&self, folder: &Path) -> Result<Vec<(String, u64)>, ContentError> {
        self.list(folder)
            .map_ok(|object| {
                let name = object.location.filename().unwrap_or_default().to_owned();
                (name, object.size)
            })
            .try_collect()
            .await
    }

    /// Its size, where it is there.
    pub(super) async fn renew(&self, digest: Digest) -> Result<Option<u64>, ContentError> {
        if self.readable(digest).await?.is_none() {
            return Ok(None);
        }
        self.write(&self.used(digest), Bytes::new()).await?;
        // After that, so that whoever removes one that stays sees the use.
        Ok(self.staying(digest).await?.map(|version| version.size))
    }

    pub(super) async fn renew_all(&self, digests: &[Digest]) -> Result<Vec<Option<u64>>, ContentError> {
        stream::iter(digests.to_vec())
            .map(|digest| self.renew(digest))
            .buffered(AT_ONCE)
            .try_collect()
            .await
    }

    /// All content.
    pub(super) async fn listed(&self) -> Result<HashMap<Digest, Listed>, ContentError> {
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

    pub(super) async fn holds(&self) -> Result<Vec<(JobId, SystemTime)>, ContentError> {
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
    pub(super) async fn look_at_holds(&self) -> Result<HashSet<Digest>, ContentError> {
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
    pub(super) fn note(&self, listed: &HashMap<Digest, Listed>) {
        self.room
            .set_kept(listed.values().map(|content| content.bytes).sum());
        self.held
            .measure(listed.iter().map(|(digest, content)| (*digest, content.bytes)));
    }

    /// Takes so much more for what comes, and makes room where there is none.
    pub(super) async fn take(&self, share: &mut Share, more: u64) -> Result<(), ContentError> {
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

impl fmt::Debug for OpenObjects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenObjects")
            .field("objects", &self.objects)
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}
