//! Content on its way out of an object store.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{TryStreamExt, stream::BoxStream};
use object_store::ObjectStoreExt;
use optimus_common::content::Digest;

use super::{
    open::{OpenObjects, there},
    removing::Since,
    versions::{Restless, Version},
};
use crate::{ContentError, Source};

/// A version that is read.
pub(super) struct ObjectReading {
    store: Arc<OpenObjects>,
    digest: Digest,
    version: Version,
    bytes: Mutex<BoxStream<'static, object_store::Result<Bytes>>>,
}

#[derive(Debug, thiserror::Error)]
#[error("it has {listed} bytes where it is listed, and {read} where it is read")]
struct AnotherSize {
    listed: u64,
    read: u64,
}

impl ObjectReading {
    /// `None`: it is gone.
    pub(super) async fn begin(
        store: &Arc<OpenObjects>,
        digest: Digest,
        version: &Version,
    ) -> Result<Option<Self>, ContentError> {
        let object = store.objects.get(&store.kept(digest, &version.name)).await;
        let Some(object) = there(object)? else {
            return Ok(None);
        };
        let (listed, read) = (version.size, object.meta.size);
        if listed != read {
            // Something else than the store answers in its place.
            return Err(ContentError::unavailable(AnotherSize { listed, read }));
        }
        Ok(Some(Self {
            store: Arc::clone(store),
            digest,
            version: version.clone(),
            bytes: Mutex::new(object.into_stream()),
        }))
    }
}

#[async_trait]
impl Source for ObjectReading {
    async fn next(&mut self) -> Result<Option<Bytes>, ContentError> {
        let bytes = self.bytes.get_mut();
        let bytes = bytes.unwrap_or_else(PoisonError::into_inner);
        bytes.try_next().await.map_err(ContentError::unavailable)
    }

    /// There is a network between, and maybe others that answer in the place of the store.
    async fn again(&mut self) -> Result<Option<Box<dyn Source>>, ContentError> {
        let again = Self::begin(&self.store, self.digest, &self.version).await?;
        let again = again.ok_or_else(|| ContentError::unavailable(Restless))?;
        Ok(Some(Box::new(again)))
    }

    async fn remove(&mut self) -> Result<(), ContentError> {
        let removed = self.store.remove(self.digest, &self.version.name, Since::DAMAGED);
        removed.await.map(drop)
    }
}
