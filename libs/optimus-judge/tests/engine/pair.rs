//! The engine of two programs that talk to each other, with boxes that do what they are asked in any order, and with others.

use std::time::Duration;

use optimus_common::{facts::RunFacts, result::Verdict};
use optimus_judge::{
    compare::Check,
    engine::{
        Action, BoxId, Endpoint, EngineError, Event, ExecutionId, PairEngine, PairPart, PairResult,
        PartResult, Purpose, Reads,
    },
    verdict::Program,
};
use optimus_protocol::{COMPILE_OUTPUT_KEPT, Sealed, Stream};
use proptest::{collection::vec, prelude::*};

use crate::{
    MOST_STEPS,
    boxes::{Choices, Going, Said},
    jobs::{Job, OUTPUT_LIMIT, job},
    model::{Compiled, Kept, compiled, compiled_as_told, is_made, judge_by, kept},
};

const SOURCE: &[&[u8]] = &[b"int main() {}"];

/// Two programs.
#[derive(Debug)]
struct Pair {
    jobs: [Job; 2],
    /// Bytes kept of each stream.
    kept: usize,
}

/// Each with limits, and a runtime, of its own.
fn pair() -> impl Strategy<Value = Pair> {
    let kept = prop_oneof![0..30_usize, Just(1 << 10)];
    ([job(), job()], kept).prop_map(|(mut jobs, kept)| {
        let [one, other] = &mut jobs;
        other.plan.run.limits.wall_time *= 3;
        other.language.execution.memory_allowance_mb = 20;
        if let Some(compile) = &mut one.plan.compile {
            compile.limits.wall_time *= 4;
        }
        Pair { jobs, kept }
    })
}

impl Pair {
    fn engine(&self) -> PairEngine<'_> {
        let parts = self.jobs.each_ref().map(|job| PairPart {
            plan: &job.plan,
            language: &job.language,
            contents: SOURCE,
        });
        PairEngine::new(parts, self.kept)
    }
}

/// How one of the two fares: what is kept of its output, and what it used.
type Run = (Verdict, Kept, Kept, RunFacts);

/// What has to come of one that can be made, found in the plainest way. It is for others to say whether what it said was right.
fn expected_run(job: &Job, share: usize) -> Run {
    let [doing, _] = &job.tests[0];
    let kept = |written| kept(share as u64, written);
    let verdict = judge_by(job, doing, || Check::Accepted);
    (
        verdict,
        kept(&doing.stdout),
        kept(&doing.stderr),
        doing.facts.clone(),
    )
}

fn told(part: &PartResult) -> (Option<Compiled>, Option<Run>) {
    let run = part.run.as_ref().map(|run| {
        (
            run.judgement.verdict,
            Kept::of(&run.stdout.text, run.stdout.truncated),
            Kept::of(&run.stderr.text, run.stderr.truncated),
            run.facts.clone(),
        )
    });
    (part.compile.as_ref().map(compiled_as_told), run)
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

    /// How long it may say nothing, by the limits of what goes on in it.
    fn longest_silence(&self) -> Duration {
        let limits = match self.going.as_ref().map(|going| going.id) {
            None => return Duration::ZERO,
            Some(ExecutionId::COMPILE) => &self.job.plan.compile.as_ref().unwrap().limits,
            Some(_) => &self.job.plan.run.limits,
        };
        limits.longest_wall_time()
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
                assert_eq!(
                    (execution.purpose, execution.wanted_bytes),
                    (Purpose::Compile, Some(COMPILE_OUTPUT_KEPT))
                );
                assert_eq!(Some(execution.command), side.job.plan.compile.as_ref());
                side.job.compile.as_ref().unwrap().doing.clone()
            } else {
                side.comes_to(Asked::Run);
                assert_eq!(
                    (execution.purpose, execution.reads),
                    (Purpose::Part, Reads::Connected)
                );
                assert_eq!(
                    (execution.wanted_bytes, execution.command),
                    (None, &side.job.plan.run)
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
fn run(pair: &Pair, choices: &mut Choices, leaves_after: usize) -> Option<PairResult> {
    let mut engine = pair.engine();
    let mut sides = pair.jobs.each_ref().map(Side::new);
    for step in 0..MOST_STEPS {
        for side in &sides {
            assert!(
                engine.longest_silence() > side.longest_silence(),
                "what is within its limits is waited for"
            );
        }
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
    fn every_order_comes_to_what_the_two_come_to_one_after_the_other(
        pair in pair(),
        numbers in vec(any::<u8>(), 0..400),
    ) {
        let result = run(&pair, &mut Choices::new(numbers), usize::MAX).unwrap();
        let are_made = pair.jobs.iter().all(is_made);
        let mut failed = false;
        for (part, job) in result.parts.iter().zip(&pair.jobs) {
            let (compile, run) = told(part);
            let due = compiled(job, pair.kept as u64);
            if are_made {
                prop_assert_eq!((compile, run), (Some(due), Some(expected_run(job, pair.kept))));
            } else {
                // Who was not waited for has none.
                failed |= compile.is_some() && !is_made(job);
                prop_assert!(compile.is_none_or(|compile| compile == due));
                prop_assert_eq!(run, None);
            }
        }
        prop_assert_eq!(are_made, !failed);
        if are_made {
            // To the last byte of every message.
            prop_assert_eq!(result, run_in_order(&pair));
        }
    }

    #[test]
    fn two_programs_of_which_a_box_leaves_have_no_result(
        pair in pair(),
        numbers in vec(any::<u8>(), 0..400),
        steps in 0_usize..200,
    ) {
        // It says so itself where the two were over before.
        run(&pair, &mut Choices::new(numbers), steps);
    }

    #[test]
    fn what_no_box_would_say_ends_it(
        pair in pair(),
        numbers in vec(any::<u8>(), 0..400),
        steps in 0_usize..60,
        place in 0_u32..3,
        lie in 0_usize..6,
    ) {
        let mut choices = Choices::new(numbers);
        let mut engine = pair.engine();
        let mut sides = pair.jobs.each_ref().map(Side::new);
        for _ in 0..steps {
            act(&mut engine, &mut sides);
            let which = choices.below(2);
            if let Some(said) = sides[which].speak(&mut choices) {
                engine.handle(said.event_in(BoxId(u32::try_from(which).unwrap()))).unwrap();
            }
        }
        let in_box = BoxId(place);
        let going = sides.get(place as usize).and_then(|side| side.going.as_ref());
        let nobodys = ExecutionId::from(optimus_protocol::ExecId(7));
        let mut facts = pair.jobs[0].tests[0][0].facts.clone();
        if let Some(Going { said: [stdout, stderr], .. }) = going {
            // So that nothing else is wrong with it.
            (facts.stdout_bytes, facts.stderr_bytes) = (*stdout as u64, *stderr as u64);
        }
        let event = match lie {
            0 => Event::Output { in_box, id: nobodys, stream: Stream::Stdout, data: b"x" },
            1 => Event::Ended { in_box, id: nobodys, facts },
            // Bytes that have not come, and fewer than have come.
            2 | 3 if let Some(Going { id, said: [said, _], .. }) = going => {
                let written = if lie == 2 { said + 1 } else { said.saturating_sub(1) };
                if written == *said || *said >= OUTPUT_LIMIT {
                    return Ok(());
                }
                let facts = RunFacts { stdout_bytes: written as u64, ..facts };
                Event::Ended { in_box, id: *id, facts }
            }
            4 if going.is_none() => Event::Ended { in_box, id: ExecutionId::COMPILE, facts },
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

fn run_in_order(pair: &Pair) -> PairResult {
    run(pair, &mut Choices::new(Vec::new()), usize::MAX).unwrap()
}
