//! What breaks, is cancelled, or is lost, and what becomes of the jobs.

use super::*;

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
