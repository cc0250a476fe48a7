//! The engine of two programs that talk to each other, each in a box of its own and in a language of its own.

use std::time::Duration;

use optimus_common::{facts::RunFacts, language::Language, result::CompileResult};

use super::{
    STEP_GRACE,
    exchange::{Action, BoxId, Endpoint, EngineError, Event, Execution, ExecutionId, Purpose, Reads},
    making::Making,
    streams::Streams,
};
use crate::{
    capture::Captured,
    compare::Check,
    plan::JobPlan,
    verdict::{self, Evidence, Judgement, Runtime},
};

/// The program of each box.
const RUN: ExecutionId = ExecutionId(1);

/// One of the two, as it is planned.
#[derive(Debug, Clone, Copy)]
pub struct PairPart<'a> {
    pub plan: &'a JobPlan,
    pub language: &'a Language,
    /// In the order of the plan's files.
    pub contents: &'a [&'a [u8]],
}

/// Makes both programs, then runs both, and what each prints is what the other one reads. It is used as an
/// [`Engine`](super::Engine) is. Its boxes are `BoxId(0)` and `BoxId(1)`, in the order of the parts.
///
/// Both have to be made before either is run. Each is bound by its own limits alone, and time in which it waits for the other one,
/// to say something or to listen, is its own: so both come to an end whatever they do, and of two that wait for each other both are
/// too late. When one is over, the other one finds the end of its input.
#[derive(Debug)]
pub struct PairEngine<'a> {
    parts: [Part<'a>; 2],
    /// Connections that were asked for; one leads to each part.
    connected: usize,
    error: Option<EngineError>,
}

#[derive(Debug)]
struct Part<'a> {
    plan: &'a JobPlan,
    language: &'a Language,
    making: Making<'a>,
    max_stream: usize,
    run: RunState,
    is_ended: bool,
}

#[derive(Debug)]
enum RunState {
    NotBegun,
    Going(Streams),
    Over(RunFacts, Streams),
}

/// What came of the two.
#[derive(Debug, Clone, PartialEq)]
pub struct PairResult {
    pub parts: [PartResult; 2],
}

#[derive(Debug, Clone, PartialEq)]
pub struct PartResult {
    /// `None` where the other one could not be made before.
    pub compile: Option<CompileResult>,
    /// `None` where one of the two could not be made.
    pub run: Option<PartRun>,
}

/// How one of the programs fared, by its own limits and its own end. What it said is for others to judge.
#[derive(Debug, Clone, PartialEq)]
pub struct PartRun {
    pub judgement: Judgement,
    pub facts: RunFacts,
    pub stdout: Captured,
    pub stderr: Captured,
}

impl<'a> PairEngine<'a> {
    /// Keeps at most `max_stream` bytes of each stream.
    pub fn new(parts: [PairPart<'a>; 2], max_stream: usize) -> Self {
        let mut in_box = 0..;
        Self {
            parts: parts.map(
                |PairPart {
                     plan,
                     language,
                     contents,
                 }| Part {
                    plan,
                    language,
                    making: Making::new(
                        BoxId(in_box.next().unwrap_or_default()),
                        plan,
                        contents.iter().copied(),
                        max_stream,
                    ),
                    max_stream,
                    run: RunState::NotBegun,
                    is_ended: false,
                },
            ),
            connected: 0,
            error: None,
        }
    }

    /// What to do next. `None` where something has to happen first, or nothing is left to do.
    pub fn poll(&mut self) -> Option<Action<'a>> {
        if self.error.is_some() {
            return None;
        }
        if let Some(action) = self.parts.iter_mut().find_map(|part| part.making.prepare()) {
            return Some(action);
        }
        if self.is_over() {
            let place = self.parts.iter().position(|part| !part.is_ended)?;
            self.parts[place].is_ended = true;
            return Some(Action::End {
                in_box: box_at(place),
            });
        }
        if let Some(action) = self.parts.iter_mut().find_map(|part| part.making.make()) {
            return Some(action);
        }
        if !self.parts.iter().all(|part| part.making.is_made()) {
            return None;
        }
        if self.connected < self.parts.len() {
            let reader = self.connected;
            self.connected += 1;
            return Some(Action::Connect {
                from: endpoint(1 - reader),
                to: endpoint(reader),
            });
        }
        let place = self
            .parts
            .iter()
            .position(|part| matches!(part.run, RunState::NotBegun))?;
        let part = &mut self.parts[place];
        part.run = RunState::Going(Streams::new(part.max_stream));
        Some(Action::Execute(Execution {
            in_box: box_at(place),
            id: RUN,
            purpose: Purpose::Part,
            command: &part.plan.run,
            wanted_bytes: None,
            reads: Reads::Connected,
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
        let longest = |part: &Part<'_>| match part.making.result() {
            None => part.making.longest(),
            Some(_) => part.plan.run.limits.longest_wall_time(),
        };
        let longest = self.parts.iter().map(longest).max();
        longest.unwrap_or_default() + STEP_GRACE
    }

    /// Whether nothing that is still to come could change the result.
    pub fn is_over(&self) -> bool {
        self.parts.iter().any(|part| part.making.has_failed())
            || self
                .parts
                .iter()
                .all(|part| matches!(part.run, RunState::Over(..)))
    }

    /// What came of both, where everything that it needs has happened.
    pub fn finish(self) -> Result<PairResult, EngineError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        if !self.is_over() {
            return Err(EngineError::PartMissing);
        }
        Ok(PairResult {
            parts: self.parts.map(Part::into_result),
        })
    }

    fn take(&mut self, event: Event<'_>) -> Result<(), EngineError> {
        let (Event::Output { in_box, .. } | Event::Sealed { in_box, .. } | Event::Ended { in_box, .. }) =
            event;
        let place = usize::try_from(in_box.0).ok();
        let part = place.and_then(|place| self.parts.get_mut(place));
        let part = part.ok_or(EngineError::UnknownBox(in_box))?;
        match event {
            Event::Sealed { found, .. } => part.making.sealed(found),
            Event::Output { id, stream, data, .. } => match (id, &mut part.run) {
                (ExecutionId::COMPILE, _) => part.making.output(stream, data),
                (RUN, RunState::Going(streams)) => {
                    streams.feed(stream, data);
                    Ok(())
                }
                _ => Err(EngineError::Unexpected(id)),
            },
            Event::Ended { id, facts, .. } => match id {
                ExecutionId::COMPILE => part.making.compiled(facts),
                _ => part.ended(id, facts),
            },
        }
    }
}

fn box_at(place: usize) -> BoxId {
    BoxId(u32::from(place != 0))
}

fn endpoint(place: usize) -> Endpoint {
    Endpoint {
        in_box: box_at(place),
        id: RUN,
    }
}

impl Part<'_> {
    fn ended(&mut self, id: ExecutionId, facts: RunFacts) -> Result<(), EngineError> {
        let streams = match &mut self.run {
            RunState::Going(streams) if id == RUN => std::mem::replace(streams, Streams::new(0)),
            _ => return Err(EngineError::Unexpected(id)),
        };
        streams.check_complete(id, &facts, self.plan.run.limits.output_bytes)?;
        self.run = RunState::Over(facts, streams);
        Ok(())
    }

    fn into_result(self) -> PartResult {
        let execution = &self.language.execution;
        let run = match self.run {
            RunState::Over(facts, streams) => {
                let judgement = verdict::judge(
                    Evidence {
                        facts: &facts,
                        limits: &self.plan.run.limits,
                        runtime: Runtime {
                            out_of_memory: &execution.out_of_memory,
                            allowance_bytes: execution.memory_allowance_mb.saturating_mul(1 << 20),
                        },
                        stderr: &streams.stderr,
                    },
                    || Check::Accepted,
                );
                Some(PartRun {
                    judgement,
                    facts,
                    stdout: streams.stdout.into_captured(),
                    stderr: streams.stderr.into_captured(),
                })
            }
            RunState::NotBegun | RunState::Going(_) => None,
        };
        PartResult {
            compile: self.making.into_result(),
            run,
        }
    }
}
