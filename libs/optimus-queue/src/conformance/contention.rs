//! Many at once.

use std::{
    collections::{BTreeMap, HashMap},
    hash::{BuildHasher, RandomState},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use optimus_common::{FencingToken, JobId, job::JobStatus, job::Outcome, result::Verdict};
use tokio::task::JoinSet;

use super::{
    StoreFactory,
    support::{
        completed, depth, job, language, pause, record, result, settings, submission, submit, try_claim,
        worker,
    },
};
use crate::{Audited, Cancel, Finish, JobStore, Lease, Retry, Submitted};

pub async fn every_job_is_claimed_by_one_of_many(factory: &dyn StoreFactory) {
    const JOBS: usize = 500;
    let store = factory.open(&settings(|_| ())).await;
    let mut claimers = JoinSet::new();
    for _ in 0..16 {
        let store = store.clone();
        claimers.spawn(async move {
            let mut mine = Vec::new();
            // Leaves when all jobs of all claimers are over.
            while store.totals().await.unwrap().finished.values().sum::<u64>() < JOBS as u64 {
                match store.claim(&language(), &worker()).await.unwrap() {
                    Some(claim) => {
                        assert_eq!(claim.attempt, 1);
                        assert_eq!(
                            store.finish(&claim.lease, completed()).await.unwrap(),
                            Finish::Accepted
                        );
                        mine.push(claim.lease.job);
                    }
                    None => store
                        .wait_for_work(&language(), Duration::from_millis(50))
                        .await
                        .unwrap(),
                }
            }
            mine
        });
    }
    let mut submitted = Vec::new();
    for _ in 0..JOBS {
        submitted.push(submit(&*store).await);
    }
    let mut claimed = claimers.join_all().await.concat();
    claimed.sort_unstable();
    submitted.sort_unstable();
    assert_eq!(claimed, submitted);
}

/// Xorshift (Marsaglia, 2003): enough to mix operations, and repeatable from the seed a failure prints.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).unwrap()
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> Option<T> {
        (!from.is_empty()).then(|| from[self.below(from.len())].clone())
    }
}

/// What all actors know of what happened.
#[derive(Default)]
struct Ledger {
    jobs: Vec<JobId>,
    /// Every lease ever handed out, the stale ones included.
    leases: Vec<Lease>,
    /// The token under which each job was finished: told again and again, it still is one end.
    finished_under: HashMap<JobId, FencingToken>,
    /// Ends that a call was told it brought about.
    ends: HashMap<JobId, Vec<JobStatus>>,
}

pub async fn any_interleaving_ends_every_job_once(factory: &dyn StoreFactory) {
    const ACTORS: u64 = 8;
    let seed = RandomState::new().hash_one(Instant::now()) | 1;
    let store = factory
        .open(&settings(|queue| {
            queue.lease = Duration::from_millis(10);
            queue.retry_backoff = Duration::from_millis(1);
        }))
        .await;
    let ledger = Arc::new(Mutex::new(Ledger::default()));
    let mut actors = JoinSet::new();
    for actor in 0..ACTORS {
        let (store, ledger) = (store.clone(), ledger.clone());
        actors.spawn(async move {
            let mut dice = Dice(seed.wrapping_mul(2 * actor + 1));
            for _ in 0..250 {
                act(&*store, &ledger, &mut dice).await;
            }
        });
    }
    actors.join_all().await;
    finish_all(&*store, &ledger).await;

    let ledger = std::mem::take(&mut *ledger.lock().unwrap());
    let mut by_verdict = BTreeMap::<String, u64>::new();
    for id in &ledger.jobs {
        let record = record(&*store, *id).await;
        assert!(
            record.status.is_terminal(),
            "seed {seed}: {id} is {:?}",
            record.status
        );
        let ends = ledger.ends.get(id).map_or(&[][..], Vec::as_slice);
        assert!(ends.len() <= 1, "seed {seed}: {id} ended as {ends:?}");
        assert!(
            ends.iter().all(|end| *end == record.status),
            "seed {seed}: {id} is {:?}, not {ends:?}",
            record.status
        );
        let verdict = record.result.expect("a job that is over has a result").verdict;
        *by_verdict.entry(verdict.as_str().to_owned()).or_default() += 1;
    }
    let totals = store.totals().await.unwrap();
    let finished = totals
        .finished
        .into_iter()
        .map(|((_, verdict), count)| (verdict, count))
        .collect();
    assert_eq!(by_verdict, finished, "seed {seed}: each job is counted once");
    assert_eq!(
        totals.submitted.values().sum::<u64>(),
        ledger.jobs.len() as u64,
        "seed {seed}"
    );
    assert_eq!(totals.stored_bytes, 0, "seed {seed}");
    let depth = depth(&*store).await;
    assert_eq!((depth.waiting(), depth.running), (0, 0), "seed {seed}");
    assert_eq!(store.audit().await.unwrap(), Audited::default(), "seed {seed}");
}

async fn act(store: &dyn JobStore, ledger: &Mutex<Ledger>, dice: &mut Dice) {
    let lease = dice.pick(&ledger.lock().unwrap().leases);
    let id = dice.pick(&ledger.lock().unwrap().jobs);
    let end = |id: JobId, status: JobStatus| {
        ledger.lock().unwrap().ends.entry(id).or_default().push(status);
    };
    match (dice.below(12), lease, id) {
        (0..=2, ..) => {
            let job = job(submission());
            let id = job.id;
            assert_eq!(store.submit(job).await.unwrap(), Submitted::Created);
            ledger.lock().unwrap().jobs.push(id);
        }
        (3..=5, ..) => {
            if let Some(claim) = try_claim(store).await {
                ledger.lock().unwrap().leases.push(claim.lease);
            }
        }
        (6..=7, Some(lease), _) => {
            // Whoever finishes again sends the same as before.
            let outcome = match lease.token.0 % 3 {
                0 => completed(),
                1 => Outcome::Failed {
                    result: result(Verdict::InternalError),
                    error: "x".to_owned(),
                },
                _ => Outcome::Cancelled(result(Verdict::Cancelled)),
            };
            let status = outcome.status();
            if store.finish(&lease, outcome).await.unwrap() == Finish::Accepted {
                let before = ledger
                    .lock()
                    .unwrap()
                    .finished_under
                    .insert(lease.job, lease.token);
                if before != Some(lease.token) {
                    end(lease.job, status);
                }
            }
        }
        (8, Some(lease), _) => drop(store.renew(&lease).await.unwrap()),
        (9, Some(lease), _) => drop(store.release(&lease).await.unwrap()),
        (10, Some(lease), _) => match store.retry(&lease, "x").await.unwrap() {
            Retry::Dead => end(lease.job, JobStatus::Failed),
            Retry::Cancelled => end(lease.job, JobStatus::Cancelled),
            Retry::Requeued | Retry::Refused => {}
        },
        (11, _, Some(id)) => match store.cancel(id).await.unwrap() {
            Cancel::Cancelled => end(id, JobStatus::Cancelled),
            Cancel::AlreadyFinished(status) => assert!(status.is_terminal()),
            Cancel::Requested => {}
            Cancel::NotFound => panic!("{id} was accepted and is unknown"),
        },
        _ => {
            store.reap().await.unwrap();
            store.audit().await.unwrap();
        }
    }
}

/// Works until nothing is left, as workers do after all trouble is over.
async fn finish_all(store: &dyn JobStore, ledger: &Mutex<Ledger>) {
    let start = Instant::now();
    loop {
        store.reap().await.unwrap();
        while let Some(claim) = try_claim(store).await {
            let lease = claim.lease;
            if store.finish(&lease, completed()).await.unwrap() == Finish::Accepted {
                ledger
                    .lock()
                    .unwrap()
                    .ends
                    .entry(lease.job)
                    .or_default()
                    .push(JobStatus::Completed);
            }
        }
        let depth = depth(store).await;
        if depth.waiting() + depth.running == 0 {
            return;
        }
        pause(start, "every job is over").await;
    }
}
