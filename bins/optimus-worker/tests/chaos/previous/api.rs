//! A stand-in for the API of the release before: as much of it as the suite's clients use.

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use jiff::Timestamp;
use optimus_common::{
    JobId,
    result::{JobResult, OverallStatus, Verdict},
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, time::sleep};

use super::store::Store;

/// What keeps a client from asking again at once.
const PAUSE: Duration = Duration::from_millis(50);

pub(super) async fn serve(port: u16, url: String) {
    let routes = Router::new()
        .route("/languages", get(async || "{}"))
        .route("/jobs", post(submit))
        .route("/jobs/{id}", get(lookup).delete(cancel))
        .with_state(Arc::new(Store::new(&url)));
    // The one before it was killed a moment ago.
    let listener = loop {
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
            Ok(listener) => break listener,
            Err(_) => sleep(PAUSE).await,
        }
    };
    axum::serve(listener, routes).await.unwrap();
}

async fn submit(State(store): State<Arc<Store>>, headers: HeaderMap, body: String) -> Response {
    let key = headers["Idempotency-Key"].to_str().unwrap();
    match store.submit(&JobId::new().to_string(), &body, key).await {
        Ok(id) => (StatusCode::ACCEPTED, Json(json!({ "job_id": id }))).into_response(),
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

async fn lookup(State(store): State<Arc<Store>>, Path(id): Path<String>) -> Response {
    sleep(PAUSE).await;
    match store.record(&id).await {
        Ok(Some(fields)) => Json(shown(&id, fields)).into_response(),
        Ok(None) => StatusCode::NOT_FOUND.into_response(),
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

async fn cancel(State(store): State<Arc<Store>>, Path(id): Path<String>) -> Response {
    match store.cancel(&id).await {
        Ok(Some(_)) => StatusCode::ACCEPTED.into_response(),
        Ok(None) => StatusCode::NOT_FOUND.into_response(),
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

/// A field that is missing where that release needs it is a fault of whoever wrote the record.
fn shown(id: &str, fields: [Option<String>; 12]) -> Value {
    let [
        status,
        language,
        attempts,
        created,
        started,
        finished,
        tests,
        _metadata,
        error,
        result,
        result_bytes,
        _gist,
    ] = fields;
    let time = |text: String| {
        Timestamp::from_millisecond(text.parse().unwrap())
            .unwrap()
            .to_string()
    };
    let status = status.unwrap();
    let tests: u32 = tests.expect("tests").parse().unwrap();
    let result = match result {
        Some(result) => {
            assert_eq!(result_bytes.expect("result_bytes"), result.len().to_string());
            serde_json::from_str(&result).unwrap()
        }
        None if status == "cancelled" => {
            let result = JobResult::not_graded(OverallStatus::Cancelled, Verdict::Cancelled, tests);
            serde_json::to_value(result).unwrap()
        }
        None => Value::Null,
    };
    let mut record = json!({
        "job_id": id,
        "status": status,
        "language": language.expect("language"),
        "attempts": attempts.expect("attempts").parse::<u32>().unwrap(),
        "created_at": time(created.expect("created")),
    });
    let given = [
        ("started_at", started.map(time)),
        ("finished_at", finished.map(time)),
        ("error", error),
    ];
    for (field, value) in given {
        if let Some(value) = value {
            record[field] = value.into();
        }
    }
    if !result.is_null() {
        record["result"] = result;
    }
    record
}
