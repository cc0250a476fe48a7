//! A box that does what it is asked in any order in which a box may: as many executions at once as it has room for, each
//! writing bit by bit.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    time::Duration,
};

use optimus_common::facts::RunEnd;
use optimus_judge::{
    engine::{Action, BoxId, Engine, Event, Execution, ExecutionId, Purpose, Reads},
    verdict::Program,
};
use optimus_protocol::{COMPILE_OUTPUT_KEPT, Sealed, Stream};

use crate::jobs::{Doing, Job};

pub(crate) const IN: BoxId = BoxId::PROGRAM;

/// What is chosen at random, number by number; always the first way once they are used up.
#[derive(Debug)]
pub(crate) struct Choices(VecDeque<u8>);

impl Choices {
    pub(crate) fn new(numbers: Vec<u8>) -> Self {
        Self(numbers.into())
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::from(self.0.pop_front().unwrap_or(0)) % bound
    }
}

/// What a box says next, in a form that can be kept and said again.
#[derive(Debug, Clone)]
pub(crate) enum Said {
    Sealed(Sealed),
    Output(ExecutionId, Stream, Vec<u8>),
    Ended(ExecutionId, Doing),
}

impl Said {
    pub(crate) fn event(&self) -> Event<'_> {
        self.event_in(IN)
    }

    pub(crate) fn event_in(&self, in_box: BoxId) -> Event<'_> {
        match self {
            Self::Sealed(found) => Event::Sealed {
                in_box,
                found: *found,
            },
            Self::Output(id, stream, data) => Event::Output {
                in_box,
                id: *id,
                stream: *stream,
                data,
            },
            Self::Ended(id, doing) => Event::Ended {
                in_box,
                id: *id,
                facts: doing.facts.clone(),
            },
        }
    }
}

#[derive(Debug)]
pub(crate) struct TestBox<'a> {
    job: &'a Job,
    /// Executions at once.
    slots: usize,
    /// Whether all files are there.
    prepared: bool,
    /// How the compile step ended, once it has.
    compiled: Option<RunEnd>,
    seal: Seal,
    waiting: VecDeque<(ExecutionId, Doing)>,
    going_on: Vec<Going>,
    files: usize,
    executions: HashSet<ExecutionId>,
    /// How often each test was executed.
    tried: HashMap<u64, usize>,
    is_ended: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seal {
    NotAsked,
    Asked,
    Done,
}

#[derive(Debug)]
pub(crate) struct Going {
    pub(crate) id: ExecutionId,
    pub(crate) doing: Doing,
    /// Bytes of each stream said so far.
    pub(crate) said: [usize; 2],
}

impl<'a> TestBox<'a> {
    pub(crate) fn new(job: &'a Job, slots: usize) -> Self {
        Self {
            job,
            slots,
            prepared: false,
            compiled: None,
            seal: Seal::NotAsked,
            waiting: VecDeque::new(),
            going_on: Vec::new(),
            files: 0,
            executions: HashSet::new(),
            tried: HashMap::new(),
            is_ended: false,
        }
    }

    /// Does the next thing there is to do, and sees to it that it makes sense. `false` where there is none.
    pub(crate) fn act(&mut self, engine: &mut Engine<'_>) -> bool {
        let Some(action) = engine.poll() else { return false };
        assert!(!self.is_ended, "nothing follows the end");
        match action {
            Action::Put {
                in_box,
                name,
                content,
            } => {
                assert_eq!((in_box, name, content), (IN, "main.cpp", &b"int main() {}"[..]));
                assert!(!self.prepared, "files come first");
                self.files += 1;
            }
            Action::Prepare { in_box, folders } => {
                assert_eq!((in_box, folders), (IN, &self.job.plan.folders[..]));
                assert!(self.files == 1 && !self.prepared);
                self.prepared = true;
            }
            Action::Seal { in_box, expected } => {
                assert_eq!((in_box, expected), (IN, &self.job.plan.made));
                assert_eq!(self.seal, Seal::NotAsked);
                let is_due = match self.job.compile {
                    Some(_) => self.compiled == Some(RunEnd::Exited { code: 0 }),
                    None => self.prepared,
                };
                assert!(is_due, "what did not compile is of no use");
                self.seal = Seal::Asked;
            }
            Action::Execute(execution) => self.execute(execution, engine),
            Action::Connect { .. } => panic!("{action:?} in a job of one box"),
            Action::End { .. } => {
                assert!(engine.is_over() && self.waiting.is_empty() && self.going_on.is_empty());
                self.is_ended = true;
            }
        }
        true
    }

    fn execute(&mut self, execution: Execution<'_>, engine: &Engine<'_>) {
        let Execution {
            id,
            purpose,
            command,
            wanted_bytes,
            reads,
            ..
        } = execution;
        assert!(self.executions.insert(id), "{id} was used twice");
        assert!(self.prepared && !engine.is_over());
        let plan = &self.job.plan;
        let (Purpose::Test(test) | Purpose::TestAgain(test)) = purpose else {
            assert_eq!(
                (id, wanted_bytes),
                (ExecutionId::COMPILE, Some(COMPILE_OUTPUT_KEPT))
            );
            assert_eq!(self.executions.len(), 1, "it comes before all tests");
            assert_eq!(Some(command), plan.compile.as_ref());
            return;
        };
        assert_eq!((wanted_bytes, command), (None, &plan.run));
        let is_due = match self.job.compile {
            Some(_) => Seal::Done,
            None => Seal::Asked,
        };
        assert!(
            self.seal == is_due || self.seal == Seal::Done,
            "the seal comes first"
        );
        assert_eq!(reads, Reads::Bytes(format!("input {test}").as_bytes()));
        let tried = self.tried.entry(test).or_default();
        *tried += 1;
        assert_eq!(*tried, if purpose == Purpose::Test(test) { 1 } else { 2 });
        let place = usize::try_from(test - 10).unwrap();
        let doing = self.job.tests[place][*tried - 1].clone();
        if self.job.submission.stop_on_failure {
            let tests = self
                .going_on
                .iter()
                .filter(|going| going.id != ExecutionId::COMPILE);
            let open = self.waiting.len() + tests.count();
            assert_eq!(open, 0, "nothing goes ahead of what may stop the job");
        }
        self.waiting.push_back((id, doing));
    }

    /// What it says next; `None` where it waits to be asked for something.
    pub(crate) fn speak(&mut self, choices: &mut Choices) -> Option<Said> {
        if self.seal != Seal::Done {
            return self.compile(choices);
        }
        while self.going_on.len() < self.slots
            && let Some((id, doing)) = self.waiting.pop_front()
        {
            let said = [0, 0];
            self.going_on.push(Going { id, doing, said });
        }
        if self.going_on.is_empty() {
            return None;
        }
        let which = choices.below(self.going_on.len());
        let going = &mut self.going_on[which];
        if let Some(said) = going.write(choices) {
            return Some(said);
        }
        let Going { id, doing, .. } = self.going_on.swap_remove(which);
        Some(Said::Ended(id, doing))
    }

    fn compile(&mut self, choices: &mut Choices) -> Option<Said> {
        if self.seal == Seal::Asked {
            self.seal = Seal::Done;
            return Some(Said::Sealed(self.found()));
        }
        let compile = self.job.compile.as_ref()?;
        if self.compiled.is_some() || !self.executions.contains(&ExecutionId::COMPILE) {
            return None;
        }
        let (id, doing) = (ExecutionId::COMPILE, compile.doing.clone());
        if self.going_on.is_empty() {
            let said = [0, 0];
            self.going_on.push(Going { id, doing, said });
        }
        if let Some(said) = self.going_on[0].write(choices) {
            return Some(said);
        }
        let Going { doing, .. } = self.going_on.remove(0);
        self.compiled = Some(doing.facts.end.clone());
        Some(Said::Ended(id, doing))
    }

    /// What lies in the work directory.
    fn found(&self) -> Sealed {
        let program = self.job.compile.as_ref().map(|compile| compile.program);
        Sealed {
            program_missing: program == Some(Program::Missing),
            too_many_entries: program == Some(Program::AmongTooMany),
        }
    }

    /// Whether it has been asked to seal its work directory, and has not said that it has.
    pub(crate) fn owes_seal(&self) -> bool {
        self.seal == Seal::Asked
    }

    /// Executions that were asked for and are not over.
    pub(crate) fn open(&self) -> usize {
        self.waiting.len() + self.going_on.len()
    }

    /// How long it may say nothing, by the limits of what goes on in it.
    pub(crate) fn longest_silence(&self) -> Duration {
        let compiles = self.executions.contains(&ExecutionId::COMPILE) && self.compiled.is_none();
        let plan = &self.job.plan;
        let limits = match &plan.compile {
            Some(compile) if compiles => &compile.limits,
            _ if self.going_on.is_empty() => return Duration::ZERO,
            _ => &plan.run.limits,
        };
        limits.longest_wall_time()
    }

    /// One that is going on, and how many bytes of each stream it has said.
    pub(crate) fn any_going_on(&self, choices: &mut Choices) -> Option<(ExecutionId, [usize; 2])> {
        let ids: Vec<_> = self.going_on.iter().map(|going| (going.id, going.said)).collect();
        (!ids.is_empty()).then(|| ids[choices.below(ids.len())])
    }

    /// A test that cannot be run yet.
    pub(crate) fn waits_for_program(&self) -> Option<ExecutionId> {
        let waiting = self.waiting.front().filter(|_| self.seal != Seal::Done);
        waiting.map(|(id, _)| *id)
    }

    /// How often a test was executed.
    pub(crate) fn tried(&self, test: u64) -> usize {
        self.tried.get(&test).copied().unwrap_or(0)
    }

    /// A number of an execution that will be the next one.
    pub(crate) fn next_id(&self) -> u32 {
        let tests = self.executions.iter().filter(|id| **id != ExecutionId::COMPILE);
        u32::try_from(tests.count()).unwrap() + 1
    }

    pub(crate) fn is_ended(&self) -> bool {
        self.is_ended
    }
}

impl Going {
    /// The next bytes of one of its streams; `None` where it has written all.
    pub(crate) fn write(&mut self, choices: &mut Choices) -> Option<Said> {
        let streams = [
            (Stream::Stdout, &self.doing.stdout),
            (Stream::Stderr, &self.doing.stderr),
        ];
        let first = choices.below(2);
        for which in [first, 1 - first] {
            let (stream, all) = streams[which];
            let left = &all[self.said[which]..];
            if !left.is_empty() {
                let now = left[..=choices.below(left.len())].to_vec();
                self.said[which] += now.len();
                return Some(Said::Output(self.id, stream, now));
            }
        }
        None
    }
}
