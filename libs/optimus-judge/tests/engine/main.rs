//! The engine of a job against a plain model of it.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails as the test itself does"
)]

mod boxes;
mod faults;
mod jobs;
mod model;
mod pair;

use optimus_common::result::JobResult;
use optimus_judge::engine::Engine;
use proptest::{collection::vec, prelude::*};

use boxes::{Choices, TestBox};
use jobs::{Job, job};
use model::{Expected, expected};

/// More than any of these jobs needs: six tests executed twice, each with at most 100 bytes in pieces.
const MOST_STEPS: usize = 4000;

fn engine(job: &Job) -> Engine<'_> {
    Engine::new(&job.submission, &job.language, &job.plan, &job.results)
}

/// Lets the engine and a box talk until the engine has what it needs, in an order that is chosen at random.
fn run(job: &Job, slots: usize, choices: &mut Choices) -> JobResult {
    let mut engine = engine(job);
    let mut test_box = TestBox::new(job, slots);
    for _ in 0..MOST_STEPS {
        if engine.is_over() {
            while test_box.act(&mut engine) {}
            assert_eq!(test_box.open(), 0, "nothing is left behind");
            let result = engine.finish().unwrap();
            assert!(test_box.is_ended(), "a box is told that nothing follows");
            for test in Expected::from(&result).tests {
                let needed = usize::from(test.facts.is_some()) + usize::from(test.earlier.is_some());
                assert_eq!(test_box.tried(test.id), needed, "no test is executed for nothing");
            }
            return result;
        }
        if choices.below(2) == 1 && test_box.act(&mut engine) {
            continue;
        }
        match test_box.speak(choices) {
            Some(said) => engine.handle(said.event()).unwrap(),
            None => assert!(
                test_box.act(&mut engine),
                "the box waits for the engine and the engine for the box"
            ),
        }
        assert!(
            engine.longest_silence() > test_box.longest_silence(),
            "what is within its limits is waited for"
        );
    }
    panic!("no end after {MOST_STEPS} steps");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_order_of_events_comes_to_what_one_test_after_another_comes_to(
        job in job(),
        slots in 1_usize..5,
        numbers in vec(any::<u8>(), 0..400),
    ) {
        let result = run(&job, slots, &mut Choices::new(numbers));
        prop_assert_eq!(Expected::from(&result), expected(&job));
        // To the last byte of every message.
        let in_order = run(&job, 1, &mut Choices::new(Vec::new()));
        prop_assert_eq!(result, in_order);
    }

    #[test]
    fn a_job_whose_box_leaves_has_no_result(
        job in job(),
        slots in 1_usize..5,
        numbers in vec(any::<u8>(), 0..400),
        steps in 0_usize..200,
    ) {
        let mut choices = Choices::new(numbers);
        let mut engine = engine(&job);
        let mut test_box = TestBox::new(&job, slots);
        for _ in 0..steps {
            if engine.is_over() || choices.below(2) == 1 && test_box.act(&mut engine) {
                continue;
            }
            match test_box.speak(&mut choices) {
                Some(said) => engine.handle(said.event()).unwrap(),
                None => { test_box.act(&mut engine); }
            }
        }
        let is_over = engine.is_over();
        prop_assert_eq!(engine.finish().is_ok(), is_over);
    }
}
