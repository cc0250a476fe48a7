//! What came of an attempt.

/// What an attempt to break out has come to.
pub(in crate::native::layers) enum ProbeOutcome {
    /// Every attempt failed: what was tried.
    Held(String),
    /// An attempt worked: which one.
    Broken(String),
}
