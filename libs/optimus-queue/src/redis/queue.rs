//! [`JobQueue`]: each method calls its script and reads the answer.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use optimus_common::{
    FencingToken, JobId, LanguageName, Owner, WorkerId, causes, ids::InvalidLanguageName, job::Outcome,
};
use redis::Value;

use super::{
    arguments::{hex, millis},
    connection::unavailable,
    record::{self, FIELDS, RawFields},
    scripts::Call,
    store::RedisStore,
};
use crate::{
    Cancel, Claim, Finish, Idempotency, JobQueue, Lease, NewJob, QueueDepth, Renewal, Retry, StoreError,
    StoredJob, Submitted, Totals,
    encoding::{PART_BYTES, StoredContext, TerminalState, priority_name, readable, status_from},
};

#[async_trait]
impl JobQueue for RedisStore {
    async fn submit(&self, job: NewJob) -> Result<Submitted, StoreError> {
        let NewJob {
            id,
            submission,
            idempotency,
            context,
        } = job;
        let damaged = |source: serde_json::Error| StoreError::Damaged {
            job: id,
            source: source.into(),
        };
        let json = serde_json::to_string(&submission).map_err(damaged)?;
        let metadata = submission
            .metadata
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default();
        let mut keys = vec![self.keys.job(id)];
        keys.extend(
            idempotency
                .as_ref()
                .map(|idempotency| self.keys.idempotency(&context.owner, &idempotency.key)),
        );
        let StoredContext {
            owner,
            traceparent,
            tracestate,
            group,
        } = StoredContext::of(&context);
        let mut call = Call::on(&self.scripts.submit, &self.keys, &submission.language, &keys)
            .arg(id.to_string())
            .arg(priority_name(submission.priority))
            .arg(submission.test_cases.len())
            .arg(json)
            .arg(metadata)
            .arg(self.queue.max_waiting_jobs)
            .arg(self.queue.max_stored_bytes)
            .arg(millis(self.queue.result_ttl))
            .arg(
                idempotency
                    .map(|idempotency| hex(&idempotency.body_sha256))
                    .unwrap_or_default(),
            );
        for (field, value) in [
            // The default one is not written: that a record has none means that.
            ("owner", owner.filter(|_| context.owner != Owner::default())),
            ("traceparent", traceparent),
            ("tracestate", tracestate),
            ("group", group),
        ] {
            if let Some(value) = value {
                call = call.arg(field).arg(value);
            }
        }
        drop(submission);
        let answer: String = self.replicated_call(call).await?;
        Ok(match answer.as_str() {
            "created" => Submitted::Created,
            "full" => Submitted::Full,
            "reused" => Submitted::KeyReused,
            other => {
                let existing = other.parse().map_err(unavailable)?;
                Submitted::as_known(id, existing)
            }
        })
    }

    async fn submitted_before(
        &self,
        owner: &Owner,
        idempotency: &Idempotency,
    ) -> Result<Option<Submitted>, StoreError> {
        let mut read = redis::cmd("GET");
        read.arg(self.keys.idempotency(owner, &idempotency.key));
        let known: Option<String> = if self.replicas.is_required() {
            self.replicated_read(read).await?
        } else {
            read.query_async(&mut self.connections.bulk())
                .await
                .map_err(unavailable)?
        };
        let Some((job, body)) = known.as_deref().and_then(|known| known.split_once(' ')) else {
            return Ok(None);
        };
        if body != hex(&idempotency.body_sha256) {
            return Ok(Some(Submitted::KeyReused));
        }
        Ok(Some(Submitted::Existing(job.parse().map_err(unavailable)?)))
    }

    async fn lookup(&self, id: JobId) -> Result<Option<StoredJob>, StoreError> {
        let mut read = redis::cmd("HMGET");
        read.arg(self.keys.job(id)).arg(&FIELDS);
        let fields: RawFields = read
            .query_async(&mut self.connections.bulk())
            .await
            .map_err(unavailable)?;
        let job = record::decode(id, fields)?;
        let has_ended = job.as_ref().is_some_and(|job| job.record.status.is_terminal());
        if has_ended && self.replicas.is_required() {
            return record::decode(id, self.replicated_read(read).await?);
        }
        Ok(job)
    }

    async fn result_part(&self, id: JobId, part: u32) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(begin) = u64::from(part)
            .checked_sub(1)
            .map(|before| before * PART_BYTES as u64)
        else {
            return Ok(None);
        };
        let bytes: Vec<u8> = redis::cmd("GETRANGE")
            .arg(self.keys.result(id))
            .arg(begin)
            .arg(begin + PART_BYTES as u64 - 1)
            .query_async(&mut self.connections.bulk())
            .await
            .map_err(unavailable)?;
        Ok(Some(bytes).filter(|bytes| !bytes.is_empty()))
    }

    async fn claim(&self, language: &LanguageName, worker: &WorkerId) -> Result<Option<Claim>, StoreError> {
        let mut passed = Passed::default();
        loop {
            let (delayed, [interactive, normal, batch], newer, version) = &passed;
            let call = self
                .call(&self.scripts.claim, language)
                .arg(worker.as_str())
                .arg(millis(self.queue.lease))
                .arg(millis(self.queue.priority_head_start))
                .arg(millis(self.queue.result_ttl))
                .arg(*delayed)
                .arg(*interactive)
                .arg(*normal)
                .arg(*batch)
                .arg(newer.as_str())
                .arg(version.as_str());
            let answer: Vec<Value> = self.bulk_call(call).await?;
            match answer.len() {
                0 => return Ok(None),
                2 => {
                    let (id, version): (String, String) =
                        redis::from_redis_value(Value::Array(answer)).map_err(unavailable)?;
                    return Err(newer_record(id.parse().map_err(unavailable)?, &version));
                }
                // Only stale entries so far, and jobs of newer releases.
                7 => {
                    let (_again, delayed, interactive, normal, batch, newer, version): Again =
                        redis::from_redis_value(Value::Array(answer)).map_err(unavailable)?;
                    passed = (delayed, [interactive, normal, batch], newer, version);
                    continue;
                }
                _ => {}
            }
            let (id, token, attempt, created, submission, owner, traceparent, tracestate, group): ClaimReply =
                redis::from_redis_value(Value::Array(answer)).map_err(unavailable)?;
            let lease = Lease {
                job: id.parse().map_err(unavailable)?,
                language: language.clone(),
                token: FencingToken(token),
            };
            let given = |value: String| Some(value).filter(|value| !value.is_empty());
            let context = StoredContext {
                owner: given(owner),
                traceparent: given(traceparent),
                tracestate: given(tracestate),
                group: given(group),
            };
            match readable(&submission, context) {
                Ok((submission, context)) => {
                    let created_at = Timestamp::from_millisecond(created).map_err(unavailable)?;
                    return Ok(Some(Claim {
                        lease,
                        attempt,
                        created_at,
                        submission,
                        context,
                    }));
                }
                Err(cause) => {
                    tracing::error!(job_id = %lease.job, %language, error = causes(&cause), "a claimed job cannot be read");
                    self.conclude(&lease, &TerminalState::unreadable(&cause)).await?;
                }
            }
        }
    }

    async fn wait_for_work(&self, language: &LanguageName, timeout: Duration) -> Result<(), StoreError> {
        let due_in: i64 = self.control_call(self.call(&self.scripts.idle, language)).await?;
        let longest = match u64::try_from(due_in) {
            Ok(0) => return Ok(()),
            Ok(until_due) => timeout.min(Duration::from_millis(until_due)),
            Err(_none_waits) => timeout,
        };
        self.waiting
            .wait(&self.connections, language, &self.keys.wake(language), longest)
            .await
    }

    async fn renew(&self, lease: &Lease) -> Result<Renewal, StoreError> {
        let call = self
            .call_for(&self.scripts.renew, lease)
            .arg(millis(self.queue.lease));
        let answer: String = self.control_call(call).await?;
        Ok(match answer.as_str() {
            "held" => Renewal::Held,
            "cancel" => Renewal::CancelRequested,
            _ => {
                self.publisher.forget(lease);
                Renewal::Lost
            }
        })
    }

    async fn finish(&self, lease: &Lease, outcome: Outcome) -> Result<Finish, StoreError> {
        self.conclude(lease, &TerminalState::of(lease.job, outcome)?)
            .await
    }

    async fn release(&self, lease: &Lease) -> Result<Finish, StoreError> {
        self.publisher.write_out(lease).await;
        let call = self
            .call_for(&self.scripts.release, lease)
            .arg(millis(self.queue.result_ttl));
        let answer = self.control_call(call).await?;
        self.publisher.forget(lease);
        Ok(accepted(answer))
    }

    async fn retry(&self, lease: &Lease, reason: &str) -> Result<Retry, StoreError> {
        self.publisher.write_out(lease).await;
        let call = self.with_rules(self.call_for(&self.scripts.retry, lease).arg(reason));
        let answer: String = self.control_call(call).await?;
        self.publisher.forget(lease);
        Ok(match answer.as_str() {
            "requeued" => Retry::Requeued,
            "dead" => Retry::Dead,
            "cancelled" => Retry::Cancelled,
            _ => Retry::Refused,
        })
    }

    async fn cancel(&self, id: JobId) -> Result<Cancel, StoreError> {
        // It never changes, so it may be asked for before the transition.
        let language: Option<String> = self
            .control(redis::cmd("HGET").arg(self.keys.job(id)).arg("language"))
            .await?;
        let Some(language) = language else {
            return Ok(Cancel::NotFound);
        };
        let damaged = |source| StoreError::Damaged { job: id, source };
        let language = language
            .parse()
            .map_err(|error: InvalidLanguageName| damaged(error.into()))?;
        let call = self
            .call(&self.scripts.cancel, &language)
            .arg(id.to_string())
            .arg(millis(self.queue.result_ttl));
        let answer: Option<String> = self.control_call(call).await?;
        Ok(match answer.as_deref() {
            None => Cancel::NotFound,
            Some("done") => Cancel::Cancelled,
            Some("requested") => Cancel::Requested,
            Some(newer) if newer.starts_with("newer:") => {
                return Err(newer_record(id, newer.trim_start_matches("newer:")));
            }
            Some(status) => Cancel::AlreadyFinished(status_from(status).map_err(damaged)?),
        })
    }

    async fn depths(&self, languages: &[LanguageName]) -> Result<Vec<QueueDepth>, StoreError> {
        if languages.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipeline = redis::pipe();
        for language in languages {
            for list in self.keys.lists(language) {
                pipeline.cmd("LLEN").arg(list);
            }
            pipeline.cmd("ZCARD").arg(self.keys.delayed(language));
            pipeline.cmd("ZCARD").arg(self.keys.running(language));
            pipeline.cmd("LLEN").arg(self.keys.dead(language));
        }
        let counts: Vec<u64> = pipeline
            .query_async(&mut self.connections.control())
            .await
            .map_err(unavailable)?;
        Ok(languages
            .iter()
            .zip(counts.as_chunks::<6>().0)
            .map(
                |(language, &[interactive, normal, batch, delayed, running, dead])| QueueDepth {
                    language: language.clone(),
                    interactive,
                    normal,
                    batch,
                    delayed,
                    running,
                    dead,
                },
            )
            .collect())
    }

    async fn totals(&self) -> Result<Totals, StoreError> {
        Ok(record::totals(&self.counters().await?))
    }
}

impl RedisStore {
    async fn conclude(&self, lease: &Lease, end: &TerminalState) -> Result<Finish, StoreError> {
        let result = end.result.as_deref().unwrap_or_default().as_bytes();
        let (head, rest) = result.split_at(result.len().min(PART_BYTES));
        let keys = [self.keys.results(), self.keys.result(lease.job)];
        let call = Call::on(&self.scripts.finish, &self.keys, &lease.language, &keys)
            .arg(lease.job.to_string())
            .arg(lease.token.0)
            .arg(millis(self.queue.result_ttl))
            .arg(end.status.as_str())
            .arg(end.verdict.as_str())
            .arg(head)
            .arg(rest)
            .arg(result.len())
            .arg(end.gist.as_deref().unwrap_or_default())
            .arg(end.error.as_deref().unwrap_or_default());
        let call = self.publisher.left(lease).add_to(call);
        let answer = self.replicated_call(self.with_room(call)).await?;
        self.publisher.forget(lease);
        Ok(accepted(answer))
    }
}

/// Jobs of newer releases that a claim has passed over so far: how many of the delayed ones, and of each list, and one of them with
/// its version.
type Passed = (u64, [u64; 3], String, String);

/// [`Passed`] as the script answers it, behind a word for that.
type Again = (String, u64, u64, u64, u64, String, String);

/// Id, token, attempt, creation, submission, owner, traceparent, tracestate, group.
type ClaimReply = (String, u64, u32, i64, Vec<u8>, String, String, String, String);

/// A version that is no number is as unknown as the highest.
fn newer_record(job: JobId, version: &str) -> StoreError {
    StoreError::NewerRecord {
        job,
        version: version.parse().unwrap_or(u32::MAX),
    }
}

fn accepted(answer: u8) -> Finish {
    if answer == 1 {
        Finish::Accepted
    } else {
        Finish::Refused
    }
}
