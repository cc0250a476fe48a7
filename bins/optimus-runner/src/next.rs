//! How the job goes on after a phase.

/// What has to be done after a phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    GoOn,
    /// The job is done early: the program does not compile.
    Stop,
}
