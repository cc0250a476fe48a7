//! The table of verdicts, a test for each row and for each pair of rows that meet.

use std::{path::Path, time::Duration};

use optimus_common::{
    facts::{LimitKind, RunEnd, RunFacts, Witness},
    language::{Languages, OutOfMemory},
    limits::Limits,
    result::{CompileVerdict, Verdict},
};
use optimus_judge::{
    capture::Capture,
    compare::Check,
    signals,
    verdict::{Evidence, Judgement, Program, Runtime, judge, judge_compile},
};

const LIMITS: Limits = Limits {
    cpu_time: Duration::from_secs(1),
    wall_time: Duration::from_secs(3),
    memory_bytes: 64 << 20,
    output_bytes: 100,
    processes: 8,
    open_files: 64,
    file_size_bytes: 1 << 20,
};

/// Of the memory limit, so that the submission asked for 48 MiB.
const ALLOWANCE: u64 = 16 << 20;

const OK: RunEnd = RunEnd::Exited { code: 0 };
const SIGKILL: i32 = 9;
const SIGSEGV: i32 = 11;
const SIGABRT: i32 = 6;

fn facts(end: RunEnd) -> RunFacts {
    RunFacts {
        end,
        cpu_time: Duration::from_millis(10),
        cpu_time_from: Witness::Cgroup,
        wall_time: Duration::from_millis(12),
        waited_for_cpu: None,
        waited_for_io: None,
        held: Duration::ZERO,
        peak_memory_bytes: 1 << 20,
        peak_memory_from: Witness::Cgroup,
        oom_kills: 0,
        process_limit_hits: 0,
        stdout_bytes: 3,
        stderr_bytes: 0,
    }
}

fn killed(limit: LimitKind) -> RunFacts {
    facts(RunEnd::Killed { limit })
}

fn refused() -> Check {
    Check::Refused {
        message: "line 1 differs".to_owned(),
    }
}

fn judged_with(facts: &RunFacts, out_of_memory: &[OutOfMemory], stderr: &str, check: Check) -> Judgement {
    let mut capture = Capture::new(1 << 10);
    capture.feed(stderr.as_bytes());
    judge(
        Evidence {
            facts,
            limits: &LIMITS,
            runtime: Runtime {
                out_of_memory,
                allowance_bytes: ALLOWANCE,
            },
            stderr: &capture,
        },
        || check,
    )
}

/// The verdict where the checker would accept, and its message.
fn judged(facts: &RunFacts) -> (Verdict, String) {
    let Judgement { verdict, message } = judged_with(facts, &[], "", Check::Accepted);
    (verdict, message.unwrap_or_default())
}

#[test]
fn a_run_without_fault_is_what_its_checker_says() {
    let accepted = judged_with(&facts(OK), &[], "", Check::Accepted);
    assert_eq!(
        accepted,
        Judgement {
            verdict: Verdict::Accepted,
            message: None
        }
    );
    let wrong = judged_with(&facts(OK), &[], "", refused());
    let message = Some("line 1 differs".to_owned());
    assert_eq!(
        wrong,
        Judgement {
            verdict: Verdict::WrongAnswer,
            message
        }
    );
}

#[test]
fn the_checker_is_not_asked_about_a_run_that_failed() {
    let facts = facts(RunEnd::Exited { code: 1 });
    let stderr = Capture::new(0);
    let evidence = Evidence {
        facts: &facts,
        limits: &LIMITS,
        runtime: Runtime::default(),
        stderr: &stderr,
    };
    let judgement = judge(evidence, || unreachable!("the run failed"));
    assert_eq!(judgement.verdict, Verdict::RuntimeError);
}

#[test]
fn too_much_output_on_either_stream() {
    let told = "wrote more than 100 bytes to";
    for (facts, stream) in [
        (killed(LimitKind::Output), "its output"),
        (
            RunFacts {
                stdout_bytes: 101,
                ..killed(LimitKind::Output)
            },
            "standard output",
        ),
        (
            RunFacts {
                stderr_bytes: 101,
                ..killed(LimitKind::Output)
            },
            "standard error",
        ),
        (
            RunFacts {
                stdout_bytes: 101,
                ..facts(OK)
            },
            "standard output",
        ),
    ] {
        assert_eq!(
            judged(&facts),
            (Verdict::OutputLimitExceeded, format!("{told} {stream}"))
        );
    }
    assert_eq!(
        judged(&RunFacts {
            stdout_bytes: 100,
            ..facts(OK)
        })
        .0,
        Verdict::Accepted
    );
}

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

#[test]
fn too_much_time_by_either_clock() {
    let cpu = "used more than 1000 ms of CPU time".to_owned();
    let wall = "ran longer than 3000 ms of wall time".to_owned();
    let over = LIMITS.cpu_time + Duration::from_micros(1);
    let xcpu = facts(RunEnd::Signalled {
        signal: signals::SIGXCPU,
    });
    for (facts, message) in [
        (killed(LimitKind::CpuTime), &cpu),
        (
            RunFacts {
                cpu_time: over,
                ..facts(OK)
            },
            &cpu,
        ),
        (
            RunFacts {
                cpu_time: LIMITS.cpu_time,
                ..xcpu.clone()
            },
            &cpu,
        ),
        (killed(LimitKind::WallTime), &wall),
        (
            RunFacts {
                cpu_time: over,
                ..killed(LimitKind::WallTime)
            },
            &cpu,
        ),
    ] {
        assert_eq!(
            judged(&facts),
            (Verdict::TimeLimitExceeded, message.clone()),
            "{facts:?}"
        );
    }
    assert_eq!(
        judged(&RunFacts {
            cpu_time: LIMITS.cpu_time,
            ..facts(OK)
        })
        .0,
        Verdict::Accepted
    );
    assert_eq!(
        judged(&xcpu),
        (Verdict::RuntimeError, "died by SIGXCPU".to_owned()),
        "sent by itself"
    );
}

#[test]
fn a_death_of_its_own_is_a_runtime_error() {
    let told = |end| judged(&facts(end));
    let error = |message: &str| (Verdict::RuntimeError, message.to_owned());
    assert_eq!(told(RunEnd::Exited { code: 42 }), error("exited with code 42"));
    assert_eq!(
        told(RunEnd::Signalled { signal: SIGSEGV }),
        error("died by SIGSEGV")
    );
    assert_eq!(
        told(RunEnd::Signalled {
            signal: signals::SIGXFSZ
        }),
        error("died by SIGXFSZ: no file may have more than 1 MiB (disk_mb)")
    );
    let not_started = RunEnd::NotStarted {
        error: "no such file".to_owned(),
    };
    assert_eq!(told(not_started), error("could not be started: no such file"));
    let bomb = RunFacts {
        process_limit_hits: 5,
        ..facts(RunEnd::Exited { code: 1 })
    };
    assert_eq!(
        judged(&bomb),
        error("exited with code 1; it had run into the limit of 8 processes")
    );
    assert_eq!(judged(&RunFacts { end: OK, ..bomb }).0, Verdict::Accepted);
}

/// Every later row's condition together with an earlier one gives the earlier one's verdict.
#[test]
fn the_first_row_that_matches_wins() {
    type Condition = fn(&mut RunFacts);
    let rows: [(Verdict, Condition); 4] = [
        (Verdict::OutputLimitExceeded, |facts| {
            facts.stdout_bytes = 101;
        }),
        (Verdict::MemoryLimitExceeded, |facts| {
            facts.oom_kills = 1;
            facts.end = RunEnd::Signalled { signal: SIGKILL };
        }),
        (Verdict::TimeLimitExceeded, |facts| {
            facts.cpu_time = LIMITS.cpu_time * 2;
        }),
        (Verdict::RuntimeError, |facts| {
            facts.end = RunEnd::Signalled { signal: SIGSEGV };
        }),
    ];
    for (i, (verdict, earlier)) in rows.iter().enumerate() {
        for (_, later) in &rows[i + 1..] {
            let mut facts = facts(OK);
            earlier(&mut facts);
            later(&mut facts);
            assert_eq!(judged_with(&facts, &[], "", refused()).verdict, *verdict);
        }
        let mut facts = facts(OK);
        earlier(&mut facts);
        assert_eq!(
            judged_with(&facts, &[], "", refused()).verdict,
            *verdict,
            "before the checker"
        );
    }
}

/// Each kind of kill, with the condition of every row above it.
#[test]
fn what_a_run_was_killed_for_gives_way_to_earlier_rows() {
    let over_output = |facts: RunFacts| RunFacts {
        stdout_bytes: 101,
        ..facts
    };
    let over_memory = |facts: RunFacts| RunFacts {
        oom_kills: 1,
        ..facts
    };
    for limit in [LimitKind::CpuTime, LimitKind::WallTime] {
        assert_eq!(
            judged(&over_memory(killed(limit))).0,
            Verdict::MemoryLimitExceeded
        );
    }
    for limit in [LimitKind::CpuTime, LimitKind::WallTime, LimitKind::Memory] {
        assert_eq!(
            judged(&over_output(killed(limit))).0,
            Verdict::OutputLimitExceeded
        );
    }
    assert_eq!(
        judged(&over_memory(killed(LimitKind::Output))).0,
        Verdict::OutputLimitExceeded
    );
}

#[test]
fn a_compile_step_fails_by_its_exit_or_by_its_limits() {
    let stderr = Capture::new(0);
    let judged = |facts: &RunFacts, program| {
        let evidence = Evidence {
            facts,
            limits: &LIMITS,
            runtime: Runtime::default(),
            stderr: &stderr,
        };
        judge_compile(evidence, program)
    };
    let compiled = |facts: &RunFacts| judged(facts, Program::Made);
    let error = |message: &str| (CompileVerdict::CompilationError, Some(message.to_owned()));
    assert_eq!(compiled(&facts(OK)), (CompileVerdict::Ok, None));
    assert_eq!(
        compiled(&facts(RunEnd::Exited { code: 1 })),
        error("exited with code 1")
    );
    assert_eq!(
        compiled(&killed(LimitKind::CpuTime)),
        error("used more than 1000 ms of CPU time")
    );
    assert_eq!(
        compiled(&killed(LimitKind::WallTime)),
        error("ran longer than 3000 ms of wall time")
    );
    assert_eq!(
        compiled(&killed(LimitKind::Memory)),
        error("used more than 64 MiB of memory (compile_memory_mb)")
    );
    assert_eq!(
        compiled(&facts(RunEnd::Signalled {
            signal: signals::SIGXFSZ
        })),
        error("died by SIGXFSZ: no file may have more than 1 MiB (compile_memory_mb)")
    );
    assert_eq!(
        judged(&facts(OK), Program::Missing),
        error("made no program that can be run; is there a main function?")
    );
    // What the compiler itself says comes first.
    assert_eq!(
        judged(&facts(RunEnd::Exited { code: 1 }), Program::Missing),
        error("exited with code 1")
    );
    assert_eq!(
        compiled(&killed(LimitKind::Output)),
        error("wrote more than 100 bytes to its output")
    );
    // Of a part of the compiler, only what the compiler says of it is known.
    for said in [
        "gcc: internal compiler error: File size limit exceeded signal terminated program as\nPlease submit\n",
        "error: could not write output: File too large (os error 27)\n",
        "/usr/bin/ld: final link failed: No space left on device\n",
    ] {
        let mut stderr = Capture::new(0);
        stderr.feed(said.as_bytes());
        let (verdict, message) = judge_compile(
            Evidence {
                facts: &facts(RunEnd::Exited { code: 4 }),
                limits: &LIMITS,
                runtime: Runtime::default(),
                stderr: &stderr,
            },
            Program::Missing,
        );
        assert_eq!(verdict, CompileVerdict::CompilationError);
        assert_eq!(
            message.as_deref(),
            Some("exited with code 4; it had no room for a file of more than 1 MiB (compile_memory_mb)")
        );
    }
    assert_eq!(
        compiled(&facts(RunEnd::Signalled { signal: SIGSEGV })),
        error("died by SIGSEGV")
    );
}

#[test]
fn whether_somebody_was_there_to_kill_it_in_time_decides_nothing() {
    let late = RunFacts {
        wall_time: LIMITS.wall_time + Duration::from_millis(1),
        ..facts(OK)
    };
    let (verdict, message) = judged(&late);
    assert_eq!(verdict, Verdict::TimeLimitExceeded);
    assert!(message.contains("wall time"), "{message}");
    let waited = RunFacts {
        waited_for_cpu: Some(Duration::from_millis(1)),
        ..late
    };
    assert_eq!(judged(&waited).0, Verdict::Accepted);
    let waited = RunFacts {
        waited_for_cpu: None,
        waited_for_io: Some(Duration::from_millis(1)),
        ..waited
    };
    assert_eq!(judged(&waited).0, Verdict::Accepted);
}
