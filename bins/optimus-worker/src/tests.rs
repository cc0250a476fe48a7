//! The worker as a whole, on fakes of a store and a backend.

use std::{sync::Arc, time::Duration};

use optimus_common::{
    JobId, WorkerId,
    content::{Digest, NamedContent},
    job::{JobRecord, JobStatus},
    language::{Concurrency, Language},
    result::{CompileVerdict, Verdict},
    submission::Submission,
};
use optimus_content::{ContentStore, FaultyContent, Memory, Rules};
use optimus_queue::{EventBus, Followed, JobQueue, JobUpdate, PoolInfo, Progress, WorkerRegistry};
use sha2::Digest as _;
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    Availability, ServedLanguages, Settings, Worker, WorkerMetrics,
    fakes::{self, FakeBackend, FakeStore, FakeStoreExt, LanguagesFile},
    settings::WorkerSettings,
};

struct Running {
    store: FakeStore,
    memory: Memory,
    content: FaultyContent,
    backend: FakeBackend,
    shutdown: CancellationToken,
    worker: JoinHandle<()>,
    languages: LanguagesFile,
}

impl Running {
    fn start() -> Self {
        Self::of(fakes::language("python"))
    }

    fn of(language: Language) -> Self {
        Self::with(&[language], |_| {})
    }

    fn with(languages: &[Language], change: impl FnOnce(&mut WorkerSettings)) -> Self {
        Self::on(FakeBackend::default(), languages, change)
    }

    fn on(backend: FakeBackend, languages: &[Language], change: impl FnOnce(&mut WorkerSettings)) -> Self {
        // Most tests count what boxes do, and a sample is a job as well.
        Self::of_availability(Availability::Assumed, backend, languages, change)
    }

    /// Jobs are claimed only for a language whose sample has run.
    fn proving(language: Language) -> Self {
        Self::of_availability(Availability::Proved, FakeBackend::default(), &[language], |_| {})
    }

    fn of_availability(
        availability: Availability,
        backend: FakeBackend,
        languages: &[Language],
        change: impl FnOnce(&mut WorkerSettings),
    ) -> Self {
        let (store, shutdown) = (fakes::store(), CancellationToken::new());
        let languages = LanguagesFile::with(languages);
        let mut settings = languages.settings("all");
        change(&mut settings.worker);
        let memory = Memory::new(Rules::of(&settings.content));
        let content = FaultyContent::new(Arc::new(memory.clone()));
        let worker = Worker {
            id: WorkerId::new(),
            languages: ServedLanguages::open(&settings).unwrap(),
            settings: Arc::new(settings),
            store: Arc::new(store.clone()),
            content: Arc::new(content.clone()),
            backend: Arc::new(backend.clone()),
            availability,
            metrics: WorkerMetrics::default(),
        };
        let worker = tokio::spawn(worker.run(shutdown.clone()));
        Self {
            store,
            memory,
            content,
            backend,
            shutdown,
            worker,
            languages,
        }
    }

    async fn put(&self, program: &str) -> JobId {
        self.store
            .put(fakes::submission(program, &[("a", "a"), ("b", "c"), ("d", "d")]))
            .await
    }

    async fn graded(&self, submission: Submission) -> JobRecord {
        let id = self.store.put(submission).await;
        self.store.until(id, JobStatus::Completed).await
    }

    async fn until_pool(&self, matches: impl Fn(&PoolInfo) -> bool) {
        self.store
            .until_announced(|worker| worker.pools.iter().any(&matches))
            .await;
    }

    /// Every way out ends here: nothing may be left over.
    async fn leave(self) {
        self.shutdown.cancel();
        self.worker.await.unwrap();
        assert_eq!(self.backend.alive(), 0, "boxes are left over");
        assert_eq!(self.store.workers().await.unwrap(), [], "no goodbye");
    }
}

fn verdicts(record: &JobRecord) -> Vec<Verdict> {
    record
        .result
        .as_ref()
        .unwrap()
        .test_results
        .iter()
        .map(|test| test.verdict)
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_job_is_graded() {
    let running = Running::start();
    let id = running.put("echo").await;
    let record = running.store.until(id, JobStatus::Completed).await;
    assert_eq!(
        verdicts(&record),
        [Verdict::Accepted, Verdict::WrongAnswer, Verdict::Accepted]
    );
    assert_eq!(record.attempts, 1);
    running.leave().await;
}

#[tokio::test(start_paused = true)]
async fn the_progress_of_a_job_can_be_followed() {
    let running = Running::start();
    let id = running.put("die,late").await;
    let mut updates = running.store.follow(id, 0).await.unwrap().unwrap();
    let mut heard = Vec::new();
    while let Some(followed) = updates.next().await {
        let Followed::Update { number, update } = followed.unwrap() else {
            panic!("nothing is missing");
        };
        heard.push(update);
        assert_eq!(number, heard.len() as u64);
    }
    let [
        JobUpdate::Queued,
        JobUpdate::Progress(Progress::Started { attempt: 1 }),
        JobUpdate::Progress(Progress::Compiled {
            attempt: 1,
            verdict: CompileVerdict::Ok,
            ..
        }),
        JobUpdate::Progress(Progress::Started { attempt: 2 }),
        JobUpdate::Progress(Progress::Compiled {
            attempt: 2,
            verdict: CompileVerdict::Ok,
            ..
        }),
        runs @ ..,
        JobUpdate::Ended {
            status: JobStatus::Completed,
        },
    ] = &heard[..]
    else {
        panic!("{heard:?}");
    };
    let mut told: Vec<_> = runs
        .iter()
        .map(|run| match run {
            JobUpdate::Progress(Progress::RunDone {
                attempt: 2,
                test_id,
                verdict,
                ..
            }) => (*test_id, *verdict),
            other => panic!("{other:?}"),
        })
        .collect();
    told.sort_unstable_by_key(|(test_id, _)| *test_id);
    let verdicts = verdicts(&running.store.record(id).await);
    let expected: Vec<_> = (1..).zip(verdicts).collect();
    assert_eq!(told, expected, "each test once, with the verdict it got at last");
    running.leave().await;
}

/// What whoever looks at a job after its end can hear of it.
async fn all_that_is_heard(running: &Running, id: JobId) -> Vec<JobUpdate> {
    let mut updates = running.store.follow(id, 0).await.unwrap().unwrap();
    let mut heard = Vec::new();
    while let Some(followed) = updates.next().await {
        match followed.unwrap() {
            Followed::Update { update, .. } => heard.push(update),
            Followed::Missed => panic!("nothing is missing"),
        }
    }
    heard
}

#[tokio::test(start_paused = true)]
async fn progress_arrives_before_the_end_of_its_attempt() {
    let running = Running::start();
    let id = running.put("die,late").await;
    running.store.until(id, JobStatus::Completed).await;
    let heard = all_that_is_heard(&running, id).await;
    let attempts = heard.iter().filter_map(|update| match update {
        JobUpdate::Progress(
            Progress::Started { attempt }
            | Progress::Compiled { attempt, .. }
            | Progress::RunDone { attempt, .. },
        ) => Some(*attempt),
        JobUpdate::Queued | JobUpdate::Ended { .. } => None,
    });
    assert_eq!(attempts.collect::<Vec<_>>(), [1, 1, 2, 2, 2, 2, 2], "{heard:?}");
    running.leave().await;
}

/// A submission that wants to stop fails its second test, and never gets to its third.
async fn stops_at_the_second_test(running: &Running, program: &str, begun: usize) -> JobRecord {
    let mut submission = fakes::submission(program, &[("a", "a"), ("b", "c"), ("d", "d")]);
    submission.stop_on_failure = true;
    let record = running.graded(submission).await;
    assert_eq!(
        verdicts(&record),
        [Verdict::Accepted, Verdict::WrongAnswer, Verdict::Skipped]
    );
    assert_eq!(running.backend.tests_begun(), begun);
    record
}

#[tokio::test(start_paused = true)]
async fn tests_after_a_failure_are_never_sent_where_the_submission_wants_to_stop() {
    let running = Running::start();
    stops_at_the_second_test(&running, "echo", 2).await;
    running.leave().await;
}

#[tokio::test(start_paused = true)]
async fn only_what_was_right_but_late_is_tried_again() {
    let running = Running::start();
    let mut submission = fakes::submission("late", &[("a", "a"), ("b", "c"), ("d", "d")]);
    let record = running.graded(submission.clone()).await;
    assert_eq!(
        verdicts(&record),
        [Verdict::Accepted, Verdict::TimeLimitExceeded, Verdict::Accepted]
    );
    assert_eq!(tried_again(record), [true, false, true]);
    assert_eq!(running.backend.tests_begun(), 5);
    submission.stop_on_failure = true;
    let record = running.graded(submission).await;
    assert_eq!(
        verdicts(&record),
        [Verdict::Accepted, Verdict::TimeLimitExceeded, Verdict::Skipped]
    );
    assert_eq!(tried_again(record), [true, false, false]);
    assert_eq!(running.backend.tests_begun(), 8);
    running.leave().await;
}

fn tried_again(record: JobRecord) -> Vec<bool> {
    let tests = record.result.unwrap().test_results;
    let evidence = tests.iter().map(|test| test.evidence.as_ref());
    evidence
        .map(|evidence| evidence.is_some_and(|evidence| evidence.earlier.is_some()))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_job_is_cancelled_in_a_second_try() {
    let running = Running::start();
    let id = running.put("later").await;
    running.backend.until_tried_again().await;
    let asked = Instant::now();
    running.store.cancel(id).await.unwrap();
    let record = running.store.until(id, JobStatus::Cancelled).await;
    assert!(asked.elapsed() < Duration::from_secs(1));
    assert_eq!(record.result.unwrap().verdict, Verdict::Cancelled);
    running.leave().await;
}

#[tokio::test(start_paused = true)]
async fn an_input_larger_than_any_pipe_passes() {
    let running = Running::start();
    let input = "x\n".repeat(1 << 20);
    let record = running
        .graded(fakes::submission("echo", &[(&input, &input), ("", "")]))
        .await;
    assert_eq!(verdicts(&record), [Verdict::Accepted, Verdict::Accepted]);
    running.leave().await;
}

#[tokio::test(start_paused = true)]
async fn a_box_is_grown_only_for_a_job_that_needs_more_memory() {
    let running = Running::start();
    running.graded(fakes::submission("echo", &[("", "")])).await;
    assert!(running.backend.grown().is_empty());
    let mut submission = fakes::submission("echo", &[("", "")]);
    submission.memory_limit_mb = Some(1024);
    running.graded(submission).await;
    assert!(matches!(running.backend.grown()[..], [bytes] if bytes > 1024 << 20));
    running.leave().await;
}

#[tokio::test(start_paused = true)]
async fn a_job_whose_box_breaks_is_tried_again_in_another_one() {
    for broken in ["die", "fault"] {
        let running = Running::start();
        let id = running.put(&format!("{broken},echo")).await;
        let record = running.store.until(id, JobStatus::Completed).await;
        assert_eq!(record.attempts, 2);
        running.leave().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_whose_boxes_always_break_fails_without_blame() {
    let running = Running::start();
    let id = running.put("fault").await;
    let record = running.store.until(id, JobStatus::Failed).await;
    assert_eq!(record.attempts, 3);
    assert!(record.error.unwrap().contains("no space for the fake"));
    let result = record.result.unwrap();
    assert_eq!((result.verdict, result.score), (Verdict::InternalError, None));
    running.leave().await;
}

#[tokio::test(start_paused = true)]
async fn a_job_whose_outputs_take_too_long_to_compare_fails_without_blame() {
    let running = Running::with(&[fakes::language("python")], |worker| {
        worker.max_checking = Duration::ZERO;
    });
    let id = running.put("echo").await;
    let record = running.store.until(id, JobStatus::Failed).await;
    assert!(record.error.unwrap().contains("worker.max_checking_ms"));
    assert_eq!(record.result.unwrap().verdict, Verdict::InternalError);
    running.leave().await;
}

#[tokio::test(start_paused = true)]
async fn a_box_that_falls_silent_does_not_keep_its_slot() {
    let running = Running::start();
    let begun = Instant::now();
    let id = running.put("hang,echo").await;
    running.store.until(id, JobStatus::Completed).await;
    let limits = Settings::defaults().limits;
    assert!(begun.elapsed() > Duration::from_millis(limits.timeout_ms));
    running.leave().await;
}

#[tokio::test(start_paused = true)]
async fn a_panic_while_grading_is_a_failure_of_ours() {
    let running = Running::start();
    running.backend.panic_when_growing();
    let mut submission = fakes::submission("echo", &[("", "")]);
    submission.memory_limit_mb = Some(1024);
    let record = running.graded(submission).await;
    assert_eq!(record.attempts, 2);
    assert_eq!(
        running.backend.abandoned(),
        0,
        "a box was still there when its job was given back"
    );
    running.leave().await;
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_what_makes_boxes_ends_no_language() {
    let running = Running::start();
    running.until_pool(|pool| pool.unavailable.is_none()).await;
    running.backend.panic_when_making_boxes();
    for _ in 0..2 {
        running.graded(fakes::submission("echo", &[("", "")])).await;
    }
    running.until_pool(|pool| pool.unavailable.is_none()).await;
    running.leave().await;
}

#[tokio::test(start_paused = true)]
async fn a_box_has_as_long_to_be_ready_as_its_backend_says() {
    let backend = FakeBackend::default();
    backend.set_mute(true);
    let running = Running::on(backend, &[fakes::language("python")], |_| {});
    running
        .until_pool(|pool| {
            let reason = pool.unavailable.as_deref();
            reason.is_some_and(|reason| reason.contains("not ready within 7 s"))
        })
        .await;
    running.leave().await;
}

#[tokio::test(start_paused = true)]
async fn a_running_job_is_cancelled_within_a_second_and_its_box_dies() {
    let running = Running::start();
    let id = running.put("hang").await;
    running.backend.until_begun(1).await;
    let asked = Instant::now();
    running.store.cancel(id).await.unwrap();
    let record = running.store.until(id, JobStatus::Cancelled).await;
    assert!(asked.elapsed() < Duration::from_secs(1));
    assert_eq!(record.result.unwrap().verdict, Verdict::Cancelled);
    running.graded(fakes::submission("echo", &[("", "")])).await;
    running.leave().await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_job_is_left_to_its_new_owner() {
    let running = Running::start();
    let id = running.put("hang").await;
    running.backend.until_begun(1).await;
    running.store.take_away(id).await;
    // The slot is free again once the loss was noticed.
    running.graded(fakes::submission("echo", &[("", "")])).await;
    assert_eq!(running.store.record(id).await.status, JobStatus::Running);
    running.leave().await;
}

#[tokio::test(start_paused = true)]
async fn running_jobs_are_finished_while_draining_and_no_other_is_claimed() {
    let running = Running::start();
    let first = running.put("hold").await;
    running.backend.until_begun(1).await;
    let second = running.put("echo").await;
    running.shutdown.cancel();
    sleep(Duration::from_secs(20)).await;
    running.backend.go_on();
    running.store.until(first, JobStatus::Completed).await;
    assert_eq!(running.store.record(second).await.status, JobStatus::Queued);
    running.leave().await;
}

#[tokio::test(start_paused = true)]
async fn what_does_not_end_in_time_is_given_back_unharmed() {
    let running = Running::start();
    let id = running.put("hang").await;
    running.backend.until_begun(1).await;
    let asked = Instant::now();
    running.shutdown.cancel();
    let record = running.store.until(id, JobStatus::Queued).await;
    assert!(asked.elapsed() >= Settings::defaults().worker.drain);
    assert_eq!(record.attempts, 0, "a departure is no failed attempt");
    running.leave().await;
}

#[tokio::test(start_paused = true)]
async fn a_result_waits_for_the_store_to_come_back() {
    let running = Running::start();
    let id = running.put("hold").await;
    running.backend.until_begun(1).await;
    running.store.set_unreachable(true);
    running.backend.go_on();
    sleep(Duration::from_secs(8)).await;
    running.store.set_unreachable(false);
    let record = running.store.until(id, JobStatus::Completed).await;
    assert_eq!(record.attempts, 1);
    running.leave().await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_claimed_while_no_box_can_be_made() {
    let running = Running::start();
    running
        .until_pool(|pool| pool.toolchain.as_deref() == Some("Fake 1.0"))
        .await;
    running.backend.set_broken(true);
    // Takes the box that is still warm.
    running.graded(fakes::submission("echo", &[("", "")])).await;
    let id = running.put("echo").await;
    running
        .until_pool(|pool| {
            pool.unavailable
                .as_ref()
                .is_some_and(|reason| reason.contains("within 1 s"))
        })
        .await;
    assert_eq!(running.store.record(id).await.status, JobStatus::Queued);
    running.backend.set_broken(false);
    running.store.until(id, JobStatus::Completed).await;
    running.until_pool(|pool| pool.unavailable.is_none()).await;
    running.leave().await;
}

#[tokio::test(start_paused = true)]
async fn a_worker_outlives_its_store() {
    let running = Running::start();
    running.until_pool(|pool| pool.unavailable.is_none()).await;
    running.store.set_unreachable(true);
    sleep(Duration::from_mins(10)).await;
    running.store.set_unreachable(false);
    running.graded(fakes::submission("echo", &[("", "")])).await;
    running.leave().await;
}

#[tokio::test(start_paused = true)]
async fn no_box_is_made_before_the_worker_is_known() {
    let running = Running::start();
    running.store.set_unreachable(true);
    sleep(Duration::from_mins(1)).await;
    assert_eq!(running.backend.alive(), 0);
    running.store.set_unreachable(false);
    running.graded(fakes::submission("echo", &[("", "")])).await;
    running.leave().await;
}

#[tokio::test(start_paused = true)]
async fn as_many_jobs_run_at_once_as_there_are_slots() {
    let mut language = fakes::language("python");
    language.concurrency.max_parallel_jobs = 3;
    let running = Running::of(language);
    let mut jobs = Vec::new();
    for _ in 0..5 {
        jobs.push(running.put("hold").await);
    }
    running.backend.until_begun(3).await;
    running.until_pool(|pool| pool.busy == 3 && pool.slots == 3).await;
    assert_eq!(running.backend.begun(), 3);
    running.backend.go_on();
    for job in jobs {
        running.store.until(job, JobStatus::Completed).await;
    }
    running.leave().await;
}

#[tokio::test(start_paused = true)]
async fn languages_share_what_may_run_at_once() {
    let languages = ["python", "c", "idle"].map(|name| Language {
        concurrency: Concurrency {
            max_parallel_jobs: 4,
            max_parallel_tests: 1,
        },
        ..fakes::language(name)
    });
    let running = Running::with(&languages, |worker| worker.total_concurrency = 2);
    let mut jobs = Vec::new();
    for name in ["python", "c", "python", "c", "python"] {
        let mut submission = fakes::submission("hold", &[("a", "a")]);
        submission.language = name.parse().unwrap();
        jobs.push(running.store.put(submission).await);
    }
    running.backend.until_begun(2).await;
    // By then every claim loop has turned.
    sleep(Duration::from_mins(1)).await;
    assert_eq!(running.backend.begun(), 2);
    running.backend.go_on();
    for job in jobs {
        running.store.until(job, JobStatus::Completed).await;
    }
    running.leave().await;
}

#[tokio::test(start_paused = true)]
async fn a_language_added_or_changed_is_served_without_a_restart() {
    let running = Running::start();
    running
        .until_pool(|pool| pool.unavailable.is_none() && pool.slots == 1)
        .await;
    let held = running.put("hold").await;
    running.backend.until_begun(1).await;

    let mut python = fakes::language("python");
    python.concurrency.max_parallel_jobs = 4;
    running.languages.write(&[python, fakes::language("ruby")]);
    running
        .until_pool(|pool| pool.language.as_str() == "ruby" && pool.unavailable.is_none())
        .await;
    running
        .until_pool(|pool| pool.language.as_str() == "python" && pool.slots == 4)
        .await;
    running.backend.go_on();
    let record = running.store.until(held, JobStatus::Completed).await;
    assert_eq!(
        record.attempts, 1,
        "a job that was running when its language changed"
    );
    running.leave().await;
}

fn with_sample(sample: &str) -> Language {
    let mut language = fakes::language("python");
    language.execution.sample = Some(sample.to_owned());
    language
}

#[tokio::test(start_paused = true)]
async fn a_language_is_available_when_its_sample_has_run() {
    let running = Running::proving(with_sample("hold"));
    running.backend.until_begun(1).await;
    running
        .until_pool(|pool| {
            let reason = pool.unavailable.as_deref();
            reason == Some("a program of it is being tried in a box")
        })
        .await;
    let id = running.put("echo").await;
    sleep(Duration::from_secs(3)).await;
    assert_eq!(running.store.record(id).await.status, JobStatus::Queued);
    running.backend.go_on();
    running.until_pool(|pool| pool.unavailable.is_none()).await;
    running.store.until(id, JobStatus::Completed).await;
    running.leave().await;
}

#[tokio::test(start_paused = true)]
async fn jobs_wait_while_the_sample_of_their_language_does_not_run() {
    for (sample, why) in [("hush", "wrong_answer"), ("fault", "no space for the fake")] {
        let running = Running::proving(with_sample(sample));
        let id = running.put("echo").await;
        running
            .until_pool(|pool| {
                pool.unavailable
                    .as_deref()
                    .is_some_and(|reason| reason.contains(why))
            })
            .await;
        sleep(Duration::from_mins(10)).await;
        assert_eq!(running.store.record(id).await.status, JobStatus::Queued);

        running.languages.write(&[with_sample("echo")]);
        let record = running.store.until(id, JobStatus::Completed).await;
        assert_eq!(record.attempts, 1);
        running.leave().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_language_whose_jobs_all_break_is_tried_again() {
    // The sample runs at first, and no more after the job has failed for good.
    let running = Running::proving(with_sample("echo,echo,echo,echo,fault"));
    let id = running.put("fault").await;
    running.store.until(id, JobStatus::Failed).await;
    running
        .until_pool(|pool| {
            let reason = pool.unavailable.as_deref();
            reason.is_some_and(|reason| reason.contains("no space for the fake"))
        })
        .await;
    running.leave().await;
}

#[tokio::test(start_paused = true)]
async fn a_job_that_fits_no_box_says_nothing_of_its_language() {
    // The sample would not run a second time.
    let running = Running::proving(with_sample("echo,fault"));
    let disk_mb = fakes::language("python").resources.disk_mb;
    let too_much = " ".repeat(usize::try_from(disk_mb << 20).unwrap() + 1);
    let id = running.put(&too_much).await;
    running.store.until(id, JobStatus::Failed).await;
    let other = running.graded(fakes::submission("echo,echo", &[("", "")]));
    let served = timeout(Duration::from_mins(10), other).await;
    assert!(served.is_ok(), "its language is still available");
    running.leave().await;
}

#[tokio::test(start_paused = true)]
async fn another_toolchain_is_proved_anew() {
    let running = Running::proving(with_sample("echo,echo,echo,fault"));
    running.graded(fakes::submission("echo", &[("", "")])).await;
    running.backend.set_toolchain("Fake 2.0");
    // Takes the last box of the old one.
    running.graded(fakes::submission("echo", &[("", "")])).await;
    running.until_pool(|pool| pool.unavailable.is_some()).await;
    running.leave().await;
}

/// No job has to come: boxes that wait are replaced, and none runs in what was never proved.
#[tokio::test(start_paused = true)]
async fn another_root_is_proved_anew_and_no_box_of_the_former_one_stays() {
    let running = Running::proving(with_sample("echo,echo,fault"));
    running.graded(fakes::submission("echo", &[("", "")])).await;
    running.backend.change_root();
    running.until_pool(|pool| pool.unavailable.is_some()).await;
    assert_eq!(running.backend.abandoned(), 0, "they are waited for");
    running.leave().await;
}

/// A submission of one test, whose input and expected output are this content.
fn naming(content: &[u8]) -> Submission {
    let digest: [u8; 32] = sha2::Sha256::digest(content).into();
    let named = NamedContent::new(Digest::from(digest));
    let mut submission = fakes::submission("echo", &[("", "")]);
    let test = &mut submission.test_cases[0];
    (test.input, test.expected_output) = (None, None);
    (test.input_sha256, test.expected_output_sha256) = (Some(named.clone()), Some(named));
    submission
}

async fn put_content(store: &dyn ContentStore, bytes: &'static [u8]) -> Digest {
    let digest = Digest::from(<[u8; 32]>::from(sha2::Sha256::digest(bytes)));
    let mut incoming = store.begin(digest).await.unwrap();
    incoming.write(bytes::Bytes::from_static(bytes)).await.unwrap();
    incoming.finish().await.unwrap();
    digest
}

#[tokio::test(start_paused = true)]
async fn a_job_is_graded_by_the_content_it_names() {
    let running = Running::start();
    put_content(&running.content, b"large").await;
    let record = running.graded(naming(b"large")).await;
    assert_eq!(verdicts(&record), [Verdict::Accepted]);
    assert_eq!(record.result.unwrap().test_results[0].stdout, "large");
    running.leave().await;
}

#[tokio::test(start_paused = true)]
async fn content_that_is_gone_is_a_failure_of_ours() {
    let running = Running::start();
    let digest = put_content(&running.content, b"large").await;
    running.memory.damage(digest, None);
    let id = running.store.put(naming(b"large")).await;
    let record = running.store.until(id, JobStatus::Failed).await;
    let error = record.error.unwrap();
    assert!(
        error.contains(&digest.to_string()) && error.contains("gone"),
        "{error}"
    );
    // It is not the language's failure.
    put_content(&running.content, b"large").await;
    let record = running.graded(naming(b"large")).await;
    assert_eq!(verdicts(&record), [Verdict::Accepted]);
    running.leave().await;
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_the_content_store_uses_no_attempts() {
    let running = Running::start();
    put_content(&running.content, b"large").await;
    running.content.set_unreachable(true);
    let id = running.store.put(naming(b"large")).await;
    running.until_pool(|pool| pool.unavailable.is_some()).await;
    // Much longer than all attempts take.
    tokio::time::sleep(Duration::from_mins(10)).await;
    let record = running.store.get(id).await.unwrap().unwrap();
    assert_eq!((record.status, record.attempts), (JobStatus::Queued, 0));
    running.content.set_unreachable(false);
    let record = running.store.until(id, JobStatus::Completed).await;
    assert_eq!((record.attempts, verdicts(&record)), (1, vec![Verdict::Accepted]));
    running.until_pool(|pool| pool.unavailable.is_none()).await;
    running.leave().await;
}

#[tokio::test(start_paused = true)]
async fn damaged_content_uses_attempts_until_it_is_put_again() {
    let running = Running::start();
    let digest = put_content(&running.content, b"large").await;
    running
        .memory
        .damage(digest, Some(bytes::Bytes::from_static(b"LARGE")));
    let id = running.store.put(naming(b"large")).await;
    let record = running.store.until(id, JobStatus::Failed).await;
    assert!(record.error.unwrap().contains("gone"));
    assert_eq!(record.attempts, 3);

    // Put again when the first attempt has failed, it is there for the second.
    let id = running.store.put(naming(b"large")).await;
    while running.store.get(id).await.unwrap().unwrap().attempts < 2 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    put_content(&running.content, b"large").await;
    let record = running.store.until(id, JobStatus::Completed).await;
    assert_eq!((record.attempts, verdicts(&record)), (2, vec![Verdict::Accepted]));
    running.leave().await;
}
