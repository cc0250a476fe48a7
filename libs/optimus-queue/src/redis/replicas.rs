//! Waiting for replicas: how many must have something before anybody is told of it.

use std::time::Duration;

use redis::{Cmd, FromRedisValue, Pipeline, aio::ConnectionLike};

use super::{arguments::millis, connection::unavailable};
use crate::{StoreError, settings::RedisSettings};

/// How many replicas must have a submission or a result before anybody is told of it, and how long they are waited for.
#[derive(Debug, Clone, Copy)]
pub(super) struct ReplicaPolicy {
    replicas: u32,
    longest: Duration,
}

impl ReplicaPolicy {
    pub(super) fn of(redis: &RedisSettings) -> Self {
        Self {
            replicas: redis.replicas,
            // The answer still has to come in time.
            longest: redis.response_timeout / 2,
        }
    }

    pub(super) fn is_required(self) -> bool {
        self.replicas > 0
    }

    /// Its answer is how many replicas have what the same connection wrote before.
    pub(super) fn add_wait(self, pipeline: &mut Pipeline) {
        pipeline.cmd("WAIT").arg(self.replicas).arg(millis(self.longest));
    }

    /// Reads something that must not be taken back by a failover: not before the replicas that are asked for have
    /// everything that the server had when it answered.
    pub(super) async fn read<T: FromRedisValue>(
        self,
        connection: &mut impl ConnectionLike,
        read: Cmd,
        barrier: &str,
    ) -> Result<T, StoreError> {
        let mut both = redis::pipe();
        // Redis lets a connection wait for its own writes only. This one stores nothing, and is replicated after all else.
        both.add_command(read)
            .cmd("PUBLISH")
            .arg(barrier)
            .arg("")
            .ignore();
        self.add_wait(&mut both);
        let (answer, there) = both.query_async(connection).await.map_err(unavailable)?;
        self.check(there)?;
        Ok(answer)
    }

    pub(super) fn check(self, there: u32) -> Result<(), StoreError> {
        if there >= self.replicas {
            return Ok(());
        }
        Err(unavailable(TooFewReplicas {
            there,
            wanted: self.replicas,
        }))
    }
}

#[derive(Debug, thiserror::Error)]
#[error("only {there} of {wanted} replicas have it")]
struct TooFewReplicas {
    there: u32,
    wanted: u32,
}
