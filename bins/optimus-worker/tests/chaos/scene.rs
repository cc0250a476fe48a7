//! A fleet over a Redis of its own, what was accepted there, and what was done to it.

use optimus_testkit::{redis::Redis, until};
use std::ops::RangeBounds;

use crate::{
    fleet::{Fleet, Options, Store},
    jobs::Job,
    load::Tally,
    report::Round,
};

#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) fleet: Fleet,
    pub(crate) redis: Redis,
    pub(crate) tally: Tally,
    pub(crate) faults: u64,
    /// Jobs submitted by [`Scene::submit`].
    submitted: u64,
}

impl Scene {
    pub(crate) async fn start(options: Options) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let redis = Redis::start(dir.path()).await;
        let fleet = Fleet::start(dir, Store::At(redis.port()), options).await;
        Self {
            fleet,
            redis,
            tally: Tally::default(),
            faults: 0,
            submitted: 0,
        }
    }

    /// Submits as a careful client does. The job's id.
    pub(crate) async fn submit(&mut self, job: &Job) -> String {
        self.submitted += 1;
        let key = format!("scene-{}", self.submitted);
        self.fleet.client.submit_surely(&job.submission, &key).await
    }

    /// Follows a job to its end, and checks how often it was claimed.
    pub(crate) async fn ends_after(&mut self, id: String, job: &Job, attempts: impl RangeBounds<u64>) {
        let record = self.tally.follow(&self.fleet.client, id, job).await;
        if let Some(record) = record {
            let made = record["attempts"].as_u64().unwrap();
            assert!(attempts.contains(&made), "{record:#}");
        }
    }

    /// Looks at everything from outside, ends it, and says what was found.
    pub(crate) async fn conclude(self, name: &str, seed: u64) {
        self.end(name, seed).await.conclude();
    }

    /// Looks at everything from outside, and ends it.
    pub(crate) async fn end(mut self, name: &str, seed: u64) -> Round {
        self.tally.look_again(&self.fleet.client).await;
        self.until_nothing_waits().await;
        let finished = self.fleet.client.finished().await;
        let acknowledged = self.fleet.acknowledged();
        let left_over = self.fleet.stop().await;
        self.redis.stop().await;
        Round {
            name: name.to_owned(),
            seed,
            faults: self.faults,
            tally: self.tally,
            finished,
            acknowledged,
            left_over,
        }
    }

    /// No job is in any list, waits for any backoff, or is leased.
    async fn until_nothing_waits(&self) {
        for language in ["python", "c", "cpp"] {
            let lists = ["", ":interactive", ":batch"].map(|list| format!("optimus:queue:{language}{list}"));
            let sets = ["running", "delayed"].map(|set| format!("optimus:{set}:{language}"));
            for (command, keys) in [("LLEN", &lists[..]), ("ZCARD", &sets[..])] {
                for key in keys {
                    until(&format!("{key} is empty"), async || {
                        self.redis.ask(&[command, key]) == ["0"]
                    })
                    .await;
                }
            }
        }
    }
}
