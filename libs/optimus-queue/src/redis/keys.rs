//! The names of all keys. `optimus` stands for the prefix.
//!
//! | key | type | holds |
//! |---|---|---|
//! | `optimus:queue:<language>` | list | ids of waiting jobs of normal priority, the next one at the head (left) |
//! | `optimus:queue:<language>:interactive`, `:batch` | list | the same of the other priorities |
//! | `optimus:delayed:<language>` | sorted set | ids waiting for the end of a backoff; score: that time |
//! | `optimus:running:<language>` | sorted set | ids of running jobs; score: when their lease expires |
//! | `optimus:dead:<language>` | list | ids of jobs that ran out of attempts, the newest at the tail; capped |
//! | `optimus:wake:<language>` | list | tokens on which idle workers block; bounded, of no meaning otherwise |
//! | `optimus:job:<id>` | hash | the job, see below; expires after its end |
//! | `optimus:result:<id>` | string | the result of a job after its first part; expires with the job |
//! | `optimus:results` | sorted set | `<id>:<bytes>` of every stored result; score: when it expires |
//! | `optimus:idem:<sha256>` | string | job id and body digest of an idempotency key of the default owner; expires |
//! | `optimus:idem:<owner>:<sha256>` | string | the same of another owner |
//! | `optimus:workers` | hash | worker id to the time of its last heartbeat and what it said |
//! | `optimus:counters` | hash | `submitted:<language>`, `requeued:<language>`, `finished:<language>:<verdict>`, `stored_bytes`, `result_bytes` |
//! | `optimus:events` | channel | `finished:<id>`, `cancel:<id>`; `follow:<id>`: somebody follows the job |
//! | `optimus:progress:<id>` | stream | what was told of a job while somebody followed it; an entry is a list of updates, and has the number of the last one; bounded; expires soon after the job is over, or when nothing is told for an hour |
//! | `optimus:progress:<id>:last` | string | a list of what was told last, and came with the job's end, where that is large; expires soon |
//! | `optimus:progress:<id>` | channel | nothing: that something was added to the stream |
//! | `optimus:barrier` | channel | nothing: what is sent there only has to reach the replicas |
//!
//! A job's fields: `version` (of the record; without it: 1), `owner` (where it is not the default one), `traceparent`, `tracestate`, `group`, `status`, `language`, `priority`, `attempts`, `token` (of the latest lease), `created`, `started`,
//! `finished`, `tests` (how many), `metadata`, `error`, `result` (its first part), `result_bytes` (the length of the whole),
//! `told` (of its progress: the highest number, the token under which that was told, and how many were told under it), `last` (a list of what was told last, and came with the job's end, where that is small), `gist` (its totals, which stay when the rest has to make room), `ended_by` (the token that finished it); only until it ends: `submission`, `bytes` (its
//! length), `worker`, `cancel`. A job that ended without being graded has no `result`: it follows from `status` and
//! `tests`. All times are milliseconds since 1970.

use optimus_common::{JobId, LanguageName, Owner};
use sha2::{Digest, Sha256};

use super::arguments::hex;

#[derive(Debug, Clone)]
pub(super) struct Keys {
    prefix: String,
}

impl Keys {
    pub(super) fn new(prefix: &str) -> Self {
        Self {
            prefix: prefix.to_owned(),
        }
    }

    /// The first keys of every script that works on one language, in the order `lua/lib.lua` names them.
    pub(super) fn of_language(&self, language: &LanguageName) -> [String; 8] {
        let [interactive, normal, batch] = self.lists(language);
        [
            interactive,
            normal,
            batch,
            self.delayed(language),
            self.running(language),
            self.dead(language),
            self.wake(language),
            self.counters(),
        ]
    }

    /// Interactive, normal, batch.
    pub(super) fn lists(&self, language: &LanguageName) -> [String; 3] {
        let prefix = &self.prefix;
        [
            format!("{prefix}:queue:{language}:interactive"),
            format!("{prefix}:queue:{language}"),
            format!("{prefix}:queue:{language}:batch"),
        ]
    }

    pub(super) fn delayed(&self, language: &LanguageName) -> String {
        format!("{}:delayed:{language}", self.prefix)
    }

    pub(super) fn running(&self, language: &LanguageName) -> String {
        format!("{}:running:{language}", self.prefix)
    }

    pub(super) fn dead(&self, language: &LanguageName) -> String {
        format!("{}:dead:{language}", self.prefix)
    }

    pub(super) fn wake(&self, language: &LanguageName) -> String {
        format!("{}:wake:{language}", self.prefix)
    }

    pub(super) fn job(&self, id: JobId) -> String {
        format!("{}{id}", self.job_prefix())
    }

    pub(super) fn job_prefix(&self) -> String {
        format!("{}:job:", self.prefix)
    }

    pub(super) fn result(&self, id: JobId) -> String {
        format!("{}{id}", self.result_prefix())
    }

    pub(super) fn result_prefix(&self) -> String {
        format!("{}:result:", self.prefix)
    }

    pub(super) fn results(&self) -> String {
        format!("{}:results", self.prefix)
    }

    /// Hashed, because a client may put anything into its key, of any length.
    pub(super) fn idempotency(&self, owner: &Owner, key: &str) -> String {
        let (prefix, digest) = (&self.prefix, hex(&Sha256::digest(key.as_bytes())));
        if *owner == Owner::default() {
            format!("{prefix}:idem:{digest}")
        } else {
            format!("{prefix}:idem:{owner}:{digest}")
        }
    }

    pub(super) fn workers(&self) -> String {
        format!("{}:workers", self.prefix)
    }

    pub(super) fn counters(&self) -> String {
        format!("{}:counters", self.prefix)
    }

    pub(super) fn events(&self) -> String {
        format!("{}:events", self.prefix)
    }

    /// The stream of a job's progress, and the channel of the same name.
    pub(super) fn progress(&self, id: JobId) -> String {
        format!("{}{id}", self.progress_prefix())
    }

    /// What was told last of it.
    pub(super) fn last_progress(&self, id: JobId) -> String {
        format!("{}:last", self.progress(id))
    }

    pub(super) fn progress_prefix(&self) -> String {
        format!("{}:progress:", self.prefix)
    }

    /// A channel nobody listens to.
    pub(super) fn barrier(&self) -> String {
        format!("{}:barrier", self.prefix)
    }

    /// A pattern for `SCAN` that matches every key of this prefix.
    #[cfg(feature = "bench")]
    pub(super) fn all(&self) -> String {
        format!("{}:*", self.prefix)
    }
}
