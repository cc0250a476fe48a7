//! The grading of one job, from what its box reports to its result.

use std::time::Duration;

use optimus_common::{
    counted,
    facts::{RunEnd, RunFacts},
    language::Language,
    limits::Limits,
    result::{CompileResult, CompileVerdict, JobResult, OverallStatus, RunEvidence, TestResult, Verdict},
    settings::Results,
    submission::{MessageDetail, Submission, TestCase},
};
use optimus_protocol::{CompileDone, JobStep, OutputTag, RunDone, Stream};

use crate::{
    capture::Capture,
    compare::{Check, Comparison},
    plan::{self, JobPlan},
    signals,
    verdict::{self, Evidence, Judgement, Program, Runtime},
};

/// As long as a file's name may be, and some packages more.
const LONGEST_ENTRY_POINT: usize = 512;

/// How a compile step begins the line that says which program it chose.
const ENTRY_POINT_TOLD: &str = "entry point: ";

/// Takes what a box reports of a job, in the order it comes, and gives its result.
///
/// The run of test case `i` is announced to the box as `i`, see [`optimus_protocol::TestHeader::run`]. An
/// error means that the box or its agent failed: the job is no fault of the program then, and has no result.
#[derive(Debug)]
pub struct Grading<'a> {
    submission: &'a Submission,
    language: &'a Language,
    plan: &'a JobPlan,
    /// Bytes kept of each stream.
    max_stream: usize,
    compile_output: Streams,
    compile: Option<CompileResult>,
    /// One for each test case.
    tests: Vec<TestState<'a>>,
    /// Whether a test was not accepted.
    failed: bool,
}

/// What was heard of a test's run.
#[derive(Debug)]
enum TestState<'a> {
    Silent,
    Running(Box<RunOutput<'a>>),
    Done(Box<TestResult>),
}

#[derive(Debug)]
struct RunOutput<'a> {
    comparison: Comparison<'a>,
    streams: Streams,
    /// Of the first try, once there is a second one.
    earlier: Option<RunFacts>,
}

#[derive(Debug)]
struct Streams {
    stdout: Capture,
    stderr: Capture,
}

/// What follows the end of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// The test has its verdict.
    Verdict(Verdict),
    /// The test is to be run once more, and what came of it so far is void: all was right but that it took a little too
    /// long. The second try decides.
    SecondTry,
}

/// What a box said that a sound one would not say. Always the system's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GradingError {
    #[error("the box speaks of run {0}, which nobody asked for or which is over")]
    UnexpectedRun(u32),
    #[error("the box says twice how the compile step ended")]
    CompiledTwice,
    #[error("the box does not know whether it had to compile")]
    OtherRecipe,
    #[error("{got} bytes of {stream} arrived from run {run}, which wrote {written}")]
    LostOutput {
        run: u32,
        stream: &'static str,
        got: u64,
        written: u64,
    },
    #[error("the compiler could not be started: {0}")]
    CompilerNotStarted(String),
    #[error("the box left before the compile step was over")]
    NotCompiled,
    #[error("the box left before test case {0} was run")]
    TestMissing(u64),
}

impl<'a> Grading<'a> {
    pub fn new(
        submission: &'a Submission,
        language: &'a Language,
        plan: &'a JobPlan,
        results: &Results,
    ) -> Self {
        let max_stream = max_stream(results, submission.test_cases.len());
        Self {
            submission,
            language,
            plan,
            max_stream,
            compile_output: Streams::new(max_stream),
            compile: None,
            tests: submission.test_cases.iter().map(|_| TestState::Silent).collect(),
            failed: false,
        }
    }

    /// Takes a part of what the compiler or a run wrote.
    pub fn output(&mut self, tag: OutputTag, data: &[u8]) -> Result<(), GradingError> {
        match tag.step {
            JobStep::Compile => self.compile_output.feed(tag.stream, data),
            JobStep::Run(run) => {
                let output = self.running(run)?;
                if tag.stream == Stream::Stdout {
                    output.comparison.feed(data);
                }
                output.streams.feed(tag.stream, data);
            }
        }
        Ok(())
    }

    /// The compile step is over. After anything but [`CompileVerdict::Ok`] no test is run.
    pub fn compile_done(&mut self, done: CompileDone) -> Result<CompileVerdict, GradingError> {
        if self.compile.is_some() {
            return Err(GradingError::CompiledTwice);
        }
        let output = std::mem::replace(&mut self.compile_output, Streams::new(0));
        let compile = match (&self.plan.header.compile, done.facts) {
            (
                Some(_),
                Some(RunFacts {
                    end: RunEnd::NotStarted { error },
                    ..
                }),
            ) => {
                return Err(GradingError::CompilerNotStarted(error));
            }
            (Some(command), Some(facts)) => {
                let program = if done.too_many_entries {
                    Program::AmongTooMany
                } else if done.program_missing {
                    Program::Missing
                } else {
                    Program::Made
                };
                compile_result(facts, &command.limits, output, program)
            }
            (None, None) => not_needed(),
            (Some(_), None) | (None, Some(_)) => return Err(GradingError::OtherRecipe),
        };
        let verdict = compile.verdict;
        self.compile = Some(compile);
        Ok(verdict)
    }

    /// A run is over.
    pub fn run_done(&mut self, done: &RunDone) -> Result<Next, GradingError> {
        let RunDone { run, facts } = done;
        self.running(*run)?;
        let index = *run as usize;
        let TestState::Running(output) = std::mem::replace(&mut self.tests[index], TestState::Silent) else {
            return Err(GradingError::UnexpectedRun(*run));
        };
        let RunOutput {
            comparison,
            streams,
            earlier,
        } = *output;
        let limits = &self.plan.header.run.limits;
        streams.check_complete(*run, facts, limits)?;
        let test = &self.submission.test_cases[index];
        let evidence = Evidence {
            facts,
            limits,
            runtime: Runtime {
                out_of_memory: &self.language.execution.out_of_memory,
                allowance_bytes: self
                    .language
                    .execution
                    .memory_allowance_mb
                    .saturating_mul(1 << 20),
            },
            stderr: &streams.stderr,
        };
        let judgement = if earlier.is_none() && facts.is_marginal_timeout(limits) {
            let check = comparison.finish();
            if is_right_but_for_time(evidence, &check) {
                let second = RunOutput {
                    earlier: Some(facts.clone()),
                    ..RunOutput::new(self.submission, test, self.max_stream)
                };
                self.tests[index] = TestState::Running(Box::new(second));
                return Ok(Next::SecondTry);
            }
            verdict::judge(evidence, || check)
        } else {
            verdict::judge(evidence, || comparison.finish())
        };
        let Judgement { verdict, message } = judgement;
        let is_told =
            verdict != Verdict::WrongAnswer || self.submission.message_detail(test) == MessageDetail::Full;
        let judgement = Judgement {
            verdict,
            message: message.filter(|_| is_told),
        };
        let result = test_result(test, facts, limits, judgement, streams, earlier);
        self.failed |= !result.passed;
        self.tests[index] = TestState::Done(Box::new(result));
        Ok(Next::Verdict(verdict))
    }

    /// Whether no further test needs to be run, because one failed and the submission wants to stop there.
    pub fn may_stop(&self) -> bool {
        self.failed && self.submission.stop_on_failure
    }

    /// The result of the job, once every run that is needed is over.
    pub fn finish(self) -> Result<JobResult, GradingError> {
        let compile = self.compile.ok_or(GradingError::NotCompiled)?;
        if compile.verdict == CompileVerdict::CompilationError {
            return Ok(not_compiled(self.submission, compile));
        }
        let entry_point = told_entry_point(&compile)
            .or_else(|| plan::entry_point(self.submission, self.language))
            .map(str::to_owned);
        let stop_on_failure = self.submission.stop_on_failure;
        let mut stopped = false;
        let mut test_results = Vec::with_capacity(self.tests.len());
        for (test, state) in self.submission.test_cases.iter().zip(self.tests) {
            // Several tests may have been under way when one failed: which ones is left to no chance.
            let result = match state {
                _ if stopped => skipped(test),
                TestState::Done(result) => *result,
                TestState::Silent | TestState::Running(_) => return Err(GradingError::TestMissing(test.id)),
            };
            stopped = stop_on_failure && !result.passed;
            test_results.push(result);
        }
        Ok(JobResult {
            entry_point,
            ..graded(self.submission, compile, test_results)
        })
    }

    /// A run that is going on, as far as it was heard of.
    fn running(&mut self, run: u32) -> Result<&mut RunOutput<'a>, GradingError> {
        let unexpected = GradingError::UnexpectedRun(run);
        let compiled = self
            .compile
            .as_ref()
            .is_some_and(|compile| compile.verdict == CompileVerdict::Ok);
        let test = self.submission.test_cases.get(run as usize).filter(|_| compiled);
        let (Some(test), Some(state)) = (test, self.tests.get_mut(run as usize)) else {
            return Err(unexpected);
        };
        if matches!(state, TestState::Silent) {
            let output = RunOutput::new(self.submission, test, self.max_stream);
            *state = TestState::Running(Box::new(output));
        }
        match state {
            TestState::Running(output) => Ok(output),
            TestState::Silent | TestState::Done(_) => Err(unexpected),
        }
    }
}

/// Whether a run would have been accepted, had it had all the time in the world.
fn is_right_but_for_time(evidence: Evidence<'_>, check: &Check) -> bool {
    let limits = Limits {
        cpu_time: Duration::MAX,
        wall_time: Duration::MAX,
        ..*evidence.limits
    };
    let forgiven = Evidence {
        limits: &limits,
        ..evidence
    };
    verdict::judge(forgiven, || check.clone()).verdict == Verdict::Accepted
}

fn test_result(
    test: &TestCase,
    facts: &RunFacts,
    limits: &Limits,
    Judgement { verdict, message }: Judgement,
    streams: Streams,
    earlier: Option<RunFacts>,
) -> TestResult {
    let stdout = streams.stdout.into_captured();
    let stderr = streams.stderr.into_captured();
    TestResult {
        test_id: test.id,
        passed: verdict == Verdict::Accepted,
        verdict,
        stdout: stdout.text,
        stderr: stderr.text,
        stdout_base64: stdout.base64,
        stderr_base64: stderr.base64,
        execution_time_ms: ms(facts.wall_time),
        cpu_time_ms: ms(facts.cpu_time),
        peak_memory_bytes: facts.peak_memory_bytes,
        exit_code: match facts.end {
            RunEnd::Exited { code } => Some(code),
            _ => None,
        },
        signal: match facts.end {
            RunEnd::Signalled { signal } => Some(signals::name(signal).into_owned()),
            _ => None,
        },
        stdout_truncated: stdout.truncated,
        stderr_truncated: stderr.truncated,
        message,
        evidence: Some(Box::new(RunEvidence {
            facts: facts.clone(),
            limits: *limits,
            earlier,
        })),
    }
}

impl<'a> RunOutput<'a> {
    fn new(submission: &'a Submission, test: &'a TestCase, max_stream: usize) -> Self {
        Self {
            comparison: Comparison::new(&submission.checker, test.expected_output()),
            streams: Streams::new(max_stream),
            earlier: None,
        }
    }
}

impl Streams {
    fn new(max: usize) -> Self {
        Self {
            stdout: Capture::new(max),
            stderr: Capture::new(max),
        }
    }

    fn feed(&mut self, stream: Stream, data: &[u8]) {
        match stream {
            Stream::Stdout => self.stdout.feed(data),
            Stream::Stderr => self.stderr.feed(data),
        }
    }

    /// Output lost on its way must never be taken for a wrong answer.
    fn check_complete(&self, run: u32, facts: &RunFacts, limits: &Limits) -> Result<(), GradingError> {
        let streams = [
            ("standard output", &self.stdout, facts.stdout_bytes),
            ("standard error", &self.stderr, facts.stderr_bytes),
        ];
        for (stream, capture, written) in streams {
            let got = capture.total_bytes();
            if got < written.min(limits.output_bytes) || got > written {
                return Err(GradingError::LostOutput {
                    run,
                    stream,
                    got,
                    written,
                });
            }
        }
        Ok(())
    }
}

/// Each stream of a job gets the same share, so that what is kept of one never depends on the others.
fn max_stream(results: &Results, tests: usize) -> usize {
    let streams = 2 * (tests as u64 + 1);
    let share = results.max_stream_bytes.min(results.max_job_bytes / streams);
    usize::try_from(share).unwrap_or(usize::MAX)
}

fn compile_result(facts: RunFacts, limits: &Limits, output: Streams, program: Program) -> CompileResult {
    let evidence = Evidence {
        facts: &facts,
        limits,
        runtime: Runtime::default(),
        stderr: &output.stderr,
    };
    let (verdict, message) = verdict::judge_compile(evidence, program);
    let stdout = output.stdout.into_captured();
    let stderr = output.stderr.into_captured();
    let left_out = [
        ("standard output", &stdout, facts.stdout_bytes),
        ("standard error", &stderr, facts.stderr_bytes),
    ]
    .into_iter()
    .filter(|(_, captured, _)| captured.truncated)
    .map(|(stream, captured, written)| {
        let kept = captured.text.len();
        let written = counted(written, "byte");
        format!("wrote {written} to {stream}, of which {kept} are kept")
    });
    let messages: Vec<_> = message.into_iter().chain(left_out).collect();
    CompileResult {
        verdict,
        stdout: stdout.text,
        stderr: stderr.text,
        execution_time_ms: ms(facts.wall_time),
        cpu_time_ms: ms(facts.cpu_time),
        peak_memory_bytes: facts.peak_memory_bytes,
        stdout_truncated: stdout.truncated,
        stderr_truncated: stderr.truncated,
        message: (!messages.is_empty()).then(|| messages.join("; ")),
        evidence: Some(Box::new(RunEvidence {
            facts,
            limits: *limits,
            earlier: None,
        })),
    }
}

/// The compile step of a language that has none.
fn not_needed() -> CompileResult {
    CompileResult {
        verdict: CompileVerdict::Ok,
        stdout: String::new(),
        stderr: String::new(),
        execution_time_ms: 0,
        cpu_time_ms: 0,
        peak_memory_bytes: 0,
        stdout_truncated: false,
        stderr_truncated: false,
        message: None,
        evidence: None,
    }
}

fn skipped(test: &TestCase) -> TestResult {
    TestResult {
        test_id: test.id,
        passed: false,
        verdict: Verdict::Skipped,
        stdout: String::new(),
        stderr: String::new(),
        stdout_base64: None,
        stderr_base64: None,
        execution_time_ms: 0,
        cpu_time_ms: 0,
        peak_memory_bytes: 0,
        exit_code: None,
        signal: None,
        stdout_truncated: false,
        stderr_truncated: false,
        message: None,
        evidence: None,
    }
}

/// What a compile step that chose among several programs says of its choice, in a line of its standard output.
fn told_entry_point(compile: &CompileResult) -> Option<&str> {
    compile
        .stdout
        .lines()
        .find_map(|line| line.strip_prefix(ENTRY_POINT_TOLD))
        .filter(|name| name.len() <= LONGEST_ENTRY_POINT)
}

fn not_compiled(submission: &Submission, compile: CompileResult) -> JobResult {
    JobResult {
        overall_status: OverallStatus::CompilationError,
        verdict: Verdict::CompilationError,
        score: Some(0.0),
        total_tests: count(submission.test_cases.len()),
        passed_tests: 0,
        entry_point: None,
        compile: Some(compile),
        test_results: Vec::new(),
    }
}

fn graded(submission: &Submission, compile: CompileResult, test_results: Vec<TestResult>) -> JobResult {
    let first_failure = test_results.iter().find(|result| !result.passed);
    let verdict = first_failure.map_or(Verdict::Accepted, |result| result.verdict);
    let overall_status = match first_failure {
        None => OverallStatus::Success,
        Some(_) => OverallStatus::Failed,
    };
    JobResult {
        overall_status,
        verdict,
        score: Some(score(submission, &test_results)),
        total_tests: count(test_results.len()),
        passed_tests: count(test_results.iter().filter(|result| result.passed).count()),
        entry_point: None,
        compile: Some(compile),
        test_results,
    }
}

/// Points of the accepted tests divided by all points; exactly 1 where all are accepted.
fn score(submission: &Submission, test_results: &[TestResult]) -> f64 {
    let tests = || submission.test_cases.iter().zip(test_results);
    let all: f64 = tests().map(|(test, _)| test.points()).sum();
    let passed: f64 = tests()
        .map(|(test, result)| if result.passed { test.points() } else { 0.0 })
        .sum();
    passed / all
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
