//! What comes before anything is run in a box: its files, its compile step, and the seal.

use std::time::Duration;

use optimus_common::{
    facts::{RunEnd, RunFacts},
    result::{CompileResult, CompileVerdict},
};
use optimus_protocol::{COMPILE_OUTPUT_KEPT, Sealed, Stream};

use super::{
    exchange::{Action, BoxId, EngineError, Execution, ExecutionId, Purpose, Reads},
    report,
    streams::Streams,
};
use crate::{plan::JobPlan, verdict::Program};

/// Bytes a second that even a busy machine carries into a box.
pub(super) const SLOWEST_INPUT: u64 = 1 << 20;

/// A program that is made in a box.
#[derive(Debug)]
pub(super) struct Making<'a> {
    in_box: BoxId,
    plan: &'a JobPlan,
    /// Files that were not put into the box yet, the next one last.
    files: Vec<(&'a str, &'a [u8])>,
    source_bytes: u64,
    /// Bytes kept of each stream.
    max_stream: usize,
    prepared: Step,
    compile: Compile,
    sealed: Step,
}

/// Something that a box is asked to do once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    NotAsked,
    Asked,
    Done,
}

#[derive(Debug)]
enum Compile {
    NotBegun,
    Going(Streams),
    /// It ended well, and it is not known yet what it left.
    Left(RunFacts, Streams),
    /// There is nothing to compile, and the box has not sealed what was put there.
    NotNeeded,
    Over(CompileResult),
}

impl<'a> Making<'a> {
    pub(super) fn new(
        in_box: BoxId,
        plan: &'a JobPlan,
        contents: impl Iterator<Item = &'a [u8]>,
        max_stream: usize,
    ) -> Self {
        let names = plan.files.iter().map(String::as_str);
        let mut files: Vec<_> = names.zip(contents).collect();
        files.reverse();
        let source_bytes = files.iter().map(|(_, content)| content.len() as u64).sum();
        Self {
            in_box,
            plan,
            files,
            source_bytes,
            max_stream,
            prepared: Step::NotAsked,
            compile: Compile::NotBegun,
            sealed: Step::NotAsked,
        }
    }

    /// What to do next before anything can be executed, or the box ended.
    pub(super) fn prepare(&mut self) -> Option<Action<'a>> {
        let in_box = self.in_box;
        if let Some((name, content)) = self.files.pop() {
            return Some(Action::Put {
                in_box,
                name,
                content,
            });
        }
        if self.prepared == Step::NotAsked {
            self.prepared = Step::Done;
            return Some(Action::Prepare {
                in_box,
                folders: &self.plan.folders,
            });
        }
        None
    }

    /// What to do next when all is [prepared](Self::prepare). `None` where something has to happen first, or nothing is left to do.
    pub(super) fn make(&mut self) -> Option<Action<'a>> {
        let in_box = self.in_box;
        if let Compile::NotBegun = self.compile {
            if let Some(command) = &self.plan.compile {
                self.compile = Compile::Going(Streams::new(self.max_stream));
                return Some(Action::Execute(Execution {
                    in_box,
                    id: ExecutionId::COMPILE,
                    purpose: Purpose::Compile,
                    command,
                    wanted_bytes: Some(COMPILE_OUTPUT_KEPT),
                    reads: Reads::Bytes(&[]),
                }));
            }
            self.compile = Compile::NotNeeded;
        }
        let is_left = matches!(self.compile, Compile::Left(..) | Compile::NotNeeded);
        if self.sealed == Step::NotAsked && is_left {
            self.sealed = Step::Asked;
            return Some(Action::Seal {
                in_box,
                expected: &self.plan.made,
            });
        }
        None
    }

    /// Whether nothing can be asked for before more is known. Where nothing is compiled nothing can be missing, and nobody has to
    /// wait.
    pub(super) fn must_be_waited_for(&self) -> bool {
        matches!(
            self.compile,
            Compile::NotBegun | Compile::Going(_) | Compile::Left(..)
        )
    }

    /// How the compile step ended, once it has.
    pub(super) fn result(&self) -> Option<&CompileResult> {
        match &self.compile {
            Compile::NotBegun | Compile::Going(_) | Compile::Left(..) | Compile::NotNeeded => None,
            Compile::Over(compile) => Some(compile),
        }
    }

    pub(super) fn into_result(self) -> Option<CompileResult> {
        match self.compile {
            Compile::Over(compile) => Some(compile),
            _ => None,
        }
    }

    /// Whether the program is there.
    pub(super) fn is_made(&self) -> bool {
        self.result()
            .is_some_and(|compile| compile.verdict == CompileVerdict::Ok)
    }

    /// Whether there will be none.
    pub(super) fn has_failed(&self) -> bool {
        self.result()
            .is_some_and(|compile| compile.verdict != CompileVerdict::Ok)
    }

    /// How long it may take, beside what a box needs for any step. There is little to do where nothing is compiled.
    pub(super) fn longest(&self) -> Duration {
        let compile = self.plan.compile.as_ref();
        compile.map_or(Duration::ZERO, |command| command.limits.longest_wall_time())
            + Duration::from_secs(self.source_bytes / SLOWEST_INPUT)
    }

    pub(super) fn output(&mut self, stream: Stream, data: &[u8]) -> Result<(), EngineError> {
        match &mut self.compile {
            Compile::Going(streams) => streams.feed(stream, data),
            _ => return Err(EngineError::Unexpected(ExecutionId::COMPILE)),
        }
        Ok(())
    }

    pub(super) fn compiled(&mut self, facts: RunFacts) -> Result<(), EngineError> {
        let id = ExecutionId::COMPILE;
        let (Compile::Going(streams), Some(command)) = (&mut self.compile, &self.plan.compile) else {
            return Err(EngineError::Unexpected(id));
        };
        if let RunEnd::NotStarted { error } = facts.end {
            return Err(EngineError::CompilerNotStarted(error));
        }
        let kept = command.limits.output_bytes.min(COMPILE_OUTPUT_KEPT);
        streams.check_complete(id, &facts, kept)?;
        let streams = std::mem::replace(streams, Streams::new(0));
        self.compile = if facts.end == (RunEnd::Exited { code: 0 }) {
            Compile::Left(facts, streams)
        } else {
            // What it left is of no use to anybody.
            Compile::Over(report::compile_result(
                facts,
                &command.limits,
                streams,
                Program::Made,
            ))
        };
        Ok(())
    }

    pub(super) fn sealed(&mut self, found: Sealed) -> Result<(), EngineError> {
        if self.sealed != Step::Asked {
            return Err(EngineError::UnexpectedSeal);
        }
        self.sealed = Step::Done;
        let result = match (
            std::mem::replace(&mut self.compile, Compile::NotNeeded),
            &self.plan.compile,
        ) {
            (Compile::Left(facts, streams), Some(command)) => {
                let program = if found.too_many_entries {
                    Program::AmongTooMany
                } else if found.program_missing {
                    Program::Missing
                } else {
                    Program::Made
                };
                report::compile_result(facts, &command.limits, streams, program)
            }
            _ => report::not_needed(),
        };
        self.compile = Compile::Over(result);
        Ok(())
    }
}
