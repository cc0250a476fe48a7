//! An error with everything that led to it, in one line.

use std::error::Error;

/// The error's own words and those of its causes, outermost first. An error alone tells what could not be done; the
/// reason is among its causes, so whatever becomes a text for a person goes through here.
pub fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        // Some libraries repeat their cause in their own words.
        if !text.ends_with(&words) {
            text = format!("{text}: {words}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    enum Outer {
        #[error("cannot start")]
        Start(#[source] Inner),
        #[error("cannot start: {0}")]
        Repeats(#[source] Inner),
    }

    #[derive(Debug, thiserror::Error)]
    #[error("cannot make a file")]
    struct Inner(#[source] io::Error);

    fn inner() -> Inner {
        Inner(io::Error::from_raw_os_error(28))
    }

    #[test]
    fn the_innermost_reason_is_told_and_nothing_twice() {
        let expected = "cannot start: cannot make a file: No space left on device (os error 28)";
        assert_eq!(causes(&Outer::Start(inner())), expected);
        assert_eq!(causes(&Outer::Repeats(inner())), expected);
    }
}
