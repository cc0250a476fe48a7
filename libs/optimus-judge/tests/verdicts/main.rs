//! The table of verdicts, a test for each row and for each pair of rows that meet.

mod memory;

use std::time::Duration;

use optimus_common::{
    facts::{LimitKind, MeasuredBy, RunEnd, RunFacts},
    language::OutOfMemory,
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
        cpu_time_from: MeasuredBy::Cgroup,
        wall_time: Duration::from_millis(12),
        waited_for_cpu: None,
        waited_for_io: None,
        held: Duration::ZERO,
        peak_memory_bytes: 1 << 20,
        peak_memory_from: MeasuredBy::Cgroup,
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
