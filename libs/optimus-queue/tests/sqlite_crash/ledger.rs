//! What was promised, by the word of those who were promised it.

use std::{
    collections::{HashMap, HashSet},
    fmt,
};

use optimus_common::{JobId, job::JobStatus, result::Verdict};
use optimus_queue::{JobQueue, sqlite::SqliteStore};

#[derive(Default)]
pub(crate) struct Ledger {
    accepted: HashSet<JobId>,
    cancelled: HashSet<JobId>,
    /// With the token under which each was.
    finished: HashMap<JobId, u32>,
}

impl Ledger {
    pub(crate) fn note(&mut self, line: &str) {
        let words: Vec<_> = line.split(' ').collect();
        let id = |word: &str| word.parse::<JobId>().unwrap();
        match *words {
            ["accepted", job] => assert!(self.accepted.insert(id(job)), "{job} was accepted twice"),
            ["cancelled", job] => {
                assert!(self.cancelled.insert(id(job)), "{job} was cancelled twice");
            }
            ["finished", job, token] => {
                let before = self.finished.insert(id(job), token.parse().unwrap());
                assert_eq!(before, None, "two finishes of {job} were accepted");
            }
            _ => panic!("{line:?}"),
        }
    }

    /// Everything promised so far holds. The store was just opened: nothing runs.
    pub(crate) async fn check(&self, store: &SqliteStore) {
        for id in &self.accepted {
            let record = store.get(*id).await.unwrap();
            let record = record.unwrap_or_else(|| panic!("{id} was accepted and is lost"));
            assert_ne!(record.status, JobStatus::Running, "{id} has no owner");
        }
        for (id, token) in &self.finished {
            let record = store.get(*id).await.unwrap().expect("a finished job is known");
            assert_eq!(record.status, JobStatus::Completed, "{id}");
            let result = record.result.unwrap();
            assert_eq!(result.verdict, Verdict::WrongAnswer, "{id}");
            assert_eq!(result.total_tests, *token, "the result of {id} is another's");
        }
        for id in &self.cancelled {
            let record = store.get(*id).await.unwrap().expect("a cancelled job is known");
            assert_eq!(record.status, JobStatus::Cancelled, "{id}");
        }
        let totals = store.totals().await.unwrap();
        assert!(totals.submitted.values().sum::<u64>() >= self.accepted.len() as u64);
        assert!(totals.finished.values().sum::<u64>() >= (self.finished.len() + self.cancelled.len()) as u64);
    }

    pub(crate) async fn check_all_over(&self, store: &SqliteStore) {
        for id in &self.accepted {
            let status = store.get(*id).await.unwrap().unwrap().status;
            assert!(status.is_terminal(), "{id} is {status:?}");
        }
        let totals = store.totals().await.unwrap();
        assert_eq!(
            totals.submitted.values().sum::<u64>(),
            totals.finished.values().sum::<u64>(),
            "each job ended once"
        );
        assert_eq!(totals.stored_bytes, 0);
    }

    pub(crate) fn has_seen_work(&self) -> bool {
        self.accepted.len() > 100 && self.finished.len() > 100 && !self.cancelled.is_empty()
    }
}

impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (accepted, finished, cancelled) =
            (self.accepted.len(), self.finished.len(), self.cancelled.len());
        write!(
            f,
            "{accepted} accepted, {finished} finished, {cancelled} cancelled"
        )
    }
}
