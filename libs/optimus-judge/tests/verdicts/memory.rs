//! What proves that a run used too much memory.

use std::path::Path;

use optimus_common::{
    facts::{LimitKind, RunEnd, RunFacts},
    language::{Languages, OutOfMemory},
    result::Verdict,
};
use optimus_judge::compare::Check;

use crate::{ALLOWANCE, LIMITS, OK, SIGABRT, SIGKILL, SIGSEGV, facts, judged, judged_with, killed};

#[test]
fn too_much_memory_by_any_evidence_of_the_kernel() {
    for facts in [
        killed(LimitKind::Memory),
        RunFacts {
            oom_kills: 1,
            ..facts(RunEnd::Signalled { signal: SIGKILL })
        },
        RunFacts {
            oom_kills: 1,
            ..facts(RunEnd::Exited { code: 137 })
        },
        RunFacts {
            peak_memory_bytes: LIMITS.memory_bytes + 1,
            ..facts(OK)
        },
    ] {
        let expected = "used more than 64 MiB of memory".to_owned();
        assert_eq!(
            judged(&facts),
            (Verdict::MemoryLimitExceeded, expected),
            "{facts:?}"
        );
    }
}

#[test]
fn no_memory_verdict_without_evidence() {
    assert_eq!(
        judged(&facts(RunEnd::Exited { code: 137 })).0,
        Verdict::RuntimeError
    );
    assert_eq!(
        judged(&facts(RunEnd::Signalled { signal: SIGKILL })).0,
        Verdict::RuntimeError
    );
    let at_the_limit = RunFacts {
        peak_memory_bytes: LIMITS.memory_bytes,
        ..facts(OK)
    };
    assert_eq!(judged(&at_the_limit).0, Verdict::Accepted);
    let survived = RunFacts {
        oom_kills: 1,
        ..facts(OK)
    };
    assert_eq!(
        judged(&survived).0,
        Verdict::Accepted,
        "a child was struck and the program got over it"
    );
}

/// What the shipped languages' runtimes write when they are out of memory, and how they end then.
const OUT_OF_MEMORY: [(&str, RunEnd, &str); 9] = [
    (
        "python",
        RunEnd::Exited { code: 1 },
        "Traceback (most recent call last):\n  File \"/box/main.py\", line 1, in <module>\n    a=[0]*10**13\n      ~~~^~~~~~~\nMemoryError\n",
    ),
    (
        "java",
        RunEnd::Exited { code: 3 },
        "Terminating due to java.lang.OutOfMemoryError: Java heap space\n",
    ),
    (
        "java",
        RunEnd::Exited { code: 1 },
        "Exception in thread \"main\" java.lang.OutOfMemoryError: Cannot reserve 1048576 bytes of direct buffer memory (allocated: 15728640, limit: 16252928)\n\tat java.base/java.nio.Bits.reserveMemory(Bits.java:178)\n\tat Main.main(Main.java:1)\n",
    ),
    (
        "rust",
        RunEnd::Signalled { signal: SIGABRT },
        "memory allocation of 20000000000000 bytes failed\n",
    ),
    (
        "cpp",
        RunEnd::Signalled { signal: SIGABRT },
        "terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc\n",
    ),
    (
        "go",
        RunEnd::Exited { code: 2 },
        "runtime: out of memory: cannot allocate 8796093022208-byte block (3899392 in use)\nfatal error: out of memory\n\ngoroutine 1 [running]:\nmain.main()\n\t/box/main.go:3 +0x1d\n\ngoroutine 2 [force gc (idle)]:\ncreated by runtime.init.7 in goroutine 1\n",
    ),
    (
        "javascript",
        RunEnd::Signalled { signal: SIGABRT },
        "\n<--- Last few GCs --->\n\n[3:0x1] 90 ms: Mark-Compact 15.9 (19.0) -> 15.9 (19.0) MB\n\n<--- JS stacktrace --->\n\nFATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory\n----- Native stack trace -----\n\n 1: 0xb8ced1 node::OOMErrorHandler(char const*, v8::OOMDetails const&) [node]\n10: 0x195e476  [node]\n",
    ),
    (
        "javascript",
        RunEnd::Exited { code: 1 },
        "/box/main.js:1\nw.on('error', e => { throw e })\n                     ^\n\nError [ERR_WORKER_OUT_OF_MEMORY]: Worker terminated due to reaching memory limit: JS heap out of memory\n    at [kOnExit] (node:internal/worker:320:26)\n    at Worker.<computed>.onexit (node:internal/worker:230:20) {\n  code: 'ERR_WORKER_OUT_OF_MEMORY'\n}\n\nNode.js v20.20.2\n",
    ),
    (
        "javascript",
        RunEnd::Exited { code: 1 },
        "/box/main.js:1\nlet a=new ArrayBuffer(1e13)\n      ^\n\nRangeError: Array buffer allocation failed\n    at new ArrayBuffer (<anonymous>)\n\nNode.js v20.20.2\n",
    ),
];

fn shipped_rules(language: &str) -> Vec<OutOfMemory> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/languages.json");
    let languages = Languages::load(&path).expect("it is shipped");
    let language = languages
        .languages
        .iter()
        .find(|other| other.name.as_str() == language)
        .expect("it is shipped");
    language.execution.out_of_memory.clone()
}

/// A run that has used what a runtime without memory has used at least, and one that has used a little less.
fn used(end: &RunEnd, rules: &[OutOfMemory]) -> [RunFacts; 2] {
    let runtime_mb = rules.iter().map(|rule| rule.runtime_mb).max().unwrap_or_default();
    let least = (runtime_mb << 20) + (LIMITS.memory_bytes - ALLOWANCE) / 3;
    [least, least - 1].map(|peak_memory_bytes| RunFacts {
        peak_memory_bytes,
        ..facts(end.clone())
    })
}

#[test]
fn a_runtime_without_memory_is_believed_where_memory_was_used() {
    for (language, end, stderr) in OUT_OF_MEMORY {
        let rules = shipped_rules(language);
        let [enough, less] = used(&end, &rules);
        let judged = |facts| judged_with(facts, &rules, stderr, Check::Accepted);
        let believed = judged(&enough);
        assert_eq!(believed.verdict, Verdict::MemoryLimitExceeded, "{stderr}");
        let message = believed.message.unwrap();
        assert_eq!(
            message, "its runtime found no more memory within 64 MiB",
            "{stderr}"
        );
        // A program of three megabytes may write anything.
        let told = judged(&less);
        assert_eq!(told.verdict, Verdict::RuntimeError, "{stderr}");
        let message = told.message.unwrap();
        assert!(
            message.contains("; it says that it found no more memory, and used "),
            "{message}"
        );
    }
}

#[test]
fn words_elsewhere_another_end_or_success_are_no_memory_verdict() {
    for (language, end, stderr) in OUT_OF_MEMORY {
        let rules = shipped_rules(language);
        let [enough, _] = used(&end, &rules);
        let verdict = |end: &RunEnd, stderr: &str| {
            let facts = RunFacts {
                end: end.clone(),
                ..enough.clone()
            };
            judged_with(&facts, &rules, stderr, Check::Accepted).verdict
        };
        assert_eq!(verdict(&OK, stderr), Verdict::Accepted, "{stderr}");
        for other in [RunEnd::Exited { code: 42 }, RunEnd::Signalled { signal: SIGSEGV }] {
            assert_eq!(verdict(&other, stderr), Verdict::RuntimeError, "{stderr}");
        }
        let indented = stderr.replace('\n', "\n  ");
        let quoted = format!("  {indented}\n{}", "not so\n".repeat(3));
        assert_eq!(verdict(&end, &quoted), Verdict::RuntimeError, "{quoted}");
    }
    for (language, end, stderr) in [
        (
            "python",
            RunEnd::Exited { code: 1 },
            "__main__.PoolMemoryError: segment 3\n",
        ),
        (
            "python",
            RunEnd::Exited { code: 1 },
            "    raise ValueError()  # stands for a MemoryError\nValueError: pool is empty\n",
        ),
        (
            "python",
            RunEnd::Exited { code: 1 },
            "MemoryError\nValueError: later\n",
        ),
        (
            "cpp",
            RunEnd::Signalled { signal: SIGABRT },
            "terminate called after throwing an instance of 'std::runtime_error'\n  what():  expected std::bad_alloc from the allocator\n",
        ),
        (
            "java",
            RunEnd::Exited { code: 3 },
            "Terminating due to java.lang.OutOfMemoryError: unable to create native thread\n",
        ),
        (
            "go",
            RunEnd::Exited { code: 2 },
            "panic: the queue is out of memory\n",
        ),
    ] {
        let rules = shipped_rules(language);
        let [enough, _] = used(&end, &rules);
        let verdict = judged_with(&enough, &rules, stderr, Check::Accepted).verdict;
        assert_eq!(verdict, Verdict::RuntimeError, "{stderr}");
    }
}
