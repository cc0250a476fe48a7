//! The API as a client sees it.

use optimus_testkit::until;
use reqwest::StatusCode;
use serde_json::{Value, json};

#[derive(Debug, Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    url: String,
}

/// A submission of one test, whose input is empty.
pub(crate) fn submission(language: &str, source: &str, expected: &str) -> Value {
    json!({
        "language": language,
        "source_code": source,
        "test_cases": [{"id": 1, "input": "", "expected_output": expected}],
    })
}

pub(crate) fn is_terminal(record: &Value) -> bool {
    !["queued", "running"].contains(&record["status"].as_str().unwrap())
}

#[track_caller]
pub(crate) fn assert_verdict(record: &Value, verdict: &str) {
    assert_eq!(record["status"], "completed", "{record:#}");
    assert_eq!(record["result"]["verdict"], verdict, "{record:#}");
}

impl Client {
    pub(crate) fn new(url: String) -> Self {
        // A connection that outlives the process it led to would be tried first after a restart.
        let http = reqwest::Client::builder()
            .pool_max_idle_per_host(0)
            .build()
            .unwrap();
        Self { http, url }
    }

    pub(crate) async fn get(&self, path: &str) -> reqwest::Result<(StatusCode, Value)> {
        let response = self.http.get(format!("{}{path}", self.url)).send().await?;
        Ok((response.status(), response.json().await?))
    }

    /// The id of an accepted job. An error says nothing of whether it was.
    pub(crate) async fn try_submit(&self, key: &str, submission: &Value) -> reqwest::Result<String> {
        let request = self
            .http
            .post(format!("{}/jobs", self.url))
            .header("Idempotency-Key", key)
            .json(submission);
        let response = request.send().await?;
        let status = response.status();
        let answer: Value = response.json().await?;
        assert!(
            [StatusCode::ACCEPTED, StatusCode::OK].contains(&status),
            "{status}: {answer:#}"
        );
        Ok(answer["job_id"].as_str().unwrap().to_owned())
    }

    pub(crate) async fn submit(&self, submission: &Value) -> String {
        Self::accepted(self.http.post(format!("{}/jobs", self.url)).json(submission)).await
    }

    /// As a part of the client's own trace.
    pub(crate) async fn submit_traced(&self, submission: &Value, traceparent: &str) -> String {
        let request = self.http.post(format!("{}/jobs", self.url));
        Self::accepted(request.header("traceparent", traceparent).json(submission)).await
    }

    async fn accepted(request: reqwest::RequestBuilder) -> String {
        let response = request.send().await.unwrap();
        let status = response.status();
        let answer: Value = response.json().await.unwrap();
        assert_eq!(status, StatusCode::ACCEPTED, "{answer:#}");
        answer["job_id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn record(&self, id: &str) -> Value {
        let (status, record) = self.get(&format!("/jobs/{id}")).await.unwrap();
        assert_eq!(status, StatusCode::OK, "{id}: {record:#}");
        record
    }

    /// The stream of what happens to a job.
    pub(crate) async fn events(&self, id: &str) -> reqwest::Response {
        let response = self.http.get(format!("{}/jobs/{id}/events", self.url)).send();
        let response = response.await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        response
    }

    /// The record of a job that is over.
    pub(crate) async fn done(&self, id: &str) -> Value {
        let mut record = Value::Null;
        until("the job ends", async || {
            record = self.record(id).await;
            is_terminal(&record)
        })
        .await;
        record
    }

    pub(crate) async fn language(&self, name: &str) -> Option<Value> {
        let (_, mut list) = self.get("/languages").await.ok()?;
        let languages = list["languages"].as_array_mut()?;
        let index = languages.iter().position(|language| language["name"] == name)?;
        Some(languages.swap_remove(index))
    }

    pub(crate) async fn is_available(&self, language: &str) -> bool {
        let language = self.language(language).await;
        language.is_some_and(|language| language["available"] == true)
    }

    pub(crate) async fn metrics(&self) -> String {
        let response = self.http.get(format!("{}/metrics", self.url)).send();
        response.await.unwrap().text().await.unwrap()
    }

    /// How many finishes the store has accepted since it was made.
    pub(crate) async fn finished(&self) -> u64 {
        let text = self.metrics().await;
        let counters = text
            .lines()
            .filter(|line| line.starts_with("optimus_jobs_finished_total{"));
        counters
            .map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
            .sum()
    }
}
