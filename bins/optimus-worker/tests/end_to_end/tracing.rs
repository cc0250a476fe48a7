//! Spans of a job that goes from one process to another.

use optimus_testkit::{
    boxes::Kind,
    client::{assert_verdict, submission},
    collector::{Collector, hex},
};

use crate::system::{Options, System};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CLIENT: &str = "00f067aa0ba902b7";

/// The API's spans and the worker's are one trace, and the client's: what tells so has gone through Redis with the job.
pub(crate) async fn a_job_is_one_trace_through_redis(boxes: Kind) {
    let collector = Collector::start().await;
    let options = Options::hasty(boxes)
        .set("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.endpoint)
        .set("OTEL_BSP_SCHEDULE_DELAY", "50");
    let system = System::start(options).await;
    let echoes = submission("python", "print(input())", &[("1", "1"), ("2", "2")]);
    let traced = system
        .client
        .submit_traced(&echoes, &format!("00-{TRACE}-{CLIENT}-01"))
        .await;
    assert_verdict(&system.client.done(&traced).await, "accepted", "traced");
    // The last spans are sent by those who leave.
    system.stop().await;

    let trace = collector.trace(TRACE);
    let [request, job, attempt, in_box] = ["POST /jobs", "job", "attempt", "box"].map(|name| trace.one(name));
    assert_eq!(hex(&request.parent_span_id), CLIENT, "{}", trace.text());
    for (parent, name, count) in [
        (request, "queue_wait", 1),
        (request, "job", 1),
        (job, "attempt", 1),
        (attempt, "box", 1),
        (attempt, "finish", 1),
        (in_box, "run", 2),
    ] {
        let children = trace.all(name);
        assert_eq!(children.len(), count, "{name}: {}", trace.text());
        for child in children {
            assert_eq!(child.parent_span_id, parent.span_id, "{name}: {}", trace.text());
        }
    }
    assert_eq!(collector.service_of(request), "optimus-api");
    for span in trace.spans.iter().filter(|span| *span != request) {
        assert_eq!(collector.service_of(span), "optimus-worker", "{}", span.name);
    }
}
