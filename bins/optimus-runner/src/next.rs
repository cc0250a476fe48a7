//! How the job goes on after a phase.

/// What has to be done after a phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    GoOn,
    /// Nothing more is asked of the box, as for a program that does not compile.
    Stop,
}
