//! What results rest on: each verdict follows from what stands beside it, for every language.

use std::fs;

use futures_util::future::join_all;
use optimus_common::language::Language;
use optimus_testkit::client::{submission, verdicts, with};
use serde_json::{Value, json};

use crate::{
    obedient,
    system::{System, languages},
};

/// Bytes a program may print.
const OUTPUT: usize = 10_000;

pub(crate) async fn every_way_to_end_in_every_language(system: &System) {
    let jobs = languages().languages.into_iter().map(async |language| {
        let name = language.name.as_str();
        let (signal, source) = obedient::of(name);
        let (fits, too_long) = (format!("print {OUTPUT}\n"), format!("print {}\n", OUTPUT + 1));
        let printed = "x".repeat(OUTPUT);
        let tests = [
            (fits.as_str(), printed.as_str()),
            (&too_long, ""),
            ("sleep\n", ""),
            ("burn\n", ""),
            ("exit 137\n", ""),
            ("kill\n", ""),
            ("crash\n", ""),
        ];
        // Far apart, so that a busy machine does not reach the second one first.
        let limits = json!({"timeout_ms": 2000, "wall_timeout_ms": 15_000, "output_limit_bytes": OUTPUT});
        let record = system
            .client
            .grade(&with(submission(name, source, &tests), limits))
            .await;
        let expected = [
            "accepted",
            "output_limit_exceeded",
            "time_limit_exceeded",
            "time_limit_exceeded",
            "runtime_error",
            "runtime_error",
            "runtime_error",
        ];
        let results = &record["result"]["test_results"];
        assert_eq!(verdicts(&record), expected, "{name}: {results:#.2000}");
        let says = |test: usize, what: &str| {
            let message = results[test]["message"].as_str().unwrap_or_default();
            assert!(message.contains(what), "{name}: {message:?} without {what:?}");
        };
        says(1, "standard output");
        says(2, "wall time");
        says(3, "CPU time");
        assert_eq!(results[4]["exit_code"], 137, "{name}");
        assert_eq!(results[5]["signal"], "SIGKILL", "{name}");
        assert_eq!(results[6]["signal"], signal, "{name}");
        says(6, signal);
        assert_explained(&record, &language);
    });
    join_all(jobs).await;
}

/// Reads all files that a box shows, if it is told to, and fails if those are few.
const READER: &str = r#"
#define _GNU_SOURCE
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
static long bytes;
static int take(const char *path, const struct stat *about, int kind) {
    static char part[1 << 16];
    if (kind != FTW_F || !S_ISREG(about->st_mode)) return 0;
    int file = open(path, O_RDONLY);
    for (ssize_t got; file >= 0 && (got = read(file, part, sizeof part)) > 0;) bytes += got;
    close(file);
    return 0;
}
int main(void) {
    if (getchar() == 'a') { ftw("/usr", take, 16); if (bytes < 100L << 20) return 1; }
    puts("ok");
}
"#;

/// On a machine that has just been started, so that the kernel has none of the files in memory.
pub(crate) async fn files_that_are_read_are_nobodys_memory(system: &System) {
    let tests = ["n", "a", "n", "n", "n"].map(|told| (told, "ok\n"));
    let limits = json!({"memory_limit_mb": 64, "timeout_ms": 8000, "wall_timeout_ms": 30_000});
    let job = with(submission("c", READER, &tests), limits);
    for _ in 0..3 {
        fs::write("/proc/sys/vm/drop_caches", "3").expect("root may");
        let record = system.client.grade(&job).await;
        assert_eq!(verdicts(&record), ["accepted"; 5], "{record:#}");
        for test in [0, 2, 3, 4] {
            let facts = &record["result"]["test_results"][test]["evidence"]["facts"];
            let told = facts["peak_memory_bytes"].as_u64().expect("a number");
            assert!(told <= 3 << 19, "{test}: {facts}");
        }
    }
}

/// Checks that each verdict of a graded job follows from its evidence.
pub(crate) fn assert_explained(record: &Value, language: &Language) {
    let result = &record["result"];
    let compile = &result["compile"];
    let compiled = compile["verdict"] == "ok";
    let evidence = &compile["evidence"];
    assert_eq!(
        evidence.is_null(),
        language.execution.compile.is_empty(),
        "{compile}"
    );
    if !evidence.is_null() {
        assert_eq!(exited_with(evidence, 0), compiled, "{evidence}");
    }
    for test in result["test_results"].as_array().into_iter().flatten() {
        let follows = follows(test, language);
        assert!(follows, "{}: {test:#.3000}", language.name);
    }
}

fn exited_with(evidence: &Value, code: i64) -> bool {
    evidence["facts"]["end"] == json!({"how": "exited", "code": code})
}

fn killed_for(evidence: &Value, limit: &str) -> bool {
    evidence["facts"]["end"] == json!({"how": "killed", "limit": limit})
}

fn follows(test: &Value, language: &Language) -> bool {
    let evidence = &test["evidence"];
    let (facts, limits) = (&evidence["facts"], &evidence["limits"]);
    let number = |value: &Value| {
        value
            .as_u64()
            .unwrap_or_else(|| panic!("{value} is no number in {test}"))
    };
    for witness in ["cpu_time_from", "peak_memory_from"] {
        let known = ["cgroup", "rusage", "proc", "files"].map(Value::from);
        assert!(known.contains(&facts[witness]), "{facts}");
    }
    let cpu = number(&facts["cpu_time_us"]) > number(&limits["cpu_time_ms"]) * 1000;
    let wall = number(&facts["wall_time_us"]) > number(&limits["wall_time_ms"]) * 1000;
    let memory = number(&facts["peak_memory_bytes"]) > number(&limits["memory_bytes"]);
    let printed = number(&facts["stdout_bytes"]).max(number(&facts["stderr_bytes"]));
    let output = printed > number(&limits["output_bytes"]);
    let struck = number(&facts["oom_kills"]) > 0;
    match test["verdict"].as_str() {
        Some("accepted" | "wrong_answer") => exited_with(evidence, 0) && !cpu && !memory && !output,
        Some("time_limit_exceeded") => cpu || wall && killed_for(evidence, "wall_time"),
        Some("output_limit_exceeded") => output && killed_for(evidence, "output"),
        Some("memory_limit_exceeded") => memory || struck || by_its_runtime(test, language),
        Some("runtime_error") => {
            !exited_with(evidence, 0)
                && !cpu
                && !memory
                && !output
                && (facts["end"]["how"] == "exited" || facts["end"]["how"] == "signalled")
        }
        _ => false,
    }
}

/// Whether it ended as the language's recipe says that its runtime does without memory, and had used some.
fn by_its_runtime(test: &Value, language: &Language) -> bool {
    let (facts, limits) = (&test["evidence"]["facts"], &test["evidence"]["limits"]);
    let (peak, limit) = (&facts["peak_memory_bytes"], &limits["memory_bytes"]);
    let asked_for = limit.as_u64().unwrap() - (language.execution.memory_allowance_mb << 20);
    language.execution.out_of_memory.iter().any(|rule| {
        let ended = rule.exit_code.map(Value::from) == Some(test["exit_code"].clone())
            || rule.signal.clone().map(Value::from) == Some(test["signal"].clone());
        ended && peak.as_u64().unwrap() >= (rule.runtime_mb << 20) + asked_for / 3
    })
}
