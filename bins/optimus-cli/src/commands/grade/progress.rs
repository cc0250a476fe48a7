//! What is seen while programs are graded: a bar on a terminal, a line for each elsewhere.

use std::{
    io::{self, IsTerminal},
    sync::{Mutex, MutexGuard, PoisonError},
};

use optimus_common::counted;

use crate::output::{Bar, bar, harmless, note};

/// How far the programs are. Standard error, so that results are not disturbed.
pub(super) struct Progress {
    bar: Bar,
    seen: Seen,
    state: Mutex<State>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    Bar,
    Lines,
}

#[derive(Debug)]
struct State {
    total: usize,
    /// Of each program.
    tests: usize,
    done: usize,
    /// Names of those in the store.
    under_way: Vec<String>,
}

impl Progress {
    pub(super) fn new(total: usize, tests: usize) -> Self {
        Self {
            bar: bar("graded", total as u64),
            seen: if io::stderr().is_terminal() {
                Seen::Bar
            } else {
                Seen::Lines
            },
            state: Mutex::new(State {
                total,
                tests,
                done: 0,
                under_way: Vec::new(),
            }),
        }
    }

    /// A program is graded once more, which counts as one more program.
    pub(super) fn again(&self) {
        self.state().total += 1;
        self.bar.inc_length(1);
    }

    pub(super) fn begins(&self, name: &str) {
        let mut state = self.state();
        state.under_way.push(name.to_owned());
        self.bar.say(state.message());
    }

    pub(super) fn ends(&self, name: &str, how: &str) {
        let mut state = self.state();
        state.done += 1;
        if let Some(at) = state.under_way.iter().position(|other| other == name) {
            state.under_way.remove(at);
        }
        self.bar.say(state.message());
        self.bar.inc(1);
        if self.seen == Seen::Lines {
            // A line for each program, whatever it is called.
            let line = format!("{}/{} {name}: {how}", state.done, state.total);
            note(harmless(&line));
        }
    }

    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Whatever broke in the middle, the numbers are whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// How far a program's tests are, nobody knows before its job ends.
    fn message(&self) -> String {
        if self.under_way.is_empty() {
            return String::new();
        }
        format!(
            "{} each: {}",
            counted(self.tests, "test"),
            self.under_way.join(", ")
        )
    }
}
