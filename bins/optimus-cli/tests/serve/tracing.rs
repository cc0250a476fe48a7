//! Spans that a collector gets of a job, from the client's own down to each run.

use std::collections::BTreeSet;

use optimus_testkit::collector::{Collector, attributes, hex};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::{client::assert_verdict, process::Machine};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CLIENT: &str = "00f067aa0ba902b7";

/// A program of three tests, of which nothing may be found in a span.
fn doubles() -> Value {
    let source = "#include <stdio.h>\nint main(void) { long secret_name; scanf(\"%ld\", &secret_name); printf(\"%ld\\n\", 2 * secret_name); }\n";
    json!({
        "language": "c",
        "source_code": source,
        "test_cases": [
            {"id": 11, "input": "112233445566\n", "expected_output": "224466891132\n"},
            {"id": 12, "input": "2\n", "expected_output": "4\n"},
            {"id": 13, "input": "3\n", "expected_output": "6\n"},
        ],
    })
}

fn exporting(collector: &Collector) -> Machine {
    Machine::new()
        .with("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.endpoint)
        .with("OTEL_BSP_SCHEDULE_DELAY", &50)
}

pub(crate) async fn a_job_is_one_trace_from_the_client_to_each_run() {
    let collector = Collector::start().await;
    let machine = exporting(&collector);
    let served = machine.serve(&["--language", "python,c"]).await;
    served.until_available("c").await;
    let id = served
        .client
        .submit_traced(&doubles(), &format!("00-{TRACE}-{CLIENT}-01"))
        .await;
    assert_verdict(&served.client.done(&id).await, "accepted");
    // It sends the last spans when it leaves.
    served.leave().await;

    let trace = collector.trace(TRACE);
    if std::env::var_os("OPTIMUS_SHOW_TRACE").is_some() {
        println!("{}", trace.text());
    }
    let ids = |names: &[&str]| -> Vec<_> {
        let all = names.iter().flat_map(|name| trace.all(name));
        all.map(|span| hex(&span.parent_span_id)).collect()
    };
    let request = trace.one("POST /jobs");
    assert_eq!(hex(&request.parent_span_id), CLIENT);
    assert_eq!(request.kind, 2, "a server's");
    assert_eq!(attributes(&request.attributes)["status"], "202");
    let [request, job, attempt, in_box] = ["POST /jobs", "job", "attempt", "box"].map(|name| trace.one(name));
    for (parent, children, count) in [
        (request, &["queue_wait", "job"][..], 2),
        (job, &["attempt"], 1),
        (attempt, &["box_wait", "box", "judge", "finish"], 4),
        (in_box, &["compile", "run"], 4),
    ] {
        let parents = ids(children);
        assert_eq!(parents, vec![hex(&parent.span_id); count], "{}", trace.text());
    }
    assert_eq!(trace.spans.len(), 1 + 2 + 1 + 4 + 4, "{}", trace.text());
    for span in &trace.spans {
        assert!(span.start_time_unix_nano <= span.end_time_unix_nano);
    }
    assert_eq!(job.kind, 5, "a consumer's");
    let inner = ["attempt", "box", "judge", "finish"].map(|name| trace.one(name));
    for inner in inner {
        for outer in [job, attempt] {
            assert!(
                outer.start_time_unix_nano <= inner.start_time_unix_nano,
                "{}",
                trace.text()
            );
            assert!(
                inner.end_time_unix_nano <= outer.end_time_unix_nano,
                "{}",
                trace.text()
            );
        }
    }
    for step in ["compile", "run"].iter().flat_map(|name| trace.all(name)) {
        assert!(in_box.start_time_unix_nano <= step.start_time_unix_nano);
        assert!(step.end_time_unix_nano <= in_box.end_time_unix_nano);
    }

    let job = attributes(&job.attributes);
    assert_eq!(
        (job["job_id"].as_str(), job["language"].as_str()),
        (id.as_str(), "c")
    );
    assert_eq!(job["verdict"], "accepted");
    assert_eq!(attributes(&attempt.attributes)["attempt"], "1");
    let mut tests: Vec<_> = trace
        .all("run")
        .iter()
        .map(|run| attributes(&run.attributes))
        .collect();
    tests.sort_by(|a, b| a["test_id"].cmp(&b["test_id"]));
    for (run, (id, bytes)) in tests.iter().zip([("11", "13"), ("12", "2"), ("13", "2")]) {
        assert_eq!((run["test_id"].as_str(), run["end"].as_str()), (id, "exited"));
        assert_eq!(
            (run["exit_code"].as_str(), run["stdout_bytes"].as_str()),
            ("0", bytes)
        );
    }

    assert_eq!(collector.services(), BTreeSet::from(["optimus".to_owned()]));
    for secret in ["secret_name", "112233445566", "224466891132"] {
        assert!(!collector.was_told(secret), "{secret} is in a span");
    }
}

pub(crate) async fn a_job_without_a_client_s_trace_has_its_own_and_an_unsampled_one_none() {
    let collector = Collector::start().await;
    let machine = exporting(&collector);
    let served = machine.serve(&["--language", "python,c"]).await;
    served.until_available("c").await;
    let unsampled = served
        .client
        .submit_traced(&doubles(), &format!("00-{TRACE}-{CLIENT}-00"))
        .await;
    assert_verdict(&served.client.done(&unsampled).await, "accepted");
    let untraced = served.client.submit(&doubles()).await;
    assert_verdict(&served.client.done(&untraced).await, "accepted");
    served.leave().await;

    assert!(
        collector.trace(TRACE).spans.is_empty(),
        "{}",
        collector.trace(TRACE).text()
    );
    let [trace] = &collector.traces_with("job")[..] else {
        panic!("not one job is traced");
    };
    let trace = collector.trace(trace);
    let request = trace.one("POST /jobs");
    assert!(request.parent_span_id.is_empty(), "{}", trace.text());
    assert_eq!(trace.one("job").parent_span_id, request.span_id);
    assert_eq!(attributes(&trace.one("job").attributes)["job_id"], untraced);
    assert_eq!(trace.all("run").len(), 3);
}

/// Whoever waited for it would wait for an hour.
pub(crate) async fn a_collector_that_hangs_or_is_away_holds_nobody_up() {
    let hanging = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let away = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    for address in [hanging.local_addr().unwrap(), away] {
        let machine = Machine::new()
            .with("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://{address}"))
            .with("OTEL_EXPORTER_OTLP_TIMEOUT", &3_600_000)
            .with("OTEL_BSP_SCHEDULE_DELAY", &10)
            .with("OTEL_BSP_MAX_QUEUE_SIZE", &4)
            .with("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", &4);
        let served = machine.serve(&["--language", "python,c"]).await;
        served.until_available("c").await;
        for _ in 0..10 {
            let id = served.client.submit(&doubles()).await;
            assert_verdict(&served.client.done(&id).await, "accepted");
        }
        if address == away {
            let log = served.log();
            assert!(log.contains("spans cannot be exported"), "{log}");
        }
        served.leave().await;
        machine.leftovers().assert_none().await;
    }
}

pub(crate) async fn what_the_environment_asks_for_in_vain_is_told() {
    for (name, value, told) in [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "http/protobuf alone"),
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "https://127.0.0.1:1",
            "spoken to by http",
        ),
        ("OTEL_TRACES_EXPORTER", "zipkin", "is otlp"),
    ] {
        let machine = Machine::new()
            .with("OTEL_EXPORTER_OTLP_ENDPOINT", &"http://127.0.0.1:1")
            .with(name, &value);
        let served = machine.serve(&["--language", "python"]).await;
        let log = served.log();
        assert!(
            log.contains("no spans are exported") && log.contains(told),
            "{log}"
        );
        served.leave().await;
    }
}
