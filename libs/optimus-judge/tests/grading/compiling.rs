//! The compile step.

use optimus_common::{
    facts::{RunEnd, RunFacts},
    result::{CompileVerdict, OverallStatus, Verdict},
};
use optimus_judge::engine::{BoxId, Engine, EngineError, Event, ExecutionId};
use optimus_protocol::{COMPILE_OUTPUT_KEPT, Stream};

use crate::driver::{CompileDone, JobStep, OutputTag};
use crate::{Job, assert_score, facts, run};

#[test]
fn what_a_compile_step_chose_is_told() {
    let job = Job::new("");
    let told = |words: &[u8]| {
        let mut grading = job.grading();
        let compiler = OutputTag {
            step: JobStep::Compile,
            stream: Stream::Stdout,
        };
        grading.output(compiler, words).unwrap();
        let facts = RunFacts {
            stdout_bytes: words.len() as u64,
            ..facts(RunEnd::Exited { code: 0 })
        };
        let done = CompileDone {
            program_missing: false,
            too_many_entries: false,
            facts: Some(facts),
        };
        grading.compile_done(done).unwrap();
        for number in 0..3 {
            run(&mut grading, number, "1");
        }
        grading.finish().unwrap().entry_point
    };
    assert_eq!(told(b""), None, "a linker finds main");
    assert_eq!(
        told(b"warning: old\nentry point: zoo.Main\n").as_deref(),
        Some("zoo.Main")
    );
}

#[test]
fn a_failed_compile_step_ends_the_job_with_the_compilers_words() {
    let job = Job::new("");
    let mut grading = job.grading();
    let compiler = OutputTag {
        step: JobStep::Compile,
        stream: Stream::Stderr,
    };
    grading.output(compiler, b"main.cpp:1: error").unwrap();
    let facts = RunFacts {
        stderr_bytes: 17,
        ..facts(RunEnd::Exited { code: 1 })
    };
    let verdict = grading
        .compile_done(CompileDone {
            program_missing: false,
            too_many_entries: false,
            facts: Some(facts),
        })
        .unwrap();
    assert_eq!(verdict, CompileVerdict::CompilationError);
    let result = grading.finish().unwrap();
    assert_eq!(result.overall_status, OverallStatus::CompilationError);
    assert_eq!(result.verdict, Verdict::CompilationError);
    assert_eq!((result.total_tests, result.passed_tests), (3, 0));
    assert!(result.test_results.is_empty());
    assert_score(&result, 0.0);
    let compile = result.compile.unwrap();
    assert_eq!(compile.verdict, CompileVerdict::CompilationError);
    assert_eq!(compile.stderr, "main.cpp:1: error");
    assert_eq!((compile.execution_time_ms, compile.cpu_time_ms), (3, 1));
}

#[test]
fn a_compile_step_that_makes_no_program_is_a_compilation_error() {
    let job = Job::new("");
    assert_eq!(job.plan.made.program.as_deref(), Some("main"));
    let mut grading = job.grading();
    let done = CompileDone {
        facts: Some(facts(RunEnd::Exited { code: 0 })),
        program_missing: true,
        too_many_entries: false,
    };
    assert_eq!(grading.compile_done(done), Ok(CompileVerdict::CompilationError));
    let result = grading.finish().unwrap();
    assert_eq!(result.verdict, Verdict::CompilationError);
    let message = result.compile.unwrap().message.unwrap();
    assert!(message.starts_with("made no program"), "{message}");
}

#[test]
fn a_compile_step_that_leaves_too_many_files_is_a_compilation_error() {
    let job = Job::new("");
    let mut grading = job.grading();
    let done = CompileDone {
        facts: Some(facts(RunEnd::Exited { code: 0 })),
        program_missing: false,
        too_many_entries: true,
    };
    assert_eq!(grading.compile_done(done), Ok(CompileVerdict::CompilationError));
    let message = grading.finish().unwrap().compile.unwrap().message.unwrap();
    assert!(message.starts_with("left more than 1024 files"), "{message}");
}

#[test]
fn what_a_compiler_says_beyond_what_is_kept_is_cut_and_counted() {
    let mut job = Job::new("");
    job.results.max_stream_bytes = 10;
    let mut grading = job.grading();
    let tag = OutputTag {
        step: JobStep::Compile,
        stream: Stream::Stderr,
    };
    let mut said = b"a warning: unused".to_vec();
    said.resize(usize::try_from(COMPILE_OUTPUT_KEPT).unwrap(), b'.');
    grading.output(tag, &said).unwrap();
    let facts = RunFacts {
        stderr_bytes: 5_000_000,
        ..facts(RunEnd::Exited { code: 0 })
    };
    let done = CompileDone {
        facts: Some(facts),
        program_missing: false,
        too_many_entries: false,
    };
    assert_eq!(grading.compile_done(done), Ok(CompileVerdict::Ok));
    for i in 0..3 {
        run(&mut grading, i, "1");
    }
    let compile = grading.finish().unwrap().compile.unwrap();
    assert_eq!(compile.stderr, "a warning:");
    assert!(compile.stderr_truncated && !compile.stdout_truncated);
    assert_eq!(
        compile.message.as_deref(),
        Some("wrote 5000000 bytes to standard error, of which 10 are kept")
    );
}

#[test]
fn a_language_without_a_compile_step_has_an_empty_one() {
    let mut job = Job::new("");
    job.plan.compile = None;
    let mut grading = job.grading();
    assert_eq!(
        grading.compile_done(CompileDone {
            program_missing: false,
            too_many_entries: false,
            facts: None
        }),
        Ok(CompileVerdict::Ok)
    );
    for i in 0..3 {
        run(&mut grading, i, "1");
    }
    let compile = grading.finish().unwrap().compile.unwrap();
    assert_eq!(
        (
            compile.verdict,
            compile.execution_time_ms,
            compile.stderr.as_str()
        ),
        (CompileVerdict::Ok, 0, "")
    );
}

#[test]
fn what_a_compiler_said_must_have_arrived_as_far_as_it_is_kept() {
    let job = Job::new("");
    for (sent, written) in [(0, 1), (2, 1), (COMPILE_OUTPUT_KEPT - 1, COMPILE_OUTPUT_KEPT + 1)] {
        let mut grading = job.grading();
        let compiler = OutputTag {
            step: JobStep::Compile,
            stream: Stream::Stdout,
        };
        grading
            .output(compiler, &vec![b'x'; usize::try_from(sent).unwrap()])
            .unwrap();
        let facts = RunFacts {
            stdout_bytes: written,
            ..facts(RunEnd::Exited { code: 0 })
        };
        let done = CompileDone {
            facts: Some(facts),
            program_missing: false,
            too_many_entries: false,
        };
        let lost = grading.compile_done(done);
        assert!(matches!(lost, Err(EngineError::LostOutput { .. })), "{lost:?}");
    }
}

/// A box is not believed before it was asked, nor where there was nothing to compile.
#[test]
fn a_compile_step_that_nobody_asked_for_is_refused() {
    let mut job = Job::new("");
    let mut engine = Engine::new(&job.submission, &job.language, &job.plan, &job.results);
    let done = CompileDone {
        facts: Some(facts(RunEnd::Exited { code: 0 })),
        program_missing: false,
        too_many_entries: false,
    };
    let early = engine.handle(Event::Ended {
        in_box: BoxId::PROGRAM,
        id: ExecutionId::COMPILE,
        facts: facts(RunEnd::Exited { code: 0 }),
    });
    assert_eq!(early, Err(EngineError::Unexpected(ExecutionId::COMPILE)));

    job.plan.compile = None;
    let unasked = job.grading().compile_done(done);
    assert_eq!(unasked, Err(EngineError::Unexpected(ExecutionId::COMPILE)));
    let compiler = OutputTag {
        step: JobStep::Compile,
        stream: Stream::Stdout,
    };
    assert_eq!(
        job.grading().output(compiler, b"x"),
        Err(EngineError::Unexpected(ExecutionId::COMPILE))
    );
}
