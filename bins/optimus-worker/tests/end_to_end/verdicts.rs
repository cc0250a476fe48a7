//! Every verdict, in every language.

use futures_util::future::join_all;
use optimus_testkit::client::{assert_verdict, submission, with};

use crate::{
    evidence::assert_explained,
    programs,
    system::{System, languages},
};

pub(crate) async fn every_language_says_of_itself_what_it_is(system: &System) {
    for language in languages().languages {
        let shown = system.language(language.name.as_str()).await;
        assert_eq!(shown["available"], true, "{shown}");
        assert!(shown["reason"].is_null(), "{shown}");
        assert_eq!(
            shown["file_extension"],
            language.execution.file_extension.as_str()
        );
    }
}

pub(crate) async fn every_verdict_in_every_language(system: &System) {
    let jobs = languages().languages.into_iter().flat_map(|language| {
        let name = language.name.to_string();
        programs::of(&name).map(|(verdict, source)| {
            let submission = with(
                submission(&name, source, &[programs::TEST]),
                programs::limits(verdict),
            );
            let what = format!("{name} {verdict}");
            let language = language.clone();
            async move {
                let record = system.client.grade(&submission).await;
                assert_verdict(&record, verdict, &what);
                assert_explained(&record, &language);
            }
        })
    });
    join_all(jobs).await;
}

pub(crate) async fn an_exit_code_of_137_is_no_proof_of_memory(system: &System) {
    let source = "import sys; sys.exit(137)";
    let record = system
        .client
        .grade(&submission("python", source, &[("", "")]))
        .await;
    assert_verdict(&record, "runtime_error", "exit code 137");
    assert_eq!(record["result"]["test_results"][0]["exit_code"], 137);
}

pub(crate) async fn sleeping_is_not_computing(system: &System) {
    let source = "import time; time.sleep(1.5); print('awake')";
    let slow = with(
        submission("python", source, &[("", "awake")]),
        serde_json::json!({"timeout_ms": 1000}),
    );
    let record = system.client.grade(&slow).await;
    assert_verdict(&record, "accepted", "asleep within the wall limit");
    let test = &record["result"]["test_results"][0];
    assert!(test["execution_time_ms"].as_u64() >= Some(1500), "{test}");
    assert!(test["cpu_time_ms"].as_u64() < Some(1000), "{test}");

    let record = system
        .client
        .grade(&with(slow, serde_json::json!({"wall_timeout_ms": 500})))
        .await;
    assert_verdict(&record, "time_limit_exceeded", "asleep beyond the wall limit");
    let message = record["result"]["test_results"][0]["message"].as_str().unwrap();
    assert!(message.contains("wall"), "{message}");
}
