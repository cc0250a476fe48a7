//! What a box may say next.
//!
//! A box is not trusted more than the guest in it: everything it says must fit what it was asked.

use std::collections::HashMap;

use optimus_common::{
    facts::{RunEnd, RunFacts},
    limits::Limits,
};
use optimus_protocol::{
    CHUNK, COMPILE_OUTPUT_KEPT, CompileDone, JobHeader, JobStep, OutputTag, RunDone, Stream,
};

use super::SessionError;

/// Output over the limit that is still taken: the agent notices an excess when it has read it.
const SLACK: u64 = CHUNK as u64;

/// The state of one job as seen from outside.
#[derive(Debug)]
pub(super) struct Ledger {
    compile: CompileState,
    /// Every run announced so far.
    runs: HashMap<u32, RunState>,
    compile_limit: u64,
    run_limits: Limits,
}

#[derive(Debug, Clone, Copy)]
enum CompileState {
    /// The compile step may still print.
    Going(Printed),
    /// There is no compile step, and the box has not said so yet.
    Skipped,
    Succeeded,
    /// No run follows.
    Failed,
}

#[derive(Debug, Clone, Copy)]
enum RunState {
    Open(Try, Printed),
    Done(Try),
}

/// Which try of a run it is. There is no third one, so what a box may print stays bounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Try {
    First,
    Second,
}

/// Bytes received of each stream.
#[derive(Debug, Clone, Copy, Default)]
struct Printed {
    stdout: u64,
    stderr: u64,
}

impl Printed {
    fn add(&mut self, stream: Stream, bytes: usize, limit: u64) -> Result<(), SessionError> {
        let printed = match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        };
        *printed = printed.saturating_add(bytes as u64);
        if *printed > limit.saturating_add(SLACK) {
            return Err(SessionError::violation(format!(
                "more output than the limit of {limit} bytes"
            )));
        }
        Ok(())
    }

    /// Whether everything the facts speak of has arrived, up to the limit.
    fn check(self, facts: &RunFacts, limit: u64) -> Result<(), SessionError> {
        for (received, told) in [
            (self.stdout, facts.stdout_bytes),
            (self.stderr, facts.stderr_bytes),
        ] {
            if received > told || received < told.min(limit) {
                return Err(SessionError::violation(format!(
                    "facts of {told} bytes of output, of which {received} came"
                )));
            }
        }
        Ok(())
    }
}

impl Ledger {
    pub(super) fn new(job: &JobHeader) -> Self {
        Self {
            compile: match job.compile {
                Some(_) => CompileState::Going(Printed::default()),
                None => CompileState::Skipped,
            },
            runs: HashMap::new(),
            compile_limit: job
                .compile
                .as_ref()
                .map_or(0, |compile| compile.limits.output_bytes.min(COMPILE_OUTPUT_KEPT)),
            run_limits: job.run.limits,
        }
    }

    /// Notes a run before its test is sent.
    pub(super) fn announce(&mut self, run: u32) {
        assert!(run != u32::MAX, "this run would be taken for the compile step");
        let tried = match self.runs.get(&run) {
            None => Try::First,
            Some(RunState::Done(Try::First)) => Try::Second,
            Some(RunState::Open(..)) => panic!("run {run} is going on"),
            Some(RunState::Done(Try::Second)) => panic!("run {run} was tried twice"),
        };
        self.runs.insert(run, RunState::Open(tried, Printed::default()));
    }

    pub(super) fn output(&mut self, tag: OutputTag, bytes: usize) -> Result<(), SessionError> {
        if bytes == 0 {
            return Err(SessionError::violation(
                "an output frame without output".to_owned(),
            ));
        }
        match tag.step {
            JobStep::Compile => match &mut self.compile {
                CompileState::Going(printed) => printed.add(tag.stream, bytes, self.compile_limit),
                _ => Err(SessionError::violation(
                    "output of a compile step that is not going on".to_owned(),
                )),
            },
            JobStep::Run(run) => {
                let limit = self.run_limits.output_bytes;
                let (_, printed) = self.open_run(run)?;
                printed.add(tag.stream, bytes, limit)
            }
        }
    }

    pub(super) fn compile_done(&mut self, done: &CompileDone) -> Result<(), SessionError> {
        self.compile = match (self.compile, &done.facts) {
            (CompileState::Going(printed), Some(facts)) => {
                printed.check(facts, self.compile_limit)?;
                let is_refused = done.program_missing || done.too_many_entries;
                match facts.end {
                    RunEnd::Exited { code: 0 } if !is_refused => CompileState::Succeeded,
                    _ => CompileState::Failed,
                }
            }
            (CompileState::Skipped, None) => CompileState::Succeeded,
            _ => {
                return Err(SessionError::violation(
                    "an unexpected end of the compile step".to_owned(),
                ));
            }
        };
        Ok(())
    }

    pub(super) fn run_done(&mut self, done: &RunDone) -> Result<(), SessionError> {
        let limit = self.run_limits.output_bytes;
        let (tried, printed) = self.open_run(done.run)?;
        printed.check(&done.facts, limit)?;
        let tried = *tried;
        self.runs.insert(done.run, RunState::Done(tried));
        Ok(())
    }

    fn open_run(&mut self, run: u32) -> Result<(&mut Try, &mut Printed), SessionError> {
        if !matches!(self.compile, CompileState::Succeeded) {
            return Err(SessionError::violation(format!(
                "run {run} without a successful compile step"
            )));
        }
        match self.runs.get_mut(&run) {
            Some(RunState::Open(tried, printed)) => Ok((tried, printed)),
            Some(RunState::Done(_)) => Err(SessionError::violation(format!(
                "run {run} goes on after its end"
            ))),
            None => Err(SessionError::violation(format!(
                "run {run}, which it was not asked for"
            ))),
        }
    }
}
