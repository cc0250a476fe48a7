//! What is told while benchmarks run.

/// Hears how far they are.
pub type Listener<'a> = dyn FnMut(Event<'_>) + Send + 'a;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'a> {
    /// Something begins that takes so many steps; none where it is one.
    Begins { what: &'a str, steps: Option<usize> },
    /// One of its steps is done.
    Step,
    /// What began last is over.
    Ends,
    /// A part of a benchmark cannot be measured here.
    LeftOut {
        benchmark: &'a str,
        what: &'a str,
        why: &'a str,
    },
}
