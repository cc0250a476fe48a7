//! Getting what jobs name into memory.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::{StreamExt, TryStreamExt, stream};
use optimus_common::{content::Digest, submission::Submission};
use tokio::{
    sync::{Mutex, OnceCell, OwnedSemaphorePermit, Semaphore},
    time::{sleep, timeout},
};

use crate::{ContentError, ContentStore, submission::digests};

/// In these the budget is counted; a semaphore counts no further than `u32`.
const UNIT: u64 = 1024;

/// How many are asked for at once. A job may name thousands, and its box waits meanwhile.
const AT_ONCE: usize = 16;

/// How often it is tried to read something from a store that answers, and for how long is waited before the second time.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_millis(200);

/// What is not there is asked for once more after this, before the job loses an attempt by it: what it is kept on may have been
/// put in place again by then.
const SECOND_LOOK: Duration = Duration::from_secs(3);

/// How long a store may take to answer, whatever is behind it, and what it has to send in a second after that.
const FETCH_TIMEOUT: Duration = Duration::from_mins(1);
const LEAST_BYTES_PER_SECOND: u64 = 256 << 10;

#[derive(Debug, thiserror::Error)]
#[error("it takes too long")]
struct TooSlow;

/// Why the content of a job could not be had. Whoever submitted it did nothing wrong: it was there when the job was taken.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The store does not answer, which says nothing of the job.
    #[error("the content store is not there")]
    Outage(#[source] ContentError),
    #[error("the content {0}, which the job names, is gone")]
    Gone(Digest),
    /// Though the store answers.
    #[error("the content {0}, which the job names, cannot be read")]
    Unreadable(Digest, #[source] ContentError),
    #[error("the content that the job names has {bytes} bytes; at most {most} are accepted")]
    TooLarge { bytes: u64, most: u64 },
}

/// Gets content for all jobs of a process: each content once, however many of them name it, and all of it within a budget.
pub struct Fetcher {
    store: Arc<dyn ContentStore>,
    most_of_job: u64,
    budget: Arc<Semaphore>,
    /// Locked while a job waits for its share of the budget, which is taken as a whole: none waits with a part of it.
    loaded: Mutex<HashMap<Digest, Weak<Loaded>>>,
    is_away: AtomicBool,
    timeout: Duration,
    second_look: Duration,
}

/// Content in memory, or on its way there.
struct Loaded {
    digest: Digest,
    size: u64,
    bytes: OnceCell<Arc<[u8]>>,
    _share: OwnedSemaphorePermit,
}

/// What a job has in memory. To be kept for as long as its submission is used.
#[must_use]
#[derive(Default)]
pub struct Fetched(Vec<Arc<Loaded>>);

fn units(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX)
}

impl Fetcher {
    /// What one job names may have so many bytes, and what all jobs name at least as much.
    pub fn new(store: Arc<dyn ContentStore>, most_of_job: u64, budget: u64) -> Self {
        // A unit may be begun for each of the contents that a submission of the largest size can name.
        let budget = units(budget.max(most_of_job)).saturating_add(1 << 16) as usize;
        Self {
            store,
            most_of_job,
            budget: Arc::new(Semaphore::new(budget.min(Semaphore::MAX_PERMITS))),
            loaded: Mutex::default(),
            is_away: AtomicBool::new(false),
            timeout: FETCH_TIMEOUT,
            second_look: SECOND_LOOK,
        }
    }

    /// Reads what the submission names, and compares it with its digest.
    pub async fn fetch(&self, submission: &mut Submission) -> Result<Fetched, FetchError> {
        let digests = digests(submission);
        if digests.is_empty() {
            return Ok(Fetched::default());
        }
        let mut tries = 0;
        let mut is_missed = false;
        let fetched = loop {
            tries += 1;
            let error = match self.try_fetch(&digests).await {
                Ok(fetched) => break fetched,
                Err(error) => error,
            };
            // Also what is gone, which all is where a file system is not there any more.
            self.answers().await?;
            match error {
                FetchError::Gone(_) if !is_missed => {
                    is_missed = true;
                    sleep(self.second_look).await;
                }
                FetchError::Unreadable(_, ContentError::Unavailable(_)) if tries < TRIES => {
                    sleep(PAUSE * tries).await;
                }
                _ => return Err(error),
            }
        };
        let bytes: HashMap<_, _> = fetched.0.iter().map(|loaded| (loaded.digest, loaded)).collect();
        for named in submission.named_content_mut() {
            if let Some(bytes) = bytes.get(&named.digest()).and_then(|loaded| loaded.bytes.get()) {
                named.set_bytes(Arc::clone(bytes));
            }
        }
        Ok(fetched)
    }

    /// Whether the store was away when something was fetched, and nobody has seen it since.
    pub fn is_away(&self) -> bool {
        self.is_away.load(Ordering::Relaxed)
    }

    /// Whether the store is there.
    pub async fn answers(&self) -> Result<(), FetchError> {
        let answer = self.in_time(0, self.store.identity()).await;
        self.is_away.store(answer.is_err(), Ordering::Relaxed);
        answer.map(drop).map_err(FetchError::Outage)
    }

    async fn try_fetch(&self, digests: &[Digest]) -> Result<Fetched, FetchError> {
        let fetched = self.take(digests).await?;
        let mut reads = stream::iter(fetched.0.clone())
            .map(|loaded| async move {
                let read = loaded.bytes.get_or_try_init(|| self.read(&loaded));
                read.await.map(drop).map_err(|error| match error {
                    Some(error) => FetchError::Unreadable(loaded.digest, error),
                    None => FetchError::Gone(loaded.digest),
                })
            })
            .buffer_unordered(AT_ONCE);
        while reads.try_next().await?.is_some() {}
        drop(reads);
        Ok(fetched)
    }

    /// Takes a share of the budget for what is not in memory yet.
    async fn take(&self, digests: &[Digest]) -> Result<Fetched, FetchError> {
        let named: Vec<_> = stream::iter(digests.to_vec())
            .map(|digest| async move { Ok((digest, self.size(digest).await?)) })
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        let bytes = named
            .iter()
            .fold(0_u64, |sum, (_, size)| sum.saturating_add(*size));
        if bytes > self.most_of_job {
            let most = self.most_of_job;
            return Err(FetchError::TooLarge { bytes, most });
        }
        let mut known = self.loaded.lock().await;
        known.retain(|_, loaded| loaded.strong_count() > 0);
        let there: HashMap<_, _> = named
            .iter()
            .filter_map(|(digest, _)| Some((*digest, known.get(digest)?.upgrade()?)))
            .collect();
        let missing = named.iter().filter(|(digest, _)| !there.contains_key(digest));
        let needed = missing.map(|(_, size)| units(*size)).sum();
        let budget = Arc::clone(&self.budget);
        let mut share = budget
            .acquire_many_owned(needed)
            .await
            .map_err(|error| FetchError::Outage(ContentError::unavailable(error)))?;
        let mut fetched = Vec::with_capacity(named.len());
        for (digest, size) in named {
            if let Some(loaded) = there.get(&digest) {
                fetched.push(Arc::clone(loaded));
                continue;
            }
            let part = share.split(units(size) as usize);
            let part = part.ok_or(FetchError::TooLarge {
                bytes,
                most: self.most_of_job,
            })?;
            let loaded = Arc::new(Loaded {
                digest,
                size,
                bytes: OnceCell::new(),
                _share: part,
            });
            known.insert(digest, Arc::downgrade(&loaded));
            fetched.push(loaded);
        }
        Ok(Fetched(fetched))
    }

    async fn size(&self, digest: Digest) -> Result<u64, FetchError> {
        // Whoever waits for the lock must have nothing that the one who has it waits for.
        let known = self.loaded.lock().await.get(&digest).and_then(Weak::upgrade);
        if let Some(size) = known.map(|loaded| loaded.size) {
            return Ok(size);
        }
        let size = self.in_time(0, self.store.size(digest)).await;
        size.map_err(|error| FetchError::Unreadable(digest, error))?
            .ok_or(FetchError::Gone(digest))
    }

    /// `None`: it is gone.
    async fn read(&self, loaded: &Loaded) -> Result<Arc<[u8]>, Option<ContentError>> {
        let bytes = async {
            let Some(content) = self.store.get(loaded.digest).await? else {
                return Ok(None);
            };
            content.into_bytes(loaded.size).await.map(Some)
        };
        self.in_time(loaded.size, bytes).await?.ok_or(None)
    }

    /// A question that is answered with so many bytes. One that is never answered must not keep a job, and its place, for ever.
    async fn in_time<T>(
        &self,
        bytes: u64,
        question: impl Future<Output = Result<T, ContentError>>,
    ) -> Result<T, ContentError> {
        let longest = self.timeout + Duration::from_secs(bytes / LEAST_BYTES_PER_SECOND);
        let answer = timeout(longest, question).await;
        answer.unwrap_or_else(|_| Err(ContentError::unavailable(TooSlow)))
    }
}

impl fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetcher").finish_non_exhaustive()
    }
}

impl fmt::Debug for Fetched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Fetched").field(&self.0.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use bytes::Bytes;
    use optimus_common::{
        content::NamedContent,
        submission::{Submission, TestCase},
    };
    use sha2::{Digest as _, Sha256};

    use super::*;
    use crate::{FaultyContent, Memory, Rules, conformance::given_up_after};

    const SIZE: usize = 1 << 20;

    fn rules() -> Rules {
        Rules {
            max_bytes: 1 << 30,
            max_total_bytes: 1 << 30,
            retention: Duration::from_hours(1),
            min_kept: Duration::from_hours(1),
        }
    }

    async fn put(store: &dyn ContentStore, bytes: Bytes) -> Digest {
        let digest = Digest::from(<[u8; 32]>::from(Sha256::digest(&bytes)));
        let mut incoming = store.begin(digest).await.unwrap();
        incoming.write(bytes).await.unwrap();
        incoming.finish().await.unwrap();
        digest
    }

    async fn put_numbered(store: &dyn ContentStore, number: u8) -> Digest {
        put(store, vec![number; SIZE].into()).await
    }

    fn naming(digests: &[Digest]) -> Submission {
        let tests = digests.iter().zip(1..).map(|(digest, id)| {
            let mut test: TestCase =
                serde_json::from_str(&format!(r#"{{"id": {id}, "expected_output": ""}}"#)).unwrap();
            test.input_sha256 = Some(NamedContent::new(*digest));
            test
        });
        Submission::new("python".parse().unwrap(), "", tests.collect())
    }

    fn faulty() -> (FaultyContent, Memory) {
        let memory = Memory::new(rules());
        (FaultyContent::new(Arc::new(memory.clone())), memory)
    }

    fn fetcher(store: &FaultyContent, budget: usize) -> Fetcher {
        let mut fetcher = Fetcher::new(Arc::new(store.clone()), 2 * SIZE as u64, 0);
        fetcher.budget = Arc::new(Semaphore::new(units(budget as u64) as usize));
        fetcher.second_look = Duration::from_millis(50);
        fetcher
    }

    #[tokio::test]
    async fn content_of_several_jobs_is_in_memory_once() {
        let (store, _) = faulty();
        let one = put_numbered(&store, 1).await;
        let fetcher = fetcher(&store, SIZE);
        let (mut first, mut second) = (naming(&[one]), naming(&[one, one]));
        let first_kept = fetcher.fetch(&mut first).await.unwrap();
        let gets = store.gets();
        let kept = (first_kept, fetcher.fetch(&mut second).await.unwrap());
        assert_eq!(store.gets(), gets);
        assert_eq!(second.test_cases[1].input(), vec![1; SIZE]);
        assert!(std::ptr::eq(
            first.test_cases[0].input(),
            second.test_cases[0].input()
        ));
        drop(kept);
        assert_eq!(fetcher.budget.available_permits() as u64, SIZE as u64 / UNIT);
    }

    #[tokio::test]
    async fn jobs_wait_for_memory_that_others_have() {
        let (store, _) = faulty();
        let digests = [put_numbered(&store, 1).await, put_numbered(&store, 2).await];
        let fetcher = fetcher(&store, SIZE);
        let (mut first, mut second) = (naming(&digests[..1]), naming(&digests[1..]));
        let kept = fetcher.fetch(&mut first).await.unwrap();
        {
            let mut given_up = naming(&digests[1..]);
            assert!(!given_up_after(1, fetcher.fetch(&mut given_up)).await);
        }
        let mut waiting = pin!(fetcher.fetch(&mut second));
        assert!(!given_up_after(1, &mut waiting).await);
        drop(kept);
        let _kept = waiting.await.unwrap();
        assert_eq!(fetcher.budget.available_permits(), 0);
    }

    #[tokio::test]
    async fn what_is_too_much_is_not_read() {
        let (store, _) = faulty();
        let digests = [
            put_numbered(&store, 1).await,
            put_numbered(&store, 2).await,
            put_numbered(&store, 3).await,
        ];
        let fetcher = fetcher(&store, 10 * SIZE);
        let refused = fetcher.fetch(&mut naming(&digests)).await.unwrap_err();
        assert!(matches!(refused, FetchError::TooLarge { .. }), "{refused:?}");
        assert_eq!(fetcher.budget.available_permits() as u64, 10 * SIZE as u64 / UNIT);
    }

    #[tokio::test]
    async fn an_outage_is_told_from_content_that_is_gone() {
        let (store, memory) = faulty();
        let one = put_numbered(&store, 1).await;
        let fetcher = fetcher(&store, SIZE);
        store.set_unreachable(true);
        let failed = fetcher.fetch(&mut naming(&[one])).await.unwrap_err();
        assert!(matches!(failed, FetchError::Outage(_)), "{failed:?}");
        assert!(fetcher.is_away());
        store.set_unreachable(false);
        fetcher.answers().await.unwrap();
        assert!(!fetcher.is_away());
        memory.damage(one, None);
        let failed = fetcher.fetch(&mut naming(&[one])).await.unwrap_err();
        assert!(
            matches!(failed, FetchError::Gone(digest) if digest == one),
            "{failed:?}"
        );
        assert!(!fetcher.is_away());
    }
    #[tokio::test]
    async fn what_is_missing_for_a_moment_is_asked_for_once_more() {
        let (store, memory) = faulty();
        let one = put_numbered(&store, 1).await;
        memory.damage(one, None);
        let mut fetcher = fetcher(&store, SIZE);
        fetcher.second_look = Duration::from_secs(1);
        let mut job = naming(&[one]);
        let mut waiting = pin!(fetcher.fetch(&mut job));
        let asked = store.gets();
        tokio::select! {
            biased;
            _ = &mut waiting => panic!("it did not wait"),
            () = async {
                while store.gets() == asked {
                    tokio::task::yield_now().await;
                }
            } => {}
        }
        put_numbered(&store, 1).await;
        let _kept = waiting.await.unwrap();
    }

    #[tokio::test]
    async fn what_a_job_names_is_read_side_by_side() {
        let (store, _) = faulty();
        let mut digests = Vec::new();
        for number in 0..5 {
            digests.push(put(&store, vec![number; 10].into()).await);
        }
        let fetcher = fetcher(&store, SIZE);
        store.set_stalled(true);
        assert!(!given_up_after(1, fetcher.fetch(&mut naming(&digests))).await);
        // Each for its size and for its bytes, of which none has come.
        assert_eq!(store.gets(), 2 * digests.len() as u64);
    }

    #[tokio::test]
    async fn a_store_that_stalls_keeps_no_job() {
        let (store, _) = faulty();
        let digests = [put_numbered(&store, 1).await, put_numbered(&store, 2).await];
        let mut fetcher = fetcher(&store, 2 * SIZE);
        fetcher.timeout = Duration::from_millis(100);
        store.set_stalled(true);
        // It says who it is, but sends nothing.
        let (mut first, mut second) = (naming(&digests), naming(&digests[..1]));
        let both = tokio::join!(fetcher.fetch(&mut first), fetcher.fetch(&mut second));
        for failed in [both.0.unwrap_err(), both.1.unwrap_err()] {
            assert!(matches!(failed, FetchError::Unreadable(..)), "{failed:?}");
        }
        assert_eq!(fetcher.budget.available_permits() as u64, 2 * SIZE as u64 / UNIT);
        store.set_stalled(false);
        let _kept = fetcher.fetch(&mut naming(&digests)).await.unwrap();
    }
}
