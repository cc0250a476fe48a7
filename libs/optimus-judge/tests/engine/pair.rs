//! The engine of two programs that talk to each other, with boxes that do what they are asked in any order, and with others.

use optimus_common::{facts::RunEnd, result::CompileVerdict};
use optimus_judge::{
    engine::{
        Action, BoxId, Endpoint, EngineError, Event, ExecutionId, PairEngine, PairPart, PairResult, Purpose,
        Reads,
    },
    verdict::Program,
};
use optimus_protocol::{Sealed, Stream};
use proptest::{collection::vec, prelude::*};

use crate::{
    MOST_STEPS,
    boxes::{Choices, Going, Said},
    jobs::{Job, job},
};

const SOURCE: &[&[u8]] = &[b"int main() {}"];
const KEPT: usize = 1 << 10;

fn engine(jobs: &[Job; 2]) -> PairEngine<'_> {
    let parts = jobs.each_ref().map(|job| PairPart {
        plan: &job.plan,
        language: &job.language,
        contents: SOURCE,
    });
    PairEngine::new(parts, KEPT)
}

/// A box that does what it is asked.
struct Side<'a> {
    job: &'a Job,
    asked: Asked,
    seal_is_owed: bool,
    going: Option<Going>,
    /// Who reads what its program prints, and whom it reads.
    joined: [Option<Endpoint>; 2],
    ran: bool,
}

/// How far it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
enum Asked {
    Nothing,
    Put,
    Prepare,
    Compile,
    Seal,
    Run,
    End,
}

impl<'a> Side<'a> {
    fn new(job: &'a Job) -> Self {
        Self {
            job,
            asked: Asked::Nothing,
            seal_is_owed: false,
            going: None,
            joined: [None, None],
            ran: false,
        }
    }

    fn comes_to(&mut self, asked: Asked) {
        assert!(self.asked < asked, "{asked:?} after {:?}", self.asked);
        self.asked = asked;
    }

    fn speak(&mut self, choices: &mut Choices) -> Option<Said> {
        if self.seal_is_owed {
            self.seal_is_owed = false;
            let program = self.job.compile.as_ref().map(|compile| compile.program);
            return Some(Said::Sealed(Sealed {
                program_missing: program == Some(Program::Missing),
                too_many_entries: program == Some(Program::AmongTooMany),
            }));
        }
        if let Some(said) = self.going.as_mut()?.write(choices) {
            return Some(said);
        }
        let Going { id, doing, .. } = self.going.take()?;
        self.ran |= id != ExecutionId::COMPILE;
        Some(Said::Ended(id, doing))
    }

    /// Whether a program can be made of it.
    fn compiles(&self) -> bool {
        self.job.compile.as_ref().is_none_or(|compile| {
            compile.doing.facts.end == (RunEnd::Exited { code: 0 }) && compile.program == Program::Made
        })
    }
}

/// Does the next thing there is to do, and sees to it that it makes sense. `false` where there is none.
fn act(engine: &mut PairEngine<'_>, sides: &mut [Side<'_>; 2]) -> bool {
    let Some(action) = engine.poll() else { return false };
    let at = |in_box: BoxId| usize::try_from(in_box.0).unwrap();
    match action {
        Action::Put { in_box, content, .. } => {
            assert_eq!(content, SOURCE[0]);
            sides[at(in_box)].comes_to(Asked::Put);
        }
        Action::Prepare { in_box, .. } => sides[at(in_box)].comes_to(Asked::Prepare),
        Action::Seal { in_box, .. } => {
            let side = &mut sides[at(in_box)];
            assert!(side.going.is_none(), "the compile step comes first");
            side.comes_to(Asked::Seal);
            side.seal_is_owed = true;
        }
        Action::Connect { from, to } => {
            assert_ne!(from.in_box, to.in_box);
            assert!(
                sides
                    .iter()
                    .all(|side| side.asked == Asked::Seal && !side.seal_is_owed)
            );
            assert_eq!(sides[at(from.in_box)].joined[0].replace(to), None);
            assert_eq!(sides[at(to.in_box)].joined[1].replace(from), None);
        }
        Action::Execute(execution) => {
            let side = &mut sides[at(execution.in_box)];
            let doing = if execution.id == ExecutionId::COMPILE {
                side.comes_to(Asked::Compile);
                assert_eq!(execution.purpose, Purpose::Compile);
                side.job.compile.as_ref().unwrap().doing.clone()
            } else {
                side.comes_to(Asked::Run);
                assert_eq!(
                    (execution.purpose, execution.reads),
                    (Purpose::Part, Reads::Connected)
                );
                assert!(side.joined.iter().all(Option::is_some), "connections come first");
                side.job.tests[0][0].clone()
            };
            side.going = Some(Going {
                id: execution.id,
                doing,
                said: [0, 0],
            });
        }
        Action::End { in_box } => {
            assert!(engine.is_over());
            sides[at(in_box)].comes_to(Asked::End);
        }
    }
    true
}

/// What comes of the two where box by box is asked and heard as the numbers say; `None` where a box leaves first.
fn run(jobs: &[Job; 2], choices: &mut Choices, leaves_after: usize) -> Option<PairResult> {
    let mut engine = engine(jobs);
    let mut sides = [Side::new(&jobs[0]), Side::new(&jobs[1])];
    for step in 0..MOST_STEPS {
        assert!(!engine.longest_silence().is_zero());
        if engine.is_over() {
            while act(&mut engine, &mut sides) {}
            assert!(
                sides.iter().all(|side| side.asked == Asked::End),
                "both hear of the end"
            );
            return Some(engine.finish().unwrap());
        }
        if step == leaves_after {
            assert_eq!(engine.finish(), Err(EngineError::PartMissing));
            return None;
        }
        if choices.below(2) == 1 && act(&mut engine, &mut sides) {
            continue;
        }
        let first = choices.below(2);
        let said = [first, 1 - first]
            .into_iter()
            .find_map(|place| Some((place, sides[place].speak(choices)?)));
        match said {
            Some((place, said)) => {
                let in_box = BoxId(u32::try_from(place).unwrap());
                engine.handle(said.event_in(in_box)).unwrap();
            }
            None => assert!(
                act(&mut engine, &mut sides),
                "the boxes wait for the engine and the engine for them"
            ),
        }
    }
    panic!("no end after {MOST_STEPS} steps");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_two_programs_can_hang_it(jobs in [job(), job()], numbers in vec(any::<u8>(), 0..400)) {
        let result = run(&jobs, &mut Choices::new(numbers), usize::MAX).unwrap();
        let compile = jobs.each_ref().map(|job| Side::new(job).compiles());
        if compile == [true, true] {
            for (part, job) in result.parts.iter().zip(&jobs) {
                let run = part.run.as_ref().unwrap();
                prop_assert_eq!(&run.facts, &job.tests[0][0].facts);
            }
            // To the last byte, whatever the order.
            let in_order = run_in_order(&jobs);
            prop_assert_eq!(result, in_order);
        } else {
            prop_assert!(result.parts.iter().all(|part| part.run.is_none()));
            let failed = result.parts.iter().zip(compile).any(|(part, compiles)| {
                !compiles && part.compile.as_ref().is_some_and(|compile| compile.verdict != CompileVerdict::Ok)
            });
            prop_assert!(failed);
        }
    }

    #[test]
    fn two_programs_of_which_a_box_leaves_have_no_result(
        jobs in [job(), job()],
        numbers in vec(any::<u8>(), 0..400),
        steps in 0_usize..200,
    ) {
        // It says so itself where the two were over before.
        run(&jobs, &mut Choices::new(numbers), steps);
    }

    #[test]
    fn what_no_box_would_say_ends_it(
        jobs in [job(), job()],
        numbers in vec(any::<u8>(), 0..100),
        place in 0_u32..3,
        lie in 0_usize..4,
    ) {
        let mut choices = Choices::new(numbers.clone());
        let mut engine = engine(&jobs);
        let mut sides = [Side::new(&jobs[0]), Side::new(&jobs[1])];
        for _ in 0..numbers.len() / 4 {
            act(&mut engine, &mut sides);
            let which = choices.below(2);
            if let Some(said) = sides[which].speak(&mut choices) {
                engine.handle(said.event_in(BoxId(u32::try_from(which).unwrap()))).unwrap();
            }
        }
        let in_box = BoxId(place);
        let at_work = sides.get(place as usize).is_some_and(|side| side.going.is_some());
        let nobodys = ExecutionId::from(optimus_protocol::ExecId(7));
        let facts = jobs[0].tests[0][0].facts.clone();
        let event = match lie {
            0 => Event::Output { in_box, id: nobodys, stream: Stream::Stdout, data: b"x" },
            1 => Event::Ended { in_box, id: nobodys, facts },
            2 if !at_work => Event::Ended { in_box, id: ExecutionId::COMPILE, facts },
            _ if sides.get(place as usize).is_some_and(|side| side.seal_is_owed) => return Ok(()),
            _ => Event::Sealed { in_box, found: Sealed { program_missing: false, too_many_entries: false } },
        };
        let was_over = engine.is_over();
        prop_assert!(engine.handle(event.clone()).is_err());
        prop_assert_eq!(engine.poll(), None);
        prop_assert!(engine.handle(event).is_err());
        prop_assert!(engine.finish().is_err(), "{}", was_over);
    }
}

fn run_in_order(jobs: &[Job; 2]) -> PairResult {
    run(jobs, &mut Choices::new(Vec::new()), usize::MAX).unwrap()
}
