//! Which languages are served, with how many slots, and since when.

use super::*;

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
