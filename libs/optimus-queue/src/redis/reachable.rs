//! How a process comes by the store that starts with it: the server may well be there later.

use optimus_common::causes;
use optimus_service::reachable::until_reachable;

use super::RedisStore;
use crate::{
    StoreError,
    settings::{QueueSettings, RedisSettings},
};

impl RedisStore {
    /// As [`RedisStore::connect`], but waits for a server that is not reachable. One that is not safe is an error.
    pub async fn connect_when_reachable(
        redis: &RedisSettings,
        queue: &QueueSettings,
    ) -> Result<Self, StoreError> {
        until_reachable(
            "the job store is not reachable; trying again (its address is the setting redis.url, or REDIS_URL)",
            &redis.address(),
            async || Box::pin(Self::connect(redis, queue)).await,
            |error| match error {
                StoreError::Unavailable(cause) => Some(causes(&**cause)),
                _ => None,
            },
        )
        .await
    }
}
