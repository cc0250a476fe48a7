//! Waiting for replicas: how many must have something before anybody is told of it.

use std::time::Duration;

use optimus_common::settings::Redis;
use redis::Pipeline;

use super::{arguments::millis, connection::unavailable};
use crate::StoreError;

/// How many replicas must have a submission or a result before anybody is told of it, and how long they are waited for.
#[derive(Debug, Clone, Copy)]
pub(super) struct ReplicaPolicy {
    replicas: u32,
    longest: Duration,
}

impl ReplicaPolicy {
    pub(super) fn of(redis: &Redis) -> Self {
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
