//! The checker from outside: what became of every accepted job.

use std::collections::BTreeSet;

use optimus_testkit::{
    client::{assert_verdict, is_terminal},
    until,
};
use serde_json::Value;

use crate::system::System;

/// Jobs that were accepted in one round.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    accepted: Vec<String>,
}

impl Ledger {
    pub(crate) fn add(&mut self, id: String) {
        self.accepted.push(id);
    }

    /// How many have ended by now.
    pub(crate) async fn ended(&self, system: &System) -> usize {
        let mut ended = 0;
        for id in &self.accepted {
            ended += usize::from(is_terminal(&system.client.record(id).await));
        }
        ended
    }

    /// Waits until some jobs have ended, others have not, and some are running at this moment.
    pub(crate) async fn until_the_middle(&self, system: &System) {
        until("a third of the jobs has ended", async || {
            self.ended(system).await >= self.accepted.len() / 3
        })
        .await;
        assert!(
            self.ended(system).await < self.accepted.len(),
            "the jobs are too short for this test"
        );
        until("a job is running", async || {
            system.redis.ask(&["ZCARD", "optimus:running:python"]) != ["0"]
        })
        .await;
    }

    /// Checks that every accepted job ends as accepted by its tests, exactly once, and that nothing is left of them
    /// in any queue. Returns the records.
    pub(crate) async fn assert_all_completed_once(&self, system: &System) -> Vec<Value> {
        let mut records = Vec::new();
        for id in &self.accepted {
            let record = system.client.done(id).await;
            assert_verdict(&record, "accepted", id);
            records.push(record);
        }
        let distinct: BTreeSet<_> = self.accepted.iter().collect();
        assert_eq!(distinct.len(), self.accepted.len(), "two submissions got one id");
        // The store counts a finish in the same step that accepts it.
        assert_eq!(
            finishes(system),
            self.accepted.len(),
            "some job was finished twice"
        );
        for key in [
            "optimus:queue:python",
            "optimus:queue:python:interactive",
            "optimus:queue:python:batch",
        ] {
            assert_eq!(system.redis.ask(&["LLEN", key]), ["0"], "{key}");
        }
        for key in ["optimus:running:python", "optimus:delayed:python"] {
            assert_eq!(system.redis.ask(&["ZCARD", key]), ["0"], "{key}");
        }
        for (id, record) in self.accepted.iter().zip(&records) {
            assert_eq!(
                system.client.record(id).await,
                *record,
                "a terminal job has changed"
            );
        }
        records
    }
}

/// How many finishes the store has accepted.
pub(crate) fn finishes(system: &System) -> usize {
    let counters = system.redis.ask(&["HGETALL", "optimus:counters"]);
    let finished = counters.chunks(2).filter(|pair| pair[0].starts_with("finished:"));
    finished.map(|pair| pair[1].parse::<usize>().unwrap()).sum()
}
