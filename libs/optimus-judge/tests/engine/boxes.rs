//! A box that does what it is asked in any order in which a box may: as many executions at once as it has room for, each
//! writing bit by bit.

use std::collections::{HashMap, HashSet, VecDeque};

use optimus_judge::engine::{Action, BoxId, Engine, Event, Execution, ExecutionId, Purpose, Workdir};
use optimus_protocol::Stream;

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
    Prepared,
    Output(ExecutionId, Stream, Vec<u8>),
    Built(ExecutionId, Doing, optimus_judge::verdict::Program),
    Ended(ExecutionId, Doing),
}

impl Said {
    pub(crate) fn event(&self) -> Event<'_> {
        self.event_in(IN)
    }

    pub(crate) fn event_in(&self, in_box: BoxId) -> Event<'_> {
        match self {
            Self::Prepared => Event::Prepared { in_box },
            Self::Output(id, stream, data) => Event::Output {
                in_box,
                id: *id,
                stream: *stream,
                data,
            },
            Self::Built(id, doing, program) => Event::Built {
                in_box,
                id: *id,
                facts: doing.facts.clone(),
                program: *program,
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
    /// Whether something can be run.
    prepared: bool,
    /// Whether nothing will be, since there is no program.
    is_gone: bool,
    waiting: VecDeque<(ExecutionId, Doing)>,
    going_on: Vec<Going>,
    files: usize,
    executions: HashSet<ExecutionId>,
    /// How often each test was executed.
    tried: HashMap<u64, usize>,
    is_ended: bool,
}

#[derive(Debug)]
struct Going {
    id: ExecutionId,
    doing: Doing,
    /// Bytes of each stream said so far.
    said: [usize; 2],
}

impl<'a> TestBox<'a> {
    pub(crate) fn new(job: &'a Job, slots: usize) -> Self {
        Self {
            job,
            slots,
            prepared: false,
            is_gone: false,
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
                assert!(self.executions.is_empty(), "files come first");
                self.files += 1;
            }
            Action::Execute(execution) => self.execute(execution, engine),
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
            workdir,
            command,
            input,
            ..
        } = execution;
        assert!(self.executions.insert(id), "{id} was used twice");
        assert!(!engine.is_over());
        let header = &self.job.plan.header;
        let (Purpose::Test(test) | Purpose::TestAgain(test)) = purpose else {
            assert_eq!((id, workdir), (ExecutionId::COMPILE, Workdir::Kept));
            assert_eq!(self.executions.len(), 1, "it comes before all tests");
            assert_eq!(Some(command), header.compile.as_ref());
            return;
        };
        assert_eq!((workdir, command), (Workdir::Fresh, &header.run));
        assert_eq!(input, format!("input {test}").as_bytes());
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
        if !self.is_gone {
            self.waiting.push_back((id, doing));
        }
    }

    /// What it says next; `None` where it waits to be asked for something.
    pub(crate) fn speak(&mut self, choices: &mut Choices) -> Option<Said> {
        if !self.prepared {
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
        let Some(compile) = &self.job.compile else {
            // It has been asked for nothing that it could tell apart from the tests.
            self.prepared = self.files > 0 && !self.executions.is_empty();
            return self.prepared.then_some(Said::Prepared);
        };
        if self.is_gone || !self.executions.contains(&ExecutionId::COMPILE) {
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
        let program = compile.program;
        self.prepared = program == optimus_judge::verdict::Program::Made
            && doing.facts.end == (optimus_common::facts::RunEnd::Exited { code: 0 });
        if !self.prepared {
            self.is_gone = true;
            self.waiting.clear();
        }
        Some(Said::Built(id, doing, program))
    }

    /// Executions that were asked for and are not over.
    pub(crate) fn open(&self) -> usize {
        self.waiting.len() + self.going_on.len()
    }

    /// One that is going on.
    pub(crate) fn any_going_on(&self, choices: &mut Choices) -> Option<ExecutionId> {
        let ids: Vec<_> = self.going_on.iter().map(|going| going.id).collect();
        (!ids.is_empty()).then(|| ids[choices.below(ids.len())])
    }

    /// A test that cannot be run yet.
    pub(crate) fn waits_for_program(&self) -> Option<ExecutionId> {
        let waiting = self.waiting.front().filter(|_| !self.prepared);
        waiting.map(|(id, _)| *id)
    }

    /// How often a test was executed.
    pub(crate) fn tried(&self, test: u64) -> usize {
        self.tried.get(&test).copied().unwrap_or(0)
    }

    /// A number of an execution that will be the next one.
    pub(crate) fn next_id(&self) -> u32 {
        let tests = self.executions.iter().filter(|id| **id != ExecutionId::COMPILE);
        u32::try_from(tests.count()).unwrap()
    }

    pub(crate) fn is_ended(&self) -> bool {
        self.is_ended
    }
}

impl Going {
    /// The next bytes of one of its streams; `None` where it has written all.
    fn write(&mut self, choices: &mut Choices) -> Option<Said> {
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
