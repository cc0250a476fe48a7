//! Whose turn it is.

use std::collections::VecDeque;

use super::exchange::ExecutionId;

/// The first test's number: the one before is [`ExecutionId::COMPILE`].
const FIRST: usize = 1;

/// Which tests are to be executed, in which order, and how many of them ahead of each other's ends. Tests are named by their
/// place among the test cases.
#[derive(Debug)]
pub(super) struct Schedule {
    tests: usize,
    /// The first test that was not begun.
    next: usize,
    /// Tests to be executed once more.
    again: VecDeque<usize>,
    /// Tests begun that have no verdict yet.
    open: usize,
    /// Most of them.
    at_once: usize,
    /// The test of each execution, in the order of their numbers.
    executed: Vec<usize>,
}

/// An execution of a test that begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Turn {
    pub(super) test: usize,
    pub(super) id: ExecutionId,
}

impl Schedule {
    /// Without a reason to stop, all tests go ahead: the box takes as many at once as it may.
    pub(super) fn new(tests: usize, stop_on_failure: bool) -> Self {
        Self {
            tests,
            next: 0,
            again: VecDeque::new(),
            open: 0,
            at_once: if stop_on_failure { 1 } else { tests },
            executed: Vec::with_capacity(tests),
        }
    }

    pub(super) fn turn(&mut self) -> Option<Turn> {
        let id = ExecutionId(u32::try_from(self.executed.len() + FIRST).ok()?);
        let test = if self.next < self.tests && self.open < self.at_once {
            self.open += 1;
            self.next += 1;
            self.next - 1
        } else {
            self.again.pop_front()?
        };
        self.executed.push(test);
        Some(Turn { test, id })
    }

    /// The test of an execution; `None` where there was no such execution.
    pub(super) fn test_of(&self, id: ExecutionId) -> Option<usize> {
        self.executed.get((id.0 as usize).checked_sub(FIRST)?).copied()
    }

    /// The test of this execution is to be executed once more.
    pub(super) fn again(&mut self, id: ExecutionId) {
        self.again.extend(self.test_of(id));
    }

    pub(super) fn has_verdict(&mut self) {
        self.open -= 1;
    }

    /// Whether every test has its verdict.
    pub(super) fn is_over(&self) -> bool {
        self.next == self.tests && self.open == 0
    }
}
