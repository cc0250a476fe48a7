//! Reading the progress of a job: a bounded stream of what was written while it ran, and what came with its end.

use std::{collections::HashMap, sync::Arc};

use async_trait::async_trait;
use optimus_common::{JobId, causes};
use redis::Cmd;

use super::{
    connection::{Connections, unavailable},
    keys::Keys,
    record::{FOLLOWED_FIELDS, FollowedJob, decode_followed},
    replicas::ReplicaPolicy,
};
use crate::{
    KEPT_UPDATES, Progress, StoreError,
    follow::{PAGE, ProgressReader, QUEUED, Read},
};

/// The field of an entry: several updates, as a list. The number of an entry is that of the last of them.
const JSON: &str = "json";

/// Reads what was told of a job.
pub(super) struct StreamReader {
    pub(super) connections: Arc<Connections>,
    pub(super) keys: Keys,
    pub(super) replicas: ReplicaPolicy,
}

impl StreamReader {
    /// An end is told of only when no failover can take it back.
    async fn confirm(&self, job: JobId) -> Result<Option<FollowedJob>, StoreError> {
        let (mut connection, barrier) = (self.connections.bulk(), self.keys.barrier());
        let confirmed = self
            .replicas
            .read(&mut connection, self.ask_status(job), &barrier)
            .await?;
        decode_followed(job, confirmed)
    }

    fn ask_status(&self, job: JobId) -> Cmd {
        let mut ask = redis::cmd("HMGET");
        ask.arg(self.keys.job(job)).arg(&FOLLOWED_FIELDS);
        ask
    }
}

#[async_trait]
impl ProgressReader for StreamReader {
    async fn read(&self, job: JobId, after: u64) -> Result<Option<Read>, StoreError> {
        let mut reading = redis::pipe();
        reading
            .atomic()
            .add_command(self.ask_status(job))
            .cmd("XRANGE")
            .arg(self.keys.progress(job))
            .arg(format!("({after}-0"))
            .arg(&["+", "COUNT"])
            .arg(PAGE)
            .cmd("GET")
            .arg(self.keys.last_progress(job));
        let (known, entries, large): ([Option<Vec<u8>>; 4], Vec<Entry>, Option<Vec<u8>>) = reading
            .query_async(&mut self.connections.control())
            .await
            .map_err(unavailable)?;
        let mut known = decode_followed(job, known)?;
        if known.as_ref().is_some_and(|job| job.status.is_terminal()) && self.replicas.is_required() {
            known = self.confirm(job).await?;
        }
        let Some(FollowedJob { status, last, rest }) = known else {
            return Ok(None);
        };
        let last = last.unwrap_or(QUEUED);
        let stream = entries
            .iter()
            .filter_map(|(id, fields)| Some((number(id)?, fields.get(JSON)?)));
        // What came last follows when all before it has been read.
        let rest = rest.or(large).filter(|_| entries.len() < PAGE);
        let mut progress: Vec<_> = stream
            .chain(rest.iter().map(|json| (last, json)))
            .flat_map(|(last, json)| numbered(last, json))
            .filter(|(number, _)| *number > after && number + KEPT_UPDATES as u64 > last)
            .collect();
        progress.truncate(PAGE);
        Ok(Some(Read {
            status,
            progress,
            last: Some(last),
        }))
    }

    /// Whoever works on the job hears it as an event.
    async fn announce(&self, job: JobId) {
        let mut announce = redis::cmd("PUBLISH");
        announce.arg(self.keys.events()).arg(format!("follow:{job}"));
        let told = announce.query_async::<u64>(&mut self.connections.control()).await;
        if let Err(error) = told {
            // It is said again.
            tracing::debug!(job_id = %job, error = causes(&error), "cannot say that a job is followed");
        }
    }
}

/// Updates with their numbers. One that cannot be read is of a release that tells other things.
fn numbered(last: u64, json: &[u8]) -> Vec<(u64, Option<Progress>)> {
    let updates: Vec<serde_json::Value> = serde_json::from_slice(json).unwrap_or_default();
    let first = (last + 1).saturating_sub(updates.len() as u64);
    let updates = updates
        .into_iter()
        .map(|update| serde_json::from_value(update).ok());
    (first..).zip(updates).collect()
}

/// Its id and its fields.
type Entry = (String, HashMap<String, Vec<u8>>);

fn number(id: &str) -> Option<u64> {
    id.split_once('-')?.0.parse().ok()
}
