//! How a command ends. The codes are a contract with scripts, documented in `--help` and `docs/cli.md`.

use std::{fmt, path::Path, process::ExitCode};

use anyhow::Context;
use optimus_common::causes;

/// Shown below every `--help`.
pub(crate) const CODES: &str = "\
Exit codes:
  0  done; for a job: accepted; for grade: every verdict as expected
  1  the job was graded and is not accepted; for grade: a verdict not as expected
  2  the request is wrong: bad arguments or files, or refused by the API
  3  trouble of the system: no API, no engine, a failed build, a job that could not be graded
  4  the job was cancelled
  5  the job has not finished
  6  this machine cannot make native boxes (doctor)";

/// The end of a command that did what it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    Done,
    NotAccepted,
    /// The job ended without being graded, by a failure of Optimus.
    NotGraded,
    Cancelled,
    Unfinished,
    /// There can be no native boxes.
    NoBoxes,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::NotAccepted => 1,
            Exit::NotGraded => 3,
            Exit::Cancelled => 4,
            Exit::Unfinished => 5,
            Exit::NoBoxes => 6,
        })
    }
}

/// Why a command could not do it, and whose turn it is.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Whoever called must ask for something else.
    Usage(anyhow::Error),
    /// The same request may succeed once the system is right.
    System(anyhow::Error),
}

impl Failure {
    pub(crate) fn usage(message: impl fmt::Display + fmt::Debug + Send + Sync + 'static) -> Self {
        Self::Usage(anyhow::Error::msg(message))
    }

    pub(crate) fn system(message: impl fmt::Display + fmt::Debug + Send + Sync + 'static) -> Self {
        Self::System(anyhow::Error::msg(message))
    }
}

/// Nothing that goes wrong with an image is a matter of how it was asked for.
impl From<optimus_images::Error> for Failure {
    fn from(error: optimus_images::Error) -> Self {
        Self::System(error.into())
    }
}

impl From<Failure> for ExitCode {
    fn from(failure: Failure) -> Self {
        Self::from(match failure {
            Failure::Usage(_) => 2,
            Failure::System(_) => 3,
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Usage(error) | Self::System(error)) = self;
        f.write_str(&causes(error.as_ref()))
    }
}

/// Says of an error which of the two it is.
pub(crate) trait Classify<T> {
    fn usage(self) -> Result<T, Failure>;
    fn system(self) -> Result<T, Failure>;
}

impl<T, E: Into<anyhow::Error>> Classify<T> for Result<T, E> {
    fn usage(self) -> Result<T, Failure> {
        self.map_err(|error| Failure::Usage(error.into()))
    }

    fn system(self) -> Result<T, Failure> {
        self.map_err(|error| Failure::System(error.into()))
    }
}

/// A file or a folder that somebody has named, and that cannot be read.
pub(crate) fn or_cannot_read<T, E>(path: &Path, result: Result<T, E>) -> Result<T, Failure>
where
    Result<T, E>: Context<T, E>,
{
    result
        .with_context(|| format!("cannot read {}", path.display()))
        .usage()
}

#[cfg(test)]
mod tests {
    use std::{error::Error, io};

    use super::*;

    #[test]
    fn a_cause_is_told_once() {
        /// Has its cause in its own words, as errors of some libraries have.
        #[derive(Debug)]
        struct Unreachable(io::Error);

        impl fmt::Display for Unreachable {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "not reachable: {}", self.0)
            }
        }

        impl Error for Unreachable {
            fn source(&self) -> Option<&(dyn Error + 'static)> {
                Some(&self.0)
            }
        }

        let error = anyhow::Error::new(Unreachable(io::Error::other("refused"))).context("Redis");
        assert_eq!(
            Failure::System(error).to_string(),
            "Redis: not reachable: refused"
        );
    }
}
