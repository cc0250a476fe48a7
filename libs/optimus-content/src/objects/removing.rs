//! How content leaves an object store.

use std::{fmt, time::SystemTime};

use futures_util::TryStreamExt;
use object_store::{Error, ObjectStoreExt, PutMode, PutOptions, PutPayload, path::Path};
use optimus_common::content::Digest;

use super::open::{OpenObjects, there};
use crate::{
    ContentError,
    removal::{Entry, removable},
};

/// The last use of content that whoever removes it knows of, in milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Since(u64);

impl Since {
    /// Of a version that has other bytes than its digest says. It goes however lately it was used, since no use was of what it is
    /// taken for.
    pub(super) const DAMAGED: Self = Self(u64::MAX);

    fn of(moment: SystemTime) -> Self {
        let since = moment.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    fn is_damaged(self) -> bool {
        self == Self::DAMAGED
    }
}

impl fmt::Display for Since {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl OpenObjects {
    /// Removes a version that nobody used after `since`; before one goes that was, there is another. Whether it was removed.
    pub(super) async fn remove(
        &self,
        digest: Digest,
        version: &str,
        since: Since,
    ) -> Result<bool, ContentError> {
        let gone = self.gone(digest, version);
        let note = PutPayload::from(since.to_string());
        let first = PutOptions::from(PutMode::Create);
        let since = match self.objects.put_opts(&gone, note, first).await {
            Ok(_) => since,
            Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) if since.is_damaged() => since,
            // Whoever began it looked earlier, and may not have seen what was seen here.
            Err(Error::AlreadyExists { .. } | Error::Precondition { .. }) => {
                match self.begun(&gone).await? {
                    Some(begun) => since.min(begun),
                    // Whoever began it is done.
                    None => return Ok(false),
                }
            }
            Err(error) => return Err(ContentError::unavailable(error)),
        };
        let mark = there(self.objects.head(&self.used(digest)).await)?;
        let is_used = mark.is_some_and(|mark| Since::of(mark.last_modified.into()) > since);
        if is_used && self.versions(digest).await?.staying.is_empty() {
            self.copy(digest, version).await?;
        }
        self.delete(&self.kept(digest, version)).await?;
        self.delete(&gone).await?;
        Ok(!is_used)
    }

    /// What whoever wrote that a version goes knew of its use; `None` where that was done already.
    pub(super) async fn begun(&self, gone: &Path) -> Result<Option<Since>, ContentError> {
        let Some(note) = there(self.objects.get(gone).await)? else {
            return Ok(None);
        };
        let note = note.bytes().await.map_err(ContentError::unavailable)?;
        // A note that cannot be read says that nothing was known: so it is copied.
        Ok(Some(
            String::from_utf8_lossy(&note).parse().map_or(Since(0), Since),
        ))
    }

    /// Removes what was not used for its time, and as much more as it takes for all to be `most`. What is held now is not.
    pub(super) async fn remove_unused(&self, most: u64) -> Result<u64, ContentError> {
        let now = self.now().await?;
        let held = self.look_at_holds().await?;
        self.finish_removals().await?;
        let all = self.listed().await?;
        self.note(&all);
        let entries = all.iter().map(|(digest, content)| Entry {
            digest: *digest,
            bytes: content.bytes,
            used: content.used.unwrap_or(now),
        });
        let mut removed = 0;
        for entry in removable(entries.collect(), &held, &self.rules, now, most) {
            let Some(content) = all.get(&entry.digest) else {
                continue;
            };
            let mut is_gone = true;
            for version in &content.versions {
                let since = Since::of(entry.used);
                is_gone &= self.remove(entry.digest, version, since).await?;
            }
            if is_gone {
                self.room.removed(entry.bytes);
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// Does what processes that are gone have begun.
    async fn finish_removals(&self) -> Result<(), ContentError> {
        let mut gone = self.list(&self.path(&["gone"]));
        while let Some(object) = gone.try_next().await? {
            let parts: Vec<_> = object.location.parts().collect();
            let [.., digest, version] = &parts[..] else {
                continue;
            };
            let Ok(digest) = digest.as_ref().parse() else {
                continue;
            };
            let Some(since) = self.begun(&object.location).await? else {
                continue;
            };
            self.remove(digest, version.as_ref(), since).await?;
        }
        Ok(())
    }
}
