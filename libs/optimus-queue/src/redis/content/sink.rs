//! Content on its way into Redis.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use optimus_common::content::Digest;
use optimus_content::{ContentError, Put, Sink};
use tokio::runtime::Handle;
use uuid::Uuid;

use super::calls::{BLOCK, ContentCalls, Unexpected};
use crate::redis::arguments::millis;

/// How long what came is kept when no more comes: much longer than a client may take for a block.
const KEPT: Duration = Duration::from_mins(10);

#[derive(Debug, thiserror::Error)]
#[error("what came before is gone")]
struct Lost;

pub(super) struct Appending {
    store: Arc<ContentCalls>,
    digest: Digest,
    id: String,
    /// Bytes that are there.
    sent: u64,
    waiting: BytesMut,
    /// Something may be there, also where nobody waited for the answer.
    is_begun: bool,
    is_kept: bool,
}

impl Appending {
    pub(super) fn new(store: Arc<ContentCalls>, digest: Digest) -> Self {
        Self {
            store,
            digest,
            id: Uuid::now_v7().to_string(),
            sent: 0,
            waiting: BytesMut::new(),
            is_begun: false,
            is_kept: false,
        }
    }

    async fn send(&mut self, block: Bytes) -> Result<(), ContentError> {
        self.is_begun = true;
        let ContentCalls { rules, scripts, .. } = &*self.store;
        let call = self.store.call(&scripts.append).arg(&self.id);
        let call = call.arg(self.sent).arg(&block[..]).arg(rules.max_total_bytes);
        let call = call.arg(millis(KEPT)).arg(millis(rules.min_kept));
        match self.store.run(call.arg(millis(rules.retention))).await? {
            1 => self.sent += block.len() as u64,
            0 => return Err(ContentError::NoRoom),
            -1 => return Err(ContentError::unavailable(Lost)),
            _ => return Err(ContentError::unavailable(Unexpected)),
        }
        Ok(())
    }
}

#[async_trait]
impl Sink for Appending {
    async fn write(&mut self, chunk: Bytes) -> Result<(), ContentError> {
        self.waiting.extend_from_slice(&chunk);
        while self.waiting.len() >= BLOCK {
            let block = self.waiting.split_to(BLOCK).freeze();
            self.send(block).await?;
        }
        Ok(())
    }

    async fn keep(mut self: Box<Self>) -> Result<Put, ContentError> {
        let rest = self.waiting.split().freeze();
        if !rest.is_empty() {
            self.send(rest).await?;
        }
        let call = self.store.call(&self.store.scripts.keep).arg(&self.id);
        let call = call.arg(self.digest.to_string()).arg(self.sent);
        let answer: i64 = self.store.run_replicated(call).await?;
        let put = match answer {
            1 => Put::New,
            0 => Put::Existing,
            -1 => return Err(ContentError::unavailable(Lost)),
            _ => return Err(ContentError::unavailable(Unexpected)),
        };
        self.is_kept = true;
        Ok(put)
    }
}

impl Drop for Appending {
    /// What cannot be given up now is given up when its time is over.
    fn drop(&mut self) {
        if self.is_kept || !self.is_begun {
            return;
        }
        if let Ok(runtime) = Handle::try_current() {
            let (store, id) = (Arc::clone(&self.store), std::mem::take(&mut self.id));
            runtime.spawn(async move {
                let call = store.call(&store.scripts.drop).arg(id);
                let _: Result<i64, _> = store.run(call).await;
            });
        }
    }
}
