//! The API as its clients use it, told in the JSON that really came.

use std::time::{Duration, Instant};

use optimus_client::Request;
pub use optimus_client::{Method, StatusCode};
use serde_json::{Value, json};

use crate::waiting::until;

/// Longer than any job here takes on a busy machine.
const JOB_TIMEOUT: Duration = Duration::from_mins(4);

#[derive(Debug, Clone)]
pub struct Client {
    api: optimus_client::Client,
}

/// A status, and the JSON that came with it.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub retry_after: Option<String>,
    pub body: Value,
}

impl Client {
    pub fn new(port: u16) -> Self {
        Self {
            api: optimus_client::Client::new(&format!("http://127.0.0.1:{port}")).unwrap(),
        }
    }

    /// `None` where nobody answers.
    pub async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Option<Answer> {
        self.ask_with(method, path, &[], body).await
    }

    /// With headers of its own.
    pub async fn ask_with(
        &self,
        method: Method,
        path: &str,
        headers: &[(&'static str, &str)],
        body: Option<&Value>,
    ) -> Option<Answer> {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = body.map(|body| {
            request
                .headers_mut()
                .unwrap()
                .insert("content-type", "application/json".parse().unwrap());
            body.to_string()
        });
        let request = request.body(body.unwrap_or_default().into()).unwrap();
        let response = self.api.request(request).await.ok()?;
        let text = String::from_utf8(response.body().to_vec()).unwrap();
        let retry_after = response.headers().get("retry-after");
        Some(Answer {
            status: response.status(),
            retry_after: retry_after.map(|value| value.to_str().unwrap().to_owned()),
            body: serde_json::from_str(&text).unwrap_or(Value::String(text)),
        })
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, None)
            .await
            .unwrap_or_else(|| panic!("no answer to GET {path}"))
    }

    pub async fn post(&self, submission: &Value) -> Answer {
        self.ask(Method::POST, "/jobs", Some(submission))
            .await
            .expect("no answer to POST /jobs")
    }

    /// Posts with an idempotency key, again and again until it is accepted.
    pub async fn submit_surely(&self, submission: &Value, key: &str) -> String {
        let started = Instant::now();
        loop {
            if let Some(id) = self.try_submit(submission, key).await {
                return id;
            }
            assert!(started.elapsed() < JOB_TIMEOUT, "{key} is never accepted");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// `None` where it may be tried again.
    async fn try_submit(&self, submission: &Value, key: &str) -> Option<String> {
        let headers = [("idempotency-key", key)];
        let answer = self
            .ask_with(Method::POST, "/jobs", &headers, Some(submission))
            .await?;
        match answer.status {
            StatusCode::ACCEPTED => Some(id_of(&answer.body)),
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => None,
            other => panic!("{other} to a submission: {answer:?}"),
        }
    }

    /// Submits, and returns the job's id.
    pub async fn submit(&self, submission: &Value) -> String {
        let answer = self.post(submission).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.body);
        id_of(&answer.body)
    }

    /// Submits as a part of the client's own trace.
    pub async fn submit_traced(&self, submission: &Value, traceparent: &str) -> String {
        let headers = [("traceparent", traceparent)];
        let answer = self
            .ask_with(Method::POST, "/jobs", &headers, Some(submission))
            .await;
        let answer = answer.expect("no answer to POST /jobs");
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.body);
        id_of(&answer.body)
    }

    pub async fn record(&self, id: &str) -> Value {
        let answer = self.get(&format!("/jobs/{id}")).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        answer.body
    }

    /// The record in its terminal state. The API may be away for a while.
    pub async fn done(&self, id: &str) -> Value {
        let started = Instant::now();
        loop {
            let answer = self.ask(Method::GET, &format!("/jobs/{id}?wait=20"), None).await;
            match answer {
                Some(Answer {
                    status: StatusCode::OK,
                    body,
                    ..
                }) if is_terminal(&body) => return body,
                Some(Answer {
                    status: StatusCode::NOT_FOUND,
                    ..
                }) => panic!("job {id} was lost"),
                Some(Answer {
                    status: StatusCode::OK,
                    ..
                }) => {}
                _ => tokio::time::sleep(Duration::from_millis(100)).await,
            }
            assert!(started.elapsed() < JOB_TIMEOUT, "job {id} does not end");
        }
    }

    /// Submits, and waits for the end.
    pub async fn grade(&self, submission: &Value) -> Value {
        let id = self.submit(submission).await;
        self.done(&id).await
    }

    /// A language as the API lists it; `None` where it does not, or nobody answers.
    pub async fn language(&self, name: &str) -> Option<Value> {
        let mut answer = self.ask(Method::GET, "/languages", None).await?;
        let languages = answer.body["languages"].as_array_mut()?;
        let index = languages.iter().position(|language| language["name"] == name)?;
        Some(languages.swap_remove(index))
    }

    pub async fn is_available(&self, language: &str) -> bool {
        let language = self.language(language).await;
        language.is_some_and(|language| language["available"] == true)
    }

    /// How many finishes the store has accepted since it was made, as the API's metrics tell it.
    pub async fn finished(&self) -> u64 {
        let mut total = None;
        until("the metrics are told", async || {
            let answer = self.ask(Method::GET, "/metrics", None).await;
            let Some(Value::String(text)) = answer.map(|answer| answer.body) else {
                return false;
            };
            let counters: Vec<&str> = text
                .lines()
                .filter(|line| line.starts_with("optimus_jobs_finished_total{"))
                .collect();
            let values = counters.iter().map(|line| line.rsplit(' ').next().unwrap());
            total = Some(values.map(|value| value.parse::<u64>().unwrap()).sum());
            true
        })
        .await;
        total.unwrap()
    }

    pub async fn cancel(&self, id: &str) -> Answer {
        self.ask(Method::DELETE, &format!("/jobs/{id}"), None)
            .await
            .expect("no answer to DELETE /jobs/:id")
    }

    pub async fn until_status(&self, id: &str, status: &str) -> Value {
        let mut record = Value::Null;
        until(&format!("job {id} is {status}"), async || {
            record = self.record(id).await;
            assert!(
                record["status"] == status || !is_terminal(&record),
                "never {status}: {record}"
            );
            record["status"] == status
        })
        .await;
        record
    }
}

fn id_of(body: &Value) -> String {
    body["job_id"]
        .as_str()
        .unwrap_or_else(|| panic!("no job_id in {body}"))
        .to_owned()
}

pub fn is_terminal(record: &Value) -> bool {
    matches!(
        record["status"].as_str(),
        Some("completed" | "failed" | "cancelled")
    )
}

/// A submission of one file, with a test for each pair of an input and its expected output.
pub fn submission(language: &str, source: &str, tests: &[(&str, &str)]) -> Value {
    let tests: Vec<_> = (1..)
        .zip(tests)
        .map(|(id, (input, expected))| json!({"id": id, "input": input, "expected_output": expected}))
        .collect();
    json!({"language": language, "source_code": source, "test_cases": tests})
}

/// `base` with the fields of `more`.
pub fn with(mut base: Value, more: Value) -> Value {
    let Value::Object(more) = more else {
        panic!("fields are expected")
    };
    base.as_object_mut().unwrap().extend(more);
    base
}

/// The verdict of each test, in order.
pub fn verdicts(record: &Value) -> Vec<&str> {
    let tests = record["result"]["test_results"]
        .as_array()
        .unwrap_or_else(|| panic!("no results in {record}"));
    tests
        .iter()
        .map(|test| test["verdict"].as_str().unwrap())
        .collect()
}

/// Checks a graded job's verdict, and that everything else in its result agrees with it.
pub fn assert_verdict(record: &Value, expected: &str, what: &str) {
    assert_eq!(record["status"], "completed", "{what}: {record:#}");
    let result = &record["result"];
    assert_eq!(result["verdict"], expected, "{what}: {}", brief(record));
    let overall = match expected {
        "accepted" => "success",
        "compilation_error" => "compilation_error",
        _ => "failed",
    };
    assert_eq!(result["overall_status"], overall, "{what}: {}", brief(record));
    assert_eq!(
        result["score"] == 1.0,
        expected == "accepted",
        "{what}: {}",
        brief(record)
    );
}

/// A record without long texts.
fn brief(record: &Value) -> String {
    let text = format!("{record:#}");
    text.lines()
        .map(|line| line.chars().take(300).collect::<String>() + "\n")
        .take(120)
        .collect()
}
