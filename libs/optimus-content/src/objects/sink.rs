//! Content on its way into an object store.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use object_store::{MultipartUpload, ObjectStoreExt, PutPayload};
use optimus_common::content::Digest;
use tokio::runtime::Handle;
use uuid::Uuid;

use super::open::{OpenObjects, charge};
use crate::{ContentError, Put, Sink, Source, room::Share};

/// The least that S3 takes as a part, save the last one.
pub(super) const PART: usize = 5 << 20;

pub(super) struct Uploading {
    store: Arc<OpenObjects>,
    digest: Digest,
    version: String,
    bytes: u64,
    share: Share,
    waiting: BytesMut,
    /// The upload in parts, where there is more than one part of it.
    parts: Option<Parts>,
}

/// Given up where it is not completed.
struct Parts(std::sync::Mutex<Option<Box<dyn MultipartUpload>>>);

#[derive(Debug, thiserror::Error)]
#[error("sending it was given up")]
struct SendingGivenUp;

impl Parts {
    fn upload(&mut self) -> Result<&mut Box<dyn MultipartUpload>, ContentError> {
        let upload = self
            .0
            .get_mut()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        upload
            .as_mut()
            .ok_or_else(|| ContentError::unavailable(SendingGivenUp))
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        let upload = self
            .0
            .get_mut()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if let (Some(mut upload), Ok(runtime)) = (upload.take(), Handle::try_current()) {
            runtime.spawn(async move {
                if let Err(error) = upload.abort().await {
                    tracing::debug!(
                        error = optimus_common::causes(&error),
                        "an upload was not given up"
                    );
                }
            });
        }
    }
}

impl Uploading {
    pub(super) async fn begin(store: Arc<OpenObjects>, digest: Digest) -> Result<Self, ContentError> {
        let mut share = store.room.share();
        store.take(&mut share, charge(0)).await?;
        Ok(Self {
            store,
            digest,
            version: Uuid::now_v7().to_string(),
            bytes: 0,
            share,
            waiting: BytesMut::new(),
            parts: None,
        })
    }

    async fn send(&mut self, part: Bytes) -> Result<(), ContentError> {
        if self.parts.is_none() {
            let path = self.store.kept(self.digest, &self.version);
            let upload = self.store.objects.put_multipart(&path).await;
            let upload = upload.map_err(ContentError::unavailable)?;
            self.parts = Some(Parts(std::sync::Mutex::new(Some(upload))));
        }
        let Some(parts) = &mut self.parts else {
            return Ok(());
        };
        let sent = parts.upload()?.put_part(PutPayload::from(part));
        sent.await.map_err(ContentError::unavailable)
    }
}

#[async_trait]
impl Sink for Uploading {
    async fn write(&mut self, chunk: Bytes) -> Result<(), ContentError> {
        let bytes = self.bytes + chunk.len() as u64;
        let more = charge(bytes) - self.share.bytes();
        self.store.take(&mut self.share, more).await?;
        self.bytes = bytes;
        self.waiting.extend_from_slice(&chunk);
        while self.waiting.len() > PART {
            let part = self.waiting.split_to(PART).freeze();
            self.send(part).await?;
        }
        Ok(())
    }

    async fn keep(self: Box<Self>) -> Result<Put, ContentError> {
        // Somebody may have sent it meanwhile.
        if self.store.renew(self.digest).await?.is_some() {
            return Ok(Put::Existing);
        }
        self.complete().await
    }

    /// What is damaged goes after that: jobs may hold it, and a wrong answer may have made it look so.
    async fn keep_instead(self: Box<Self>, mut damaged: Box<dyn Source>) -> Result<Put, ContentError> {
        let put = self.complete().await?;
        damaged.remove().await?;
        Ok(put)
    }
}

impl Uploading {
    /// Makes what was sent a version that all see.
    async fn complete(mut self: Box<Self>) -> Result<Put, ContentError> {
        let rest = self.waiting.split().freeze();
        if self.parts.is_some() {
            self.send(rest).await?;
        } else {
            let path = self.store.kept(self.digest, &self.version);
            self.store.write(&path, rest).await?;
        }
        if let Some(mut parts) = self.parts.take() {
            parts
                .upload()?
                .complete()
                .await
                .map_err(ContentError::unavailable)?;
            *parts
                .0
                .get_mut()
                .unwrap_or_else(std::sync::PoisonError::into_inner) = None;
        }
        let none = self.store.room.share();
        std::mem::replace(&mut self.share, none).keep();
        Ok(Put::New)
    }
}
