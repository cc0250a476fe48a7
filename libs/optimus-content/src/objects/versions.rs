//! Which versions of content are there, and which of them are going.

use std::collections::HashSet;

use object_store::ObjectStoreExt;
use optimus_common::content::Digest;
use uuid::Uuid;

use super::{
    open::{OpenObjects, there},
    removing::Since,
};
use crate::ContentError;

/// How often versions are looked for that are gone whenever they are asked for.
pub(super) const LOOKS: u32 = 8;

/// Between a look at what is there and the question for it, it was removed and copied, again and again.
#[derive(Debug, thiserror::Error)]
#[error("it is removed and comes again all the time")]
pub(super) struct Restless;

#[derive(Debug, Clone)]
pub(super) struct Version {
    pub(super) name: String,
    pub(super) size: u64,
}

/// What is there of one content.
#[derive(Debug)]
pub(super) struct Versions {
    /// Nobody removes these. Whoever begins to from now on sees each use that was written before.
    pub(super) staying: Vec<Version>,
    /// Somebody removes these, and may not have seen a use that was written meanwhile.
    going: Vec<Version>,
}

impl OpenObjects {
    /// What goes is asked for first: a note comes before its version goes and goes after it, so that nothing looks as if it
    /// stayed that is gone already.
    pub(super) async fn versions(&self, digest: Digest) -> Result<Versions, ContentError> {
        let name = digest.to_string();
        let notes = self.names(&self.path(&["gone", &name])).await?;
        let notes: HashSet<_> = notes.into_iter().map(|(version, _)| version).collect();
        let kept = self.names(&self.path(&["kept", &name])).await?;
        let (going, staying) = kept
            .into_iter()
            .map(|(name, size)| Version { name, size })
            .partition(|version| notes.contains(&version.name));
        Ok(Versions { staying, going })
    }

    /// A version that is being removed, but not for being damaged: it can be read for as long as it is there.
    async fn going(&self, digest: Digest, versions: Versions) -> Result<Option<Version>, ContentError> {
        for version in versions.going {
            let note = self.begun(&self.gone(digest, &version.name)).await?;
            if note != Some(Since::DAMAGED) {
                return Ok(Some(version));
            }
        }
        Ok(None)
    }

    /// One to read. Also one that goes is there until it was found that nobody used it, or a copy of it is there. Where it is
    /// gone when it is asked for, another look shows which.
    pub(super) async fn readable(&self, digest: Digest) -> Result<Option<Version>, ContentError> {
        let mut versions = self.versions(digest).await?;
        if versions.staying.is_empty() {
            return self.going(digest, versions).await;
        }
        Ok(versions.staying.pop())
    }

    /// One that stays. Where all go that are there, one of them is copied: so whoever wrote that it is used before it came here
    /// has it, whatever those who remove it saw, and however long they take.
    pub(super) async fn staying(&self, digest: Digest) -> Result<Option<Version>, ContentError> {
        if let Some(version) = self.versions(digest).await?.staying.pop() {
            return Ok(Some(version));
        }
        // A process makes one copy, however many ask.
        let _alone = self.copying.lock().await;
        for _ in 0..LOOKS {
            let mut versions = self.versions(digest).await?;
            if let Some(version) = versions.staying.pop() {
                return Ok(Some(version));
            }
            let Some(version) = self.going(digest, versions).await? else {
                return Ok(None);
            };
            self.copy(digest, &version.name).await?;
        }
        Err(ContentError::unavailable(Restless))
    }

    /// Copies a version to a new one, where it is still there.
    pub(super) async fn copy(&self, digest: Digest, version: &str) -> Result<(), ContentError> {
        let copy = self.kept(digest, &Uuid::now_v7().to_string());
        there(self.objects.copy(&self.kept(digest, version), &copy).await).map(drop)
    }
}
