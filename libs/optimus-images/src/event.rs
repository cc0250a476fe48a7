//! What is told while images are built.

/// Hears of everything that takes long.
pub type Listener<'a> = dyn FnMut(Event<'_>) + Send + 'a;

/// Something that begins or goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'a> {
    /// A base is being pulled.
    Pulls { image: &'a str },
    /// What the engine says of the pull.
    PullGoesOn { image: &'a str, status: &'a str },
    /// The official base cannot be had, and the plain Debian takes its place.
    FallsBack {
        language: &'a str,
        official: &'a str,
        why: &'a str,
        debian: &'a str,
    },
    /// A language's image is being built.
    Builds { language: &'a str },
    /// An instruction of the Dockerfile, by its number among all of them.
    Step {
        language: &'a str,
        position: u64,
        steps: u64,
        what: &'a str,
    },
    /// Any other line of the build's output.
    Line(&'a str),
    /// What was pulled or built last is over, well or not.
    Ends,
}
