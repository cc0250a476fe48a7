//! The engine of one job: it decides, and does nothing else.
//!
//! Whoever carries things to boxes asks it by [`Engine::poll`] what to do next, tells it by [`Engine::handle`] what
//! happened, and has the result in the end. Which tests are run in which order and how many of them at once, where that stops,
//! what is run a second time, and what an end means: all of that is here and nowhere else. It does no I/O and has no clock, and
//! expected outputs never leave it.
//!
//! Two programs that talk to each other have an engine of their own, [`PairEngine`].
//!
//! An error means that a box or its agent failed. The job is no fault of the program then, and has no result.

mod exchange;
mod making;
mod pair;
mod report;
mod run;
mod schedule;
mod streams;

use std::time::Duration;

use optimus_common::{
    facts::RunFacts,
    language::Language,
    result::{CompileResult, CompileVerdict, JobResult, TestResult},
    submission::{Submission, TestCase},
};
use optimus_protocol::Stream;

use self::{
    making::{Making, SLOWEST_INPUT},
    run::{End, Rules, Run},
    schedule::{Schedule, Turn},
};
use crate::{
    plan::{self, JobPlan},
    settings::ResultSettings,
};

pub use self::{
    exchange::{Action, BoxId, Endpoint, EngineError, Event, Execution, ExecutionId, Purpose, Reads},
    pair::{PairEngine, PairPart, PairResult, PartResult, PartRun},
};

/// What a box may need beside the limits of a step: to start it, to kill its tree, which may take a minute on a busy machine, to
/// clean up behind it.
const STEP_GRACE: Duration = Duration::from_secs(90);

/// See the [module](self).
#[derive(Debug)]
pub struct Engine<'a> {
    plan: &'a JobPlan,
    rules: Rules<'a>,
    making: Making<'a>,
    schedule: Schedule,
    /// One for each test case.
    tests: Vec<Test<'a>>,
    /// Whether a test was not accepted.
    failed: bool,
    program_box: BoxState,
    /// Set by the first thing that cannot be true: nothing that is told after it is believed.
    error: Option<EngineError>,
}

/// What is known of a test.
#[derive(Debug, Default)]
struct Test<'a> {
    /// The execution that is going on, or waits for its turn in the box.
    execution: Option<ExecutionId>,
    /// What it has written, once it was heard of.
    run: Option<Box<Run<'a>>>,
    /// Facts of the execution before it, which is void.
    earlier: Option<Box<RunFacts>>,
    result: Option<Box<TestResult>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BoxState {
    InUse,
    Ended,
}

impl<'a> Engine<'a> {
    pub fn new(
        submission: &'a Submission,
        language: &'a Language,
        plan: &'a JobPlan,
        results: &ResultSettings,
    ) -> Self {
        let tests = submission.test_cases.len();
        let max_stream = max_stream(results, tests);
        let contents = plan::file_contents(submission, language);
        Self {
            plan,
            rules: Rules {
                submission,
                language,
                limits: &plan.run.limits,
                max_stream,
            },
            making: Making::new(BoxId::PROGRAM, plan, contents, max_stream),
            schedule: Schedule::new(tests, submission.stop_on_failure),
            tests: (0..tests).map(|_| Test::default()).collect(),
            failed: false,
            program_box: BoxState::InUse,
            error: None,
        }
    }

    /// What to do next. `None` where something has to happen first, or nothing is left to do.
    pub fn poll(&mut self) -> Option<Action<'a>> {
        let in_box = BoxId::PROGRAM;
        if self.error.is_some() {
            return None;
        }
        if let Some(action) = self.making.prepare().or_else(|| self.making.make()) {
            return Some(action);
        }
        if self.is_over() {
            let ends = self.program_box == BoxState::InUse;
            self.program_box = BoxState::Ended;
            return ends.then_some(Action::End { in_box });
        }
        if self.making.must_be_waited_for() {
            return None;
        }
        let Turn { test, id } = self.schedule.turn()?;
        let case = &self.rules.submission.test_cases[test];
        let state = &mut self.tests[test];
        state.execution = Some(id);
        Some(Action::Execute(Execution {
            in_box,
            id,
            purpose: match state.earlier {
                None => Purpose::Test(case.id),
                Some(_) => Purpose::TestAgain(case.id),
            },
            command: &self.plan.run,
            wanted_bytes: None,
            reads: Reads::Bytes(case.input()),
        }))
    }

    /// Takes what happened. After an error there is nothing more to do, and no result.
    pub fn handle(&mut self, event: Event<'_>) -> Result<(), EngineError> {
        if let Some(error) = &self.error {
            return Err(error.clone());
        }
        let handled = self.take(event);
        self.error = handled.as_ref().err().cloned();
        handled
    }

    /// How long the boxes may go on without the end of anything. It counts anew from each end.
    pub fn longest_silence(&self) -> Duration {
        let work = if self.compile_result().is_some() {
            let input = Duration::from_secs(self.plan.largest_input_bytes / SLOWEST_INPUT);
            self.rules.limits.longest_wall_time() + input
        } else {
            self.making.longest()
        };
        work + STEP_GRACE
    }

    /// Whether nothing that is still to come could change the result.
    pub fn is_over(&self) -> bool {
        self.making.has_failed() || self.making.is_made() && (self.schedule.is_over() || self.may_stop())
    }

    /// How the compile step ended, once it has.
    pub fn compile_result(&self) -> Option<&CompileResult> {
        self.making.result()
    }

    /// The place of the test case that this execution is of, where it is one of a test.
    pub fn place_of(&self, id: ExecutionId) -> Option<usize> {
        self.schedule.test_of(id)
    }

    /// The result of the test case at this place, once it has its verdict.
    pub fn test_result(&self, place: usize) -> Option<&TestResult> {
        self.tests.get(place)?.result.as_deref()
    }

    /// The result of the job, where everything that it needs has happened.
    pub fn finish(self) -> Result<JobResult, EngineError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let Rules {
            submission, language, ..
        } = self.rules;
        let Some(compile) = self.making.into_result() else {
            return Err(EngineError::NotCompiled);
        };
        if compile.verdict == CompileVerdict::CompilationError {
            return Ok(report::not_compiled(submission, compile));
        }
        let entry_point = report::told_entry_point(&compile)
            .or_else(|| plan::entry_point(submission, language))
            .map(str::to_owned);
        let mut stopped = false;
        let mut test_results = Vec::with_capacity(self.tests.len());
        for (case, test) in submission.test_cases.iter().zip(self.tests) {
            let result = match test.result {
                _ if stopped => report::skipped(case),
                Some(result) => *result,
                None => return Err(EngineError::TestMissing(case.id)),
            };
            stopped = submission.stop_on_failure && !result.passed;
            test_results.push(result);
        }
        Ok(JobResult {
            entry_point,
            ..report::graded(submission, compile, test_results)
        })
    }

    fn take(&mut self, event: Event<'_>) -> Result<(), EngineError> {
        let (Event::Output { in_box, .. } | Event::Sealed { in_box, .. } | Event::Ended { in_box, .. }) =
            event;
        if in_box != BoxId::PROGRAM {
            return Err(EngineError::UnknownBox(in_box));
        }
        match event {
            Event::Output { id, stream, data, .. } => self.output(id, stream, data),
            Event::Sealed { found, .. } => self.making.sealed(found),
            Event::Ended {
                id: ExecutionId::COMPILE,
                facts,
                ..
            } => self.making.compiled(facts),
            Event::Ended { id, facts, .. } => self.ended(id, facts),
        }
    }

    fn output(&mut self, id: ExecutionId, stream: Stream, data: &[u8]) -> Result<(), EngineError> {
        if id == ExecutionId::COMPILE {
            return self.making.output(stream, data);
        }
        let rules = self.rules;
        let (case, test) = self.open_test(id)?;
        let run = test.run.get_or_insert_with(|| Box::new(Run::new(rules, case)));
        run.feed(stream, data);
        Ok(())
    }

    fn ended(&mut self, id: ExecutionId, facts: RunFacts) -> Result<(), EngineError> {
        let rules = self.rules;
        let (case, test) = self.open_test(id)?;
        let run = match test.run.take() {
            Some(run) => *run,
            None => Run::new(rules, case),
        };
        let earlier = test.earlier.take().map(|facts| *facts);
        test.execution = None;
        match run.end(rules, case, id, &facts, earlier)? {
            End::Result(result) => {
                let passed = result.passed;
                test.result = Some(result);
                self.failed |= !passed;
                self.schedule.has_verdict();
            }
            End::Again => {
                test.earlier = Some(Box::new(facts));
                self.schedule.again(id);
            }
        }
        Ok(())
    }

    /// The test of an execution that was begun and is not over.
    fn open_test(&mut self, id: ExecutionId) -> Result<(&'a TestCase, &mut Test<'a>), EngineError> {
        let unexpected = EngineError::Unexpected(id);
        if !self.making.is_made() {
            return Err(unexpected);
        }
        let Some(place) = self.schedule.test_of(id) else {
            return Err(unexpected);
        };
        let test = &mut self.tests[place];
        if test.execution != Some(id) {
            return Err(unexpected);
        }
        Ok((&self.rules.submission.test_cases[place], test))
    }

    /// Whether a test failed and the submission wants to stop there.
    fn may_stop(&self) -> bool {
        self.failed && self.rules.submission.stop_on_failure
    }
}

/// Each stream of a job gets the same share, so that what is kept of one never depends on the others.
fn max_stream(results: &ResultSettings, tests: usize) -> usize {
    let streams = 2 * (tests as u64 + 1);
    let share = results.max_stream_bytes.min(results.max_job_bytes / streams);
    usize::try_from(share).unwrap_or(usize::MAX)
}
