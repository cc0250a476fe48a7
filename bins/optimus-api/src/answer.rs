//! Answering a job: its record with the stored bytes of its result inside, which nobody parses on their way.

use std::{io, sync::Arc};

use axum::{
    body::{Body, Bytes},
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use futures_util::{StreamExt, stream};
use memchr::memmem;
use optimus_common::{JobId, job::JobRecord};
use optimus_queue::{JobStore, StoredJob, StoredResult};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use crate::{App, pace::Pace, problem::Problem, room::KIB};

/// Memory for answers that take more than one part, all clients together. A small answer takes none of it, so it waits for
/// no large one.
const LARGE_ANSWERS: usize = 64 << 20;

/// What a large answer holds beside its first part: the next one, and what the connection has not written yet.
const HELD_BESIDE: usize = 128 << 10;

/// Sends jobs.
#[derive(Debug)]
pub(crate) struct Outgoing {
    /// In KiB.
    large: Arc<Semaphore>,
    pace: Pace,
}

impl Outgoing {
    pub(crate) fn new(pace: Pace) -> Self {
        Self {
            large: Arc::new(Semaphore::new(LARGE_ANSWERS / KIB)),
            pace,
        }
    }

    /// Room for a large answer; waits for others that are being read.
    async fn room(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Problem> {
        let wanted = (bytes + HELD_BESIDE).min(LARGE_ANSWERS).div_ceil(KIB);
        let wanted = u32::try_from(wanted).map_err(|_| Problem::internal())?;
        let room = Arc::clone(&self.large).acquire_many_owned(wanted);
        match timeout(self.pace.grace, room).await {
            Ok(room) => room.map_err(|_| Problem::internal()),
            Err(_) => Err(Problem::busy_answering()),
        }
    }
}

/// The answer that shows this job.
pub(crate) async fn show(app: &App, job: StoredJob) -> Result<Response, Problem> {
    let StoredJob { record, result, .. } = job;
    let Some(StoredResult { head, bytes, .. }) = result else {
        let json = serde_json::to_vec(&record).map_err(|_| Problem::internal())?;
        return Ok(json_response(Body::from(json), None));
    };
    let (mut first, after) = around_result(&record)?;
    let length = first.len() as u64 + bytes + after.len() as u64;
    let sent = head.len() as u64;
    if sent >= bytes {
        first.extend_from_slice(&head);
        first.extend_from_slice(&after);
        return Ok(json_response(Body::from(first), None));
    }
    let room = app.outgoing.room(head.len()).await?;
    first.extend_from_slice(&head);
    let rest = Rest {
        store: Arc::clone(&app.store),
        job: record.job_id,
        next: 1,
        left: bytes - sent,
        after: Some(after),
        _room: room,
    };
    let parts = stream::once(async { Ok(Bytes::from(first)) }).chain(stream::try_unfold(rest, Rest::take));
    Ok(json_response(Body::from_stream(parts), Some(length)))
}

/// The record's JSON before and after the value of `result`.
fn around_result(record: &JobRecord) -> Result<(Vec<u8>, Vec<u8>), Problem> {
    const FIELD: &[u8] = b"\"result\":";
    const NOTHING: &[u8] = b"null";
    let mut json = serde_json::to_vec(record).map_err(|_| Problem::internal())?;
    // No field before it is a text with quotes in it, so the first is the one.
    let at = memmem::find(&json, FIELD).map(|at| at + FIELD.len());
    let Some(at) = at.filter(|at| json[*at..].starts_with(NOTHING)) else {
        tracing::error!(job_id = %record.job_id, "a record has no place for its result");
        return Err(Problem::internal());
    };
    let after = json.split_off(at + NOTHING.len());
    json.truncate(at);
    Ok((json, after))
}

fn json_response(body: Body, length: Option<u64>) -> Response {
    let json = HeaderValue::from_static("application/json");
    let mut response = ([(header::CONTENT_TYPE, json)], body).into_response();
    if let Some(length) = length {
        // So that an answer that breaks off is noticed.
        response
            .headers_mut()
            .insert(header::CONTENT_LENGTH, length.into());
    }
    response
}

/// What of a result has not been sent.
struct Rest {
    store: Arc<dyn JobStore>,
    job: JobId,
    next: u32,
    left: u64,
    after: Option<Vec<u8>>,
    _room: OwnedSemaphorePermit,
}

impl Rest {
    async fn take(mut self) -> io::Result<Option<(Bytes, Self)>> {
        if self.left == 0 {
            return Ok(self.after.take().map(|after| (after.into(), self)));
        }
        let part = self.store.result_part(self.job, self.next).await;
        match part.map_err(io::Error::other)? {
            Some(part) if part.len() as u64 <= self.left => {
                self.next += 1;
                self.left -= part.len() as u64;
                Ok(Some((part.into(), self)))
            }
            _ => Err(io::Error::other("the result is gone meanwhile")),
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use optimus_common::job::JobStatus;
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn the_result_stands_where_the_record_has_it() {
        let metadata = json!({"a": "\"result\":null", "result": null});
        let record = JobRecord {
            job_id: JobId::new(),
            status: JobStatus::Completed,
            language: "c".parse().unwrap(),
            attempts: 1,
            created_at: Timestamp::UNIX_EPOCH,
            started_at: None,
            finished_at: None,
            result: None,
            details_dropped: false,
            error: Some("\"result\":null".to_owned()),
            metadata: Some(metadata.clone()),
        };
        let (before, after) = around_result(&record).unwrap();
        let whole = [before, b"[7]".to_vec(), after].concat();
        let whole: Value = serde_json::from_slice(&whole).unwrap();
        assert_eq!(whole["result"], json!([7]));
        assert_eq!(whole["metadata"], metadata);
        assert_eq!(whole["error"], "\"result\":null");
    }
}
