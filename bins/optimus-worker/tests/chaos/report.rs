//! The checker's word on a round: one line, and a failure where anything in it is not zero.

use std::collections::BTreeMap;

use crate::load::Tally;

/// A round that is over and was looked at from outside.
#[derive(Debug)]
pub(crate) struct Round {
    pub(crate) name: String,
    pub(crate) seed: u64,
    pub(crate) faults: u64,
    pub(crate) tally: Tally,
    /// Finishes the store has counted, each in the step that accepted it.
    pub(crate) finished: u64,
    /// Accepted finishes, as the workers that were told wrote them down.
    pub(crate) acknowledged: BTreeMap<String, usize>,
    pub(crate) left_over: Vec<String>,
}

impl Round {
    /// Prints the line, and fails where a job was lost, doubled or misjudged, or anything is left over.
    pub(crate) fn conclude(self) {
        let Self {
            name,
            seed,
            faults,
            tally,
            finished,
            acknowledged,
            left_over,
        } = self;
        let jobs = tally.jobs();
        let twice = acknowledged.iter().filter(|(_, times)| **times > 1);
        let mut doubled = tally.doubled.clone();
        doubled.extend(twice.map(|(id, times)| format!("{id}: {times} finishes were accepted")));
        assert!(
            finished == 0 || !acknowledged.is_empty(),
            "{name}: no worker wrote down that a result was accepted, so nobody can see whether one was twice"
        );
        if finished > jobs as u64 {
            doubled.push(format!(
                "the store has counted {finished} finishes of {jobs} jobs"
            ));
        }
        println!(
            "round={name} seed={seed} jobs={jobs} faults={faults} lost={} doubled={} left_over={} wrong={}",
            tally.lost.len(),
            doubled.len(),
            left_over.len(),
            tally.wrong.len(),
        );
        for (what, found) in [
            ("lost", &tally.lost),
            ("doubled", &doubled),
            ("left over", &left_over),
            ("wrong", &tally.wrong),
        ] {
            assert!(found.is_empty(), "{what}: {found:#?}");
        }
        assert_eq!(finished, jobs as u64, "finishes that the store has counted");
        assert!(jobs > 0, "nothing was tested");
    }
}
