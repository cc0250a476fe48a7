//! What `serve` does from its start to its end.

use optimus_testkit::{
    client::{StatusCode, is_terminal},
    until,
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::{
    client::{assert_verdict, submission},
    process::Machine,
};

/// Prints a word after a while of doing nothing.
const SLEEPER: &str = "import time\ntime.sleep(1.5)\nprint('awake')\n";

pub(crate) async fn a_lone_binary_grades() {
    let machine = Machine::new();
    let mut served = machine.serve(&[]).await;
    until("C can be had", async || served.client.is_available("c").await).await;
    let c = "#include <stdio.h>\nint main(void) { puts(\"hello\"); }\n";
    let broken = "int main(void) { return }\n";
    for (language, source, verdict) in [
        ("python", "print('hello')", "accepted"),
        ("python", "print('bye')", "wrong_answer"),
        ("python", "raise SystemExit(3)", "runtime_error"),
        ("c", c, "accepted"),
        ("c", broken, "compilation_error"),
    ] {
        let id = served
            .client
            .submit(&submission(language, source, "hello\n"))
            .await;
        let record = served.client.done(&id).await;
        assert_verdict(&record, verdict);
        assert_eq!(record["attempts"], 1);
    }
    served.assert_running();
    let log = served.log();
    for part in ["native: ", "jobs.sqlite", "http://127.0.0.1:", "SIGTERM"] {
        assert!(log.contains(part), "{part:?} is not in\n{log}");
    }
    served.leave().await;
    machine.leftovers().assert_none().await;
}

/// Repeats its input, and fails at a word.
const REPEATER: &str = "import sys\nword = input()\nprint(word)\nsys.exit(word == 'bad')\n";

pub(crate) async fn a_job_is_followed_while_it_runs() {
    let machine = Machine::new();
    let served = machine.serve(&[]).await;
    let mut job = submission("python", REPEATER, "");
    job["test_cases"] = json!([
        {"id": 1, "input": "good\n", "expected_output": "good\n"},
        {"id": 7, "input": "bad\n", "expected_output": "bad\n", "hidden": true},
        {"id": 3, "input": "good\n", "expected_output": "other\n", "hidden": true},
    ]);
    let id = served.client.submit(&job).await;
    let stream = served.client.get(&format!("/jobs/{id}/events")).await;
    assert_eq!(stream.status, StatusCode::OK);
    let mut told = Vec::new();
    for event in stream.body.as_str().unwrap().split_terminator("\n\n") {
        let field = |name| event.lines().find_map(|line| line.strip_prefix(name));
        if let Some(name) = field("event: ") {
            let data: Value = serde_json::from_str(field("data: ").unwrap()).unwrap();
            told.push((name.to_owned(), data));
        }
    }
    let record = served.client.record(&id).await;
    assert!(is_terminal(&record), "it can be read at the end of its events");
    let result = &record["result"];
    let names: Vec<_> = told.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        ["queued", "started", "compile", "run", "run", "run", "end"]
    );
    // What is told is what the result says, and no more than these fields of it.
    let is_of = |data: &Value, shown: &Value| {
        let fields = data.as_object().unwrap().iter();
        fields
            .filter(|(field, _)| *field != "attempt")
            .all(|(field, value)| shown.get(field) == Some(value))
    };
    assert!(is_of(&told[2].1, &result["compile"]), "{told:#?} {record:#}");
    for (_, data) in &told[3..6] {
        let mut shown = result["test_results"].as_array().unwrap().iter();
        assert!(shown.any(|shown| is_of(data, shown)), "{data:#} {record:#}");
    }
    let end = &told[6].1;
    assert_eq!(
        (&end["job_id"], &end["status"]),
        (&record["job_id"], &record["status"])
    );
    for field in ["verdict", "score", "passed_tests", "total_tests"] {
        assert_eq!(end[field], result[field], "{field}");
    }
    served.leave().await;
    machine.leftovers().assert_none().await;
}

pub(crate) async fn languages_that_cannot_be_had_are_listed_with_the_reason() {
    let machine = Machine::new();
    let mut languages: Value =
        serde_json::from_str(include_str!("../../../../config/languages.json")).unwrap();
    let list = languages["languages"].as_array_mut().unwrap();
    list.retain(|language| language["name"] == "python");
    let mut imaginary = list[0].clone();
    imaginary["name"] = "imaginary".into();
    imaginary["queue_name"] = "optimus:queue:imaginary".into();
    imaginary["execution"]["command"] = "no-such-interpreter".into();
    imaginary["build"]["version_command"] = "no-such-interpreter --version".into();
    list.push(imaginary);
    std::fs::create_dir(machine.path().join("config")).unwrap();
    std::fs::write(
        machine.path().join("config/languages.json"),
        languages.to_string(),
    )
    .unwrap();

    let served = machine.serve(&[]).await;
    let python = served.client.language("python").await.unwrap();
    assert!(
        python["toolchain"].as_str().unwrap().contains("Python"),
        "{python:#}"
    );
    assert_eq!(python["reason"], Value::Null);
    until("the reason is told", async || {
        let imaginary = served.client.language("imaginary").await.unwrap();
        assert_eq!(imaginary["available"], false, "{imaginary:#}");
        imaginary["reason"]
            .as_str()
            .unwrap()
            .contains("no-such-interpreter")
    })
    .await;
    served.leave().await;
    machine.leftovers().assert_none().await;
}

pub(crate) async fn a_second_owner_is_refused() {
    let machine = Machine::new();
    let served = machine.serve(&[]).await;
    let second = machine.serve_in_vain(&["--port", "0"]).await;
    let complaint = String::from_utf8_lossy(&second.stderr).into_owned();
    assert_eq!(second.status.code(), Some(3), "{complaint}");
    for part in ["jobs.sqlite", "in use", &served.pid().to_string()] {
        assert!(complaint.contains(part), "{part:?} is not in {complaint}");
    }
    let id = served
        .client
        .submit(&submission("python", "print('hello')", "hello\n"))
        .await;
    assert_verdict(&served.client.done(&id).await, "accepted");
    served.leave().await;
    machine.leftovers().assert_none().await;
}

pub(crate) async fn an_address_for_everybody_has_to_be_said_twice() {
    let machine = Machine::new();
    let refused = machine.serve_in_vain(&["--host", "0.0.0.0"]).await;
    assert_eq!(refused.status.code(), Some(2));
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    for word in ["0.0.0.0", "--insecure", "api.tokens"] {
        assert!(told.contains(word), "{word}: {told}");
    }
    let served = machine.serve(&["--host", "0.0.0.0", "--insecure"]).await;
    let files = std::fs::read_to_string(format!("/proc/{}/limits", served.pid())).unwrap();
    let open = files
        .lines()
        .find(|line| line.starts_with("Max open files"))
        .unwrap();
    let numbers: Vec<_> = open.split_whitespace().skip(3).take(2).collect();
    assert_eq!(numbers[0], numbers[1], "raised as far as it may be: {open}");
    served.leave().await;
}

pub(crate) async fn a_taken_port_is_told_before_anything_is_started() {
    let machine = Machine::new();
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let ended = machine.serve_in_vain(&["--port", &port]).await;
    let complaint = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(3), "{complaint}");
    assert!(complaint.contains(&format!("127.0.0.1:{port}")), "{complaint}");
    assert!(!machine.path().join("data").exists());
}

pub(crate) async fn an_idle_process_is_small() {
    let machine = Machine::new();
    let served = machine.serve(&[]).await;
    until("C can be had", async || served.client.is_available("c").await).await;
    let resident = served.own_memory();
    assert!(resident < 128 << 20, "{resident} bytes");
    served.leave().await;
    machine.leftovers().assert_none().await;
}

pub(crate) async fn running_jobs_are_finished_and_waiting_ones_resumed() {
    let machine = Machine::new();
    let mut served = machine.serve(&["--concurrency", "1"]).await;
    let sleeper = submission("python", SLEEPER, "awake\n");
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(served.client.submit(&sleeper).await);
    }
    until("the first one runs", async || {
        served.client.record(&ids[0]).await["status"] == "running"
    })
    .await;
    served.terminate();
    let status = served.ended().await;
    assert!(status.success(), "{status}: {}", served.log());
    machine.leftovers().assert_none().await;

    let served = machine.serve(&["--concurrency", "1"]).await;
    let first = served.client.record(&ids[0]).await;
    assert_verdict(&first, "accepted");
    for id in &ids {
        let record = served.client.done(id).await;
        assert_verdict(&record, "accepted");
        assert_eq!(record["attempts"], 1, "leaving in good order costs no attempt");
    }
    assert_eq!(served.client.finished().await, 3);
    served.leave().await;
    machine.leftovers().assert_none().await;
}

/// What is being prepared for a language at that moment lies in the data directory.
pub(crate) async fn nothing_is_left_also_where_the_data_directory_vanishes() {
    let machine = Machine::new();
    let mut served = machine.serve(&[]).await;
    served.terminate();
    let status = served.ended().await;
    assert!(status.success(), "{status}: {}", served.log());
    std::fs::remove_dir_all(machine.path().join("data")).unwrap();
    machine.leftovers().assert_none().await;
}
