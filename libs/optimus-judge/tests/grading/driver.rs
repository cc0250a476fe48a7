//! An engine that is told what a box says, by tests that name a test case by its place.

use optimus_common::{
    facts::{RunEnd, RunFacts},
    language::Language,
    result::{CompileVerdict, JobResult, Verdict},
    submission::Submission,
};
use optimus_judge::{
    engine::{Action, BoxId, Engine, EngineError, Event, Execution, ExecutionId, Purpose},
    plan::JobPlan,
    settings::ResultSettings,
};
use optimus_protocol::{ExecId, Sealed, Stream};

/// What some output belongs to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum JobStep {
    Compile,
    /// The test at this place.
    Run(u32),
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct OutputTag {
    pub(crate) step: JobStep,
    pub(crate) stream: Stream,
}

/// How the compile step ended, and what it left if it ended well; without facts, that there was none.
#[derive(Debug, Clone)]
pub(crate) struct CompileDone {
    pub(crate) facts: Option<RunFacts>,
    pub(crate) program_missing: bool,
    pub(crate) too_many_entries: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct RunDone {
    pub(crate) run: u32,
    pub(crate) facts: RunFacts,
}

pub(crate) struct Grading<'a> {
    engine: Engine<'a>,
    submission: &'a Submission,
    /// The newest execution of each test.
    executions: Vec<Option<ExecutionId>>,
}

/// What followed the end of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    Verdict(Verdict),
    SecondTry,
}

impl<'a> Grading<'a> {
    pub(crate) fn new(
        submission: &'a Submission,
        language: &'a Language,
        plan: &'a JobPlan,
        results: &ResultSettings,
    ) -> Self {
        let mut grading = Self {
            engine: Engine::new(submission, language, plan, results),
            submission,
            executions: vec![None; submission.test_cases.len()],
        };
        grading.act();
        grading
    }

    /// Does all there is to do; the tests that are begun once more are returned.
    fn act(&mut self) -> Vec<usize> {
        let mut again = Vec::new();
        while let Some(action) = self.engine.poll() {
            let Action::Execute(Execution { id, purpose, .. }) = action else {
                continue;
            };
            let (Purpose::Test(test) | Purpose::TestAgain(test)) = purpose else {
                continue;
            };
            let place = self
                .submission
                .test_cases
                .iter()
                .position(|case| case.id == test)
                .unwrap();
            self.executions[place] = Some(id);
            if purpose == Purpose::TestAgain(test) {
                again.push(place);
            }
        }
        again
    }

    /// The execution of a test, or one that nobody asked for.
    pub(crate) fn execution(&self, run: u32) -> ExecutionId {
        let known = self.executions.get(run as usize).copied().flatten();
        known.unwrap_or(ExecId(run + 1000).into())
    }

    pub(crate) fn output(&mut self, tag: OutputTag, data: &[u8]) -> Result<(), EngineError> {
        let id = match tag.step {
            JobStep::Compile => ExecutionId::COMPILE,
            JobStep::Run(run) => self.execution(run),
        };
        self.engine.handle(Event::Output {
            in_box: BoxId::PROGRAM,
            id,
            stream: tag.stream,
            data,
        })
    }

    pub(crate) fn compile_done(&mut self, done: CompileDone) -> Result<CompileVerdict, EngineError> {
        let CompileDone {
            facts,
            program_missing,
            too_many_entries,
        } = done;
        let in_box = BoxId::PROGRAM;
        let mut is_sealed = true;
        if let Some(facts) = facts {
            is_sealed = facts.end == RunEnd::Exited { code: 0 };
            let id = ExecutionId::COMPILE;
            self.engine.handle(Event::Ended { in_box, id, facts })?;
            self.act();
        }
        if is_sealed {
            let found = Sealed {
                program_missing,
                too_many_entries,
            };
            self.engine.handle(Event::Sealed { in_box, found })?;
            self.act();
        }
        Ok(self.engine.compile_result().unwrap().verdict)
    }

    pub(crate) fn run_done(&mut self, done: &RunDone) -> Result<Next, EngineError> {
        let place = done.run as usize;
        self.engine.handle(Event::Ended {
            in_box: BoxId::PROGRAM,
            id: self.execution(done.run),
            facts: done.facts.clone(),
        })?;
        let again = self.act();
        Ok(if let Some(result) = self.engine.test_result(place) {
            assert!(again.is_empty());
            Next::Verdict(result.verdict)
        } else {
            assert_eq!(again, [place]);
            Next::SecondTry
        })
    }

    /// Whether no test is run any more.
    pub(crate) fn is_over(&self) -> bool {
        self.engine.is_over()
    }

    pub(crate) fn finish(self) -> Result<JobResult, EngineError> {
        self.engine.finish()
    }
}
