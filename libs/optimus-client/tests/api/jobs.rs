//! A job from its submission to its end.

use optimus_client::{Error, JobEvent, Started, StatusCode};
use optimus_common::{
    JobId,
    job::{JobStatus, Outcome},
    result::{JobResult, OverallStatus, Verdict},
    submission::{Submission, TestCase},
};
use optimus_queue::{Claim, EventBus, JobQueue, Progress};

use crate::support::Api;

pub(crate) fn hello() -> Submission {
    let tests = vec![TestCase::new(1, "", "hello\n")];
    Submission::new("python".parse().unwrap(), "print('hello')", tests)
}

fn accepted() -> JobResult {
    JobResult {
        overall_status: OverallStatus::Success,
        verdict: Verdict::Accepted,
        score: Some(1.0),
        total_tests: 1,
        passed_tests: 1,
        entry_point: None,
        compile: None,
        test_results: Vec::new(),
    }
}

async fn finish(api: &Api, claim: &Claim) {
    let outcome = Outcome::Completed(accepted());
    api.store.finish(&claim.lease, outcome).await.unwrap();
}

#[tokio::test]
async fn a_submission_is_waited_for() {
    let api = Api::start().await;
    let client = api.client();
    let worker = async {
        let claim = api.claim().await;
        finish(&api, &claim).await;
    };
    let submission = hello();
    let (record, ()) = tokio::join!(client.submit_and_wait(&submission), worker);
    let record = record.unwrap();
    assert_eq!(record.status, JobStatus::Completed);
    assert_eq!(record.result.unwrap(), accepted());
    let again = client.job(record.job_id).await.unwrap();
    assert_eq!(again.status, JobStatus::Completed);
    let ended = client.job_ended(record.job_id, |_| panic!("it has ended")).await;
    assert_eq!(ended.unwrap(), again);
}

#[tokio::test]
async fn a_key_makes_one_job() {
    let api = Api::start().await;
    let client = api.client();
    let first = client.submit(&hello(), Some("a-key")).await.unwrap();
    let again = client.submit(&hello(), Some("a-key")).await.unwrap();
    assert_eq!(first, again);
    assert_ne!(client.submit(&hello(), None).await.unwrap().job_id, first.job_id);
    let mut other = hello();
    other.source_code = Some("print()".to_owned());
    let error = client.submit(&other, Some("a-key")).await.unwrap_err();
    assert_eq!(error.refusal().unwrap().status, StatusCode::UNPROCESSABLE_ENTITY);
    let error = client.submit(&hello(), Some("a\nkey")).await.unwrap_err();
    assert!(matches!(error, Error::NoHeaderValue { .. }), "{error}");
}

#[tokio::test]
async fn a_job_is_cancelled_once() {
    let api = Api::start().await;
    let client = api.client();
    let job = client.submit(&hello(), None).await.unwrap();
    assert_eq!(job.status, JobStatus::Queued);
    assert_eq!(
        client.cancel(job.job_id).await.unwrap().status,
        JobStatus::Cancelled
    );
    let error = client.cancel(job.job_id).await.unwrap_err();
    assert_eq!(error.refusal().unwrap().status, StatusCode::CONFLICT);
    let error = client.job(JobId::new()).await.unwrap_err();
    assert_eq!(error.refusal().unwrap().status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_job_is_followed_to_its_end() {
    let api = Api::start().await;
    let client = api.client();
    let id = client.submit(&hello(), None).await.unwrap().job_id;
    let mut events = client.follow(id);
    assert_eq!(events.next().await.unwrap(), Some(JobEvent::Queued));
    let claim = api.claim().await;
    api.store.publish(&claim.lease, Progress::Started { attempt: 1 });
    let started = JobEvent::Started(Started { attempt: 1 });
    assert_eq!(events.next().await.unwrap(), Some(started.clone()));
    finish(&api, &claim).await;
    let Some(JobEvent::End(end)) = events.next().await.unwrap() else {
        panic!("no end is told");
    };
    assert_eq!((end.job_id, end.status), (id, JobStatus::Completed));
    assert_eq!((end.verdict, end.total_tests), (Some(Verdict::Accepted), Some(1)));
    assert_eq!(events.next().await.unwrap(), None);
    assert_eq!(events.next().await.unwrap(), None);

    // Whoever comes later hears the same from the beginning.
    let mut again = client.follow(id);
    let mut heard = Vec::new();
    while let Some(event) = again.next().await.unwrap() {
        heard.push(event);
    }
    assert_eq!(heard, [JobEvent::Queued, started, JobEvent::End(end)]);
}

#[tokio::test]
async fn a_job_that_is_not_there_cannot_be_followed() {
    let api = Api::start().await;
    let mut events = api.client().follow(JobId::new());
    let error = events.next().await.unwrap_err();
    assert_eq!(error.refusal().unwrap().status, StatusCode::NOT_FOUND);
    assert_eq!(events.next().await.unwrap(), None);
}
