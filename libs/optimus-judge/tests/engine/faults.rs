//! Boxes that lie.

use optimus_common::facts::RunEnd;
use optimus_judge::engine::{BoxId, Engine, EngineError, Event, ExecutionId};
use optimus_protocol::{ExecId, Sealed, Stream};
use proptest::{collection::vec, prelude::*, sample::select};

use crate::{
    MOST_STEPS,
    boxes::{Choices, IN, Said, TestBox},
    engine,
    jobs::{BEYOND, Job, OUTPUT_LIMIT, job},
};

/// What a box says that a sound one would not say.
#[derive(Debug, Clone, Copy)]
enum Lie {
    /// An end that it has told of.
    EndAgain,
    /// The same, as if nothing had been written.
    EmptyEndAgain,
    /// Output that it has sent.
    OutputAgain,
    OutputOfNobody,
    EndOfNobody,
    /// Of an execution that will be asked for next.
    TooEarly,
    /// Of a test that it was asked for, while there is no program.
    BeforeTheProgram,
    /// What is true, in a box that is not the job's.
    AnotherBox,
    /// An end with more bytes of one stream than were sent.
    LostStdout,
    LostStderr,
    /// An end with fewer bytes than were sent.
    MadeUpOutput,
    Seal,
    EndOfTheCompileStep,
}

const LIES: [Lie; 13] = [
    Lie::EndAgain,
    Lie::EmptyEndAgain,
    Lie::OutputAgain,
    Lie::OutputOfNobody,
    Lie::EndOfNobody,
    Lie::TooEarly,
    Lie::BeforeTheProgram,
    Lie::AnotherBox,
    Lie::LostStdout,
    Lie::LostStderr,
    Lie::MadeUpOutput,
    Lie::Seal,
    Lie::EndOfTheCompileStep,
];

/// What a box finds that has all it should have.
const FOUND: Sealed = Sealed {
    program_missing: false,
    too_many_entries: false,
};

impl Lie {
    /// The lie at this moment; `None` where it would be none.
    fn tell(
        self,
        job: &Job,
        test_box: &mut TestBox<'_>,
        past: &[Said],
        choices: &mut Choices,
    ) -> Option<Said> {
        let doing = job.tests[0][0].clone();
        let nobody = ExecutionId::from(ExecId(u32::MAX - 1));
        let pick = |fits: &dyn Fn(&Said) -> bool| past.iter().rev().find(|said| fits(said)).cloned();
        match self {
            Self::EndAgain => past
                .last()
                .filter(|said| !matches!(said, Said::Output(..)))
                .cloned(),
            Self::EmptyEndAgain => match past.last()? {
                Said::Ended(id, doing) => {
                    let mut doing = doing.clone();
                    (doing.facts.stdout_bytes, doing.facts.stderr_bytes) = (0, 0);
                    Some(Said::Ended(*id, doing))
                }
                _ => None,
            },
            // Of what is beyond the limit not everything needs to come: that it came twice cannot be told.
            Self::OutputAgain => {
                pick(&|said| matches!(said, Said::Output(_, _, data) if !data.starts_with(BEYOND)))
            }
            Self::OutputOfNobody => Some(Said::Output(nobody, Stream::Stderr, b"x".to_vec())),
            Self::EndOfNobody => Some(Said::Ended(nobody, doing)),
            Self::TooEarly => {
                let next = ExecId(test_box.next_id()).into();
                Some(Said::Output(next, Stream::Stdout, b"1".to_vec()))
            }
            Self::BeforeTheProgram => {
                let mut doing = doing;
                (doing.facts.stdout_bytes, doing.facts.stderr_bytes) = (0, 0);
                Some(Said::Ended(test_box.waits_for_program()?, doing))
            }
            Self::AnotherBox => test_box.speak(choices),
            Self::LostStdout | Self::LostStderr | Self::MadeUpOutput => {
                let (id, [stdout, stderr]) = test_box.any_going_on(choices)?;
                let mut doing = doing;
                doing.facts.end = RunEnd::Exited { code: 0 };
                let (mut wrote, mut complained) = (stdout, stderr);
                match self {
                    // What is beyond the limit need not come, and more than the limit may have come.
                    Self::LostStdout if stdout < OUTPUT_LIMIT => wrote = OUTPUT_LIMIT,
                    Self::LostStderr => complained = 1000,
                    Self::MadeUpOutput if stdout > 0 => wrote = stdout - 1,
                    _ => return None,
                }
                (doing.facts.stdout_bytes, doing.facts.stderr_bytes) = (wrote as u64, complained as u64);
                Some(Said::Ended(id, doing))
            }
            // Where it is awaited it may be true.
            Self::Seal => (!test_box.owes_seal()).then_some(Said::Sealed(FOUND)),
            Self::EndOfTheCompileStep => {
                // Where it is awaited it may be true.
                let is_end = |said: &Said| matches!(said, Said::Ended(ExecutionId::COMPILE, _));
                let is_awaited = job.compile.is_some() && !past.iter().any(is_end);
                (!is_awaited).then_some(Said::Ended(ExecutionId::COMPILE, doing))
            }
        }
    }

    fn in_box(self) -> BoxId {
        match self {
            Self::AnotherBox => BoxId(IN.0 + 1),
            _ => IN,
        }
    }

    /// Whether nobody can know at once. That something came twice shows when there is too much of it.
    fn shows_later(self) -> bool {
        matches!(self, Self::OutputAgain)
    }
}

/// What became of a job whose box lied once, after so many steps.
#[derive(Debug)]
enum Outcome<'a> {
    /// There was nothing to lie about in time.
    NeverLied,
    Refused(Box<Engine<'a>>, EngineError),
    Believed,
}

fn run<'a>(job: &'a Job, lie: Lie, steps: usize, slots: usize, choices: &mut Choices) -> Outcome<'a> {
    let mut engine = engine(job);
    let mut test_box = TestBox::new(job, slots);
    let mut past = Vec::new();
    let mut lied = false;
    for step in 0..MOST_STEPS {
        if step >= steps
            && !lied
            && let Some(said) = lie.tell(job, &mut test_box, &past, choices)
        {
            lied = true;
            match engine.handle(said.event_in(lie.in_box())) {
                Err(error) => return Outcome::Refused(Box::new(engine), error),
                Ok(()) if lie.shows_later() => {}
                Ok(()) => return Outcome::Believed,
            }
        }
        if engine.is_over() {
            return if lied {
                Outcome::Believed
            } else {
                Outcome::NeverLied
            };
        }
        if choices.below(2) == 1 && test_box.act(&mut engine) {
            continue;
        }
        match test_box.speak(choices) {
            Some(said) => {
                if let Err(error) = engine.handle(said.event()) {
                    assert!(lied, "{said:?}: {error}");
                    return Outcome::Refused(Box::new(engine), error);
                }
                past.push(said);
            }
            None => assert!(test_box.act(&mut engine), "a lie must not hang a job"),
        }
    }
    panic!("no end after {MOST_STEPS} steps");
}

/// Any event at all, of a few executions.
fn anything() -> impl Strategy<Value = (u8, u32, Vec<u8>, u64)> {
    (
        any::<u8>(),
        prop_oneof![0..8_u32, Just(u32::MAX)],
        vec(any::<u8>(), 0..4),
        0..6_u64,
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_lie_is_an_error_and_never_a_verdict(
        job in job(),
        lie in select(&LIES[..]),
        steps in 0_usize..60,
        slots in 1_usize..5,
        numbers in vec(any::<u8>(), 0..300),
    ) {
        match run(&job, lie, steps, slots, &mut Choices::new(numbers)) {
            Outcome::NeverLied => {}
            Outcome::Believed => prop_assert!(false, "{lie:?} was believed"),
            Outcome::Refused(mut engine, error) => {
                prop_assert!(engine.poll().is_none());
                let sealed = Event::Sealed { in_box: IN, found: FOUND };
                prop_assert_eq!(engine.handle(sealed), Err(error.clone()));
                prop_assert_eq!(engine.finish(), Err(error));
            }
        }
    }

    #[test]
    fn no_events_whatsoever_make_a_panic_or_a_result_that_is_not_whole(
        job in job(),
        events in vec(anything(), 0..40),
    ) {
        let mut engine = engine(&job);
        let mut error = None;
        for (kind, number, data, bytes) in events {
            if kind % 2 == 0 {
                while engine.poll().is_some() {}
            }
            let (id, in_box) = (ExecutionId::from(ExecId(number)), IN);
            let mut facts = job.tests[0][0].facts.clone();
            (facts.stdout_bytes, facts.stderr_bytes) = (bytes, 0);
            let event = match kind / 2 % 4 {
                0 => Event::Sealed { in_box, found: FOUND },
                1 => Event::Output { in_box, id, stream: Stream::Stdout, data: &data },
                _ => Event::Ended { in_box, id, facts },
            };
            let handled = engine.handle(event);
            match &error {
                None => error = handled.err(),
                Some(error) => prop_assert_eq!(handled.as_ref(), Err(error)),
            }
        }
        let is_over = engine.is_over();
        let finished = engine.finish();
        if let Some(error) = error {
            prop_assert_eq!(finished, Err(error));
        } else {
            prop_assert_eq!(finished.is_ok(), is_over);
        }
    }
}
