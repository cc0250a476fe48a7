//! What has to come of a job, found in the plainest way: one test after another, each execution looked at when it is over.

use std::time::Duration;

use optimus_common::{
    facts::{RunEnd, RunFacts},
    result::{CompileResult, CompileVerdict, JobResult, OverallStatus, Verdict},
};
use optimus_judge::{
    capture::Capture,
    compare::{Check, Comparison},
    verdict::{self, Evidence, Program, Runtime},
};

use crate::jobs::{Compiling, Doing, Job};

/// What a job comes to.
#[derive(Debug, PartialEq)]
pub(crate) struct Expected {
    pub(crate) verdict: Verdict,
    pub(crate) status: OverallStatus,
    pub(crate) score: f64,
    pub(crate) compile: Compiled,
    /// What a compile step that ended well says of the program it chose.
    pub(crate) entry_point: Option<String>,
    /// In the order of the test cases; none where there is no program.
    pub(crate) tests: Vec<ExpectedTest>,
}

#[derive(Debug, PartialEq)]
pub(crate) struct ExpectedTest {
    pub(crate) id: u64,
    pub(crate) verdict: Verdict,
    pub(crate) stdout: Kept,
    pub(crate) stderr: Kept,
    pub(crate) exit_code: Option<i32>,
    pub(crate) signal: Option<String>,
    pub(crate) message: Message,
    /// Of the execution that counts; `None` where there was none.
    pub(crate) facts: Option<RunFacts>,
    /// Of the one before it.
    pub(crate) earlier: Option<RunFacts>,
}

/// What is kept of a stream, and whether that is not all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) text: String,
    pub(crate) truncated: bool,
}

/// What a test's message may be about. Its words are the verdict's and the checker's own matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Message {
    None,
    /// How the program ended.
    End,
    /// What was expected.
    Answer,
}

impl Message {
    fn of(verdict: Verdict, is_there: bool) -> Self {
        match verdict {
            _ if !is_there => Self::None,
            Verdict::WrongAnswer => Self::Answer,
            _ => Self::End,
        }
    }

    /// What is expected is told for a test that is not hidden alone.
    fn due(job: &Job, place: usize, verdict: Verdict) -> Self {
        match verdict {
            Verdict::Accepted | Verdict::Skipped => Self::None,
            Verdict::WrongAnswer if job.submission.test_cases[place].hidden => Self::None,
            Verdict::WrongAnswer => Self::Answer,
            _ => Self::End,
        }
    }
}

/// Every stream of a job may take the same part of what a result may take, the compile step's two among them.
fn share(job: &Job) -> u64 {
    let streams = 2 * (job.tests.len() as u64 + 1);
    job.results
        .max_stream_bytes
        .min(job.results.max_job_bytes / streams)
}

/// What is kept of a stream that may take so much. A line break takes two bytes; programs here write nothing else that takes more
/// than one.
pub(crate) fn kept(share: u64, written: &[u8]) -> Kept {
    let mut text = String::new();
    let mut taken = 0;
    for byte in written {
        taken += if *byte == b'\n' { 2 } else { 1 };
        if taken > share {
            break;
        }
        text.push(char::from(*byte));
    }
    let truncated = text.len() < written.len();
    Kept { text, truncated }
}

/// What the compile step said and used; its facts are none where nothing is compiled.
pub(crate) type Compiled = (CompileVerdict, Kept, Kept, Option<RunFacts>);

/// Whether there is a program to run.
pub(crate) fn is_made(job: &Job) -> bool {
    job.compile.as_ref().is_none_or(|compile| {
        compile.program == Program::Made && compile.doing.facts.end == (RunEnd::Exited { code: 0 })
    })
}

/// How the compile step ended, of whose streams each may take so much.
pub(crate) fn compiled(job: &Job, share: u64) -> Compiled {
    let verdict = if is_made(job) {
        CompileVerdict::Ok
    } else {
        CompileVerdict::CompilationError
    };
    match &job.compile {
        Some(Compiling { doing, .. }) => (
            verdict,
            kept(share, &doing.stdout),
            kept(share, &doing.stderr),
            Some(doing.facts.clone()),
        ),
        None => (verdict, Kept::default(), Kept::default(), None),
    }
}

pub(crate) fn expected(job: &Job) -> Expected {
    let share = share(job);
    if !is_made(job) {
        return Expected {
            verdict: Verdict::CompilationError,
            status: OverallStatus::CompilationError,
            score: 0.0,
            compile: compiled(job, share),
            entry_point: None,
            tests: Vec::new(),
        };
    }
    let mut tests = Vec::new();
    let mut stopped = false;
    for place in 0..job.tests.len() {
        let test = if stopped {
            ExpectedTest {
                id: job.submission.test_cases[place].id,
                verdict: Verdict::Skipped,
                stdout: Kept::default(),
                stderr: Kept::default(),
                exit_code: None,
                signal: None,
                message: Message::None,
                facts: None,
                earlier: None,
            }
        } else {
            run_test(job, place)
        };
        stopped |= job.submission.stop_on_failure && test.verdict != Verdict::Accepted;
        tests.push(test);
    }
    let first_failure = tests.iter().find(|test| test.verdict != Verdict::Accepted);
    let mut reached = 0.0;
    let mut all = 0.0;
    for (case, test) in job.submission.test_cases.iter().zip(&tests) {
        all += case.points();
        if test.verdict == Verdict::Accepted {
            reached += case.points();
        }
    }
    Expected {
        verdict: first_failure.map_or(Verdict::Accepted, |test| test.verdict),
        status: match first_failure {
            None => OverallStatus::Success,
            Some(_) => OverallStatus::Failed,
        },
        score: reached / all,
        compile: compiled(job, share),
        // Where it is not kept whole, what is kept of the line stands for it.
        entry_point: job.compile.as_ref().and_then(|compile| {
            let told = kept(share, &compile.doing.stdout).text;
            told.strip_prefix("entry point: ")
                .map(|name| name.trim_end().to_owned())
        }),
        tests,
    }
}

fn run_test(job: &Job, place: usize) -> ExpectedTest {
    let [first, second] = &job.tests[place];
    // As it would be, had it taken no time at all.
    let mut quick = first.clone();
    quick.facts.cpu_time = Duration::ZERO;
    quick.facts.wall_time = Duration::ZERO;
    let limits = &job.plan.run.limits;
    let is_again = first.facts.is_marginal_timeout(limits) && judge(job, place, &quick) == Verdict::Accepted;
    let (counts, earlier) = if is_again {
        (second, Some(first.facts.clone()))
    } else {
        (first, None)
    };
    let verdict = judge(job, place, counts);
    let (exit_code, signal) = match counts.facts.end {
        RunEnd::Exited { code } => (Some(code), None),
        RunEnd::Signalled { signal: 6 } => (None, Some("SIGABRT".to_owned())),
        _ => (None, None),
    };
    ExpectedTest {
        id: job.submission.test_cases[place].id,
        verdict,
        stdout: kept(share(job), &counts.stdout),
        stderr: kept(share(job), &counts.stderr),
        exit_code,
        signal,
        message: Message::due(job, place, verdict),
        facts: Some(counts.facts.clone()),
        earlier,
    }
}

fn judge(job: &Job, place: usize, doing: &Doing) -> Verdict {
    let expected = job.submission.test_cases[place].expected_output();
    judge_by(job, doing, || {
        let mut comparison = Comparison::new(&job.submission.checker, expected);
        comparison.feed(&doing.stdout);
        comparison.finish()
    })
}

/// By the program's own limits, and then by what is said of its output.
pub(crate) fn judge_by(job: &Job, doing: &Doing, check: impl FnOnce() -> Check) -> Verdict {
    let mut stderr = Capture::new(1 << 20);
    stderr.feed(&doing.stderr);
    let evidence = Evidence {
        facts: &doing.facts,
        limits: &job.plan.run.limits,
        runtime: Runtime {
            out_of_memory: &job.language.execution.out_of_memory,
            allowance_bytes: job.language.execution.memory_allowance_mb << 20,
        },
        stderr: &stderr,
    };
    verdict::judge(evidence, check).verdict
}

impl Kept {
    pub(crate) fn of(text: &str, truncated: bool) -> Self {
        Self {
            text: text.to_owned(),
            truncated,
        }
    }
}

pub(crate) fn compiled_as_told(compile: &CompileResult) -> Compiled {
    (
        compile.verdict,
        Kept::of(&compile.stdout, compile.stdout_truncated),
        Kept::of(&compile.stderr, compile.stderr_truncated),
        compile.evidence.as_ref().map(|evidence| evidence.facts.clone()),
    )
}

impl From<&JobResult> for Expected {
    fn from(result: &JobResult) -> Self {
        let passed = result.test_results.iter().filter(|test| test.passed).count();
        assert_eq!(result.passed_tests as usize, passed);
        let compile = result.compile.as_ref().unwrap();
        assert_eq!(
            compile.verdict == CompileVerdict::CompilationError,
            result.verdict == Verdict::CompilationError
        );
        Self {
            verdict: result.verdict,
            status: result.overall_status,
            score: result.score.unwrap(),
            compile: compiled_as_told(compile),
            entry_point: result.entry_point.clone(),
            tests: result
                .test_results
                .iter()
                .map(|test| ExpectedTest {
                    id: test.test_id,
                    verdict: test.verdict,
                    stdout: Kept::of(&test.stdout, test.stdout_truncated),
                    stderr: Kept::of(&test.stderr, test.stderr_truncated),
                    exit_code: test.exit_code,
                    signal: test.signal.clone(),
                    message: Message::of(test.verdict, test.message.is_some()),
                    facts: test.evidence.as_ref().map(|evidence| evidence.facts.clone()),
                    earlier: test
                        .evidence
                        .as_ref()
                        .and_then(|evidence| evidence.earlier.clone()),
                })
                .collect(),
        }
    }
}
