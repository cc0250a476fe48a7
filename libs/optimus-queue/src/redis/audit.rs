//! The audit: finds records without a place and places without a record, whatever brought them about.
//!
//! It reads without stopping anybody, so what it finds is only suspected; `repair.lua` looks again before it touches
//! anything.

use std::collections::{BTreeMap, HashSet};

use optimus_common::{JobId, LanguageName, job::JobStatus};

use super::{arguments::millis, connection::unavailable, scripts::Call, store::RedisStore};
use crate::{Audited, StoreError, encoding::status_from};

const PAGE: usize = 500;

/// The ids found waiting, by language.
type WaitingIds = BTreeMap<LanguageName, HashSet<JobId>>;

/// What the audit needs of a job.
struct Seen {
    id: JobId,
    language: LanguageName,
    status: JobStatus,
    bytes: u64,
    /// Milliseconds since 1970.
    finished: Option<u64>,
}

impl RedisStore {
    pub(super) async fn run_audit(&self) -> Result<Audited, StoreError> {
        let began = self.now().await?;
        let counters = self.counters().await?;
        let mut listed = WaitingIds::new();
        for language in self.languages().await? {
            let ids = self.read_places(&language).await?;
            listed.insert(language, ids);
        }

        let mut audited = Audited::default();
        let (mut unfinished, mut bytes) = (HashSet::new(), 0);
        let mut cursor = 0_u64;
        loop {
            let (next, page) = self.scan_jobs(cursor).await?;
            for job in &page {
                // SCAN may show a job twice.
                if !job.status.is_terminal() && unfinished.insert(job.id) {
                    bytes += job.bytes;
                }
            }
            for job in self.without_place(page, &listed).await? {
                self.repair(&job.language, job.id, &mut audited).await?;
            }
            if next == 0 {
                break;
            }
            cursor = next;
        }

        for (language, ids) in listed {
            let stale: Vec<_> = ids.difference(&unfinished).copied().collect();
            self.drop_stale(&language, &stale, began, &mut audited).await?;
        }
        self.recount(bytes, &counters).await?;
        Ok(audited)
    }

    /// Redis' own clock, in milliseconds since 1970.
    async fn now(&self) -> Result<u64, StoreError> {
        let (seconds, micros): (u64, u64) = self.control(&redis::cmd("TIME")).await?;
        Ok(seconds * 1000 + micros / 1000)
    }

    /// Every id that waits in some place of this language.
    async fn read_places(&self, language: &LanguageName) -> Result<HashSet<JobId>, StoreError> {
        let mut found = HashSet::new();
        let page = PAGE.cast_signed();
        let lists = self.keys.lists(language).map(|list| ("LRANGE", list));
        for (command, key) in lists.into_iter().chain([("ZRANGE", self.keys.delayed(language))]) {
            // From the tail: what leaves does so at the head, and what comes only makes a page overlap the last one.
            let mut end = -1;
            loop {
                let mut range = redis::cmd(command);
                range.arg(&key).arg(end - page + 1).arg(end);
                let ids: Vec<String> = self.control(&range).await?;
                if ids.is_empty() {
                    break;
                }
                found.extend(ids.iter().filter_map(|id| id.parse::<JobId>().ok()));
                end -= page;
            }
        }
        Ok(found)
    }

    async fn scan_jobs(&self, cursor: u64) -> Result<(u64, Vec<Seen>), StoreError> {
        let pattern = format!("{}*", self.keys.job_prefix());
        let mut scan = redis::cmd("SCAN");
        scan.arg(cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(PAGE);
        let (next, keys): (u64, Vec<String>) = self.control(&scan).await?;
        let prefix = self.keys.job_prefix();
        let ids: Vec<JobId> = keys
            .iter()
            .filter_map(|key| key.strip_prefix(&prefix)?.parse().ok())
            .collect();
        Ok((next, self.look_at(&ids).await?))
    }

    async fn look_at(&self, ids: &[JobId]) -> Result<Vec<Seen>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipeline = redis::pipe();
        for id in ids {
            pipeline
                .cmd("HMGET")
                .arg(self.keys.job(*id))
                .arg(&["status", "language", "bytes", "finished"]);
        }
        let rows: Vec<[Option<String>; 4]> = pipeline
            .query_async(&mut self.connections.control())
            .await
            .map_err(unavailable)?;
        let seen = |(id, [status, language, bytes, finished]): (&JobId, [Option<String>; 4])| {
            Some(Seen {
                id: *id,
                status: status_from(&status?).ok()?,
                language: language?.parse().ok()?,
                bytes: bytes.and_then(|bytes| bytes.parse().ok()).unwrap_or(0),
                finished: finished.and_then(|finished| finished.parse().ok()),
            })
        };
        Ok(ids.iter().zip(rows).filter_map(seen).collect())
    }

    /// Those of these jobs that are in no place they should be in.
    async fn without_place(&self, jobs: Vec<Seen>, listed: &WaitingIds) -> Result<Vec<Seen>, StoreError> {
        let (running, queued): (Vec<_>, Vec<_>) = jobs
            .into_iter()
            .filter(|job| !job.status.is_terminal())
            .partition(|job| job.status == JobStatus::Running);
        let is_listed = |job: &Seen| listed.get(&job.language).is_some_and(|ids| ids.contains(&job.id));
        let mut suspects: Vec<_> = queued.into_iter().filter(|job| !is_listed(job)).collect();
        if !running.is_empty() {
            let mut pipeline = redis::pipe();
            for job in &running {
                pipeline
                    .cmd("ZSCORE")
                    .arg(self.keys.running(&job.language))
                    .arg(job.id.to_string());
            }
            let leases: Vec<Option<f64>> = pipeline
                .query_async(&mut self.connections.control())
                .await
                .map_err(unavailable)?;
            suspects.extend(
                running
                    .into_iter()
                    .zip(leases)
                    .filter_map(|(job, lease)| lease.is_none().then_some(job)),
            );
        }
        Ok(suspects)
    }

    /// Removes entries whose job is gone or was over before the audit began.
    async fn drop_stale(
        &self,
        language: &LanguageName,
        entries: &[JobId],
        began: u64,
        audited: &mut Audited,
    ) -> Result<(), StoreError> {
        for page in entries.chunks(PAGE) {
            // A job still on its way, or only just over: its entry was most likely taken out by the claim. Looking
            // through a long list for it would cost more than a stale entry does.
            let in_order: HashSet<_> = self
                .look_at(page)
                .await?
                .iter()
                .filter(|job| !job.status.is_terminal() || job.finished.is_none_or(|at| at >= began))
                .map(|job| job.id)
                .collect();
            for id in page.iter().filter(|id| !in_order.contains(id)) {
                self.repair(language, *id, audited).await?;
            }
        }
        Ok(())
    }

    async fn repair(
        &self,
        language: &LanguageName,
        id: JobId,
        audited: &mut Audited,
    ) -> Result<(), StoreError> {
        let call = self
            .call(&self.scripts.repair, language)
            .arg(id.to_string())
            .arg(millis(self.queue.lease));
        let (requeued, dropped): (u64, u64) = self.control_call(call).await?;
        if requeued + dropped > 0 {
            tracing::warn!(job_id = %id, %language, requeued, dropped, "the audit repaired a job's place");
        }
        audited.requeued += requeued;
        audited.dropped += dropped;
        Ok(())
    }

    /// On a busy store the counters change meanwhile and nothing is corrected; the next audit tries again.
    async fn recount(&self, bytes: u64, counters: &[(String, String)]) -> Result<(), StoreError> {
        let stored = counters
            .iter()
            .find(|(field, _)| field == "stored_bytes")
            .map(|(_, value)| value.as_str());
        if stored.unwrap_or("0") == bytes.to_string() {
            return Ok(());
        }
        let mut call = Call::new(&self.scripts.recount, &[self.keys.counters()]).arg(bytes);
        for (field, value) in counters {
            call = call.arg(field).arg(value);
        }
        if self.control_call::<u8>(call).await? == 1 {
            tracing::warn!(bytes, "the audit corrected the counter of stored bytes");
        }
        Ok(())
    }
}
