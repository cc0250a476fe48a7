//! What may go wrong with images.

use std::{error::Error as StdError, io, path::PathBuf};

use optimus_common::LanguageName;
use optimus_sandbox::docker::ConnectError;

pub type Result<T> = std::result::Result<T, Error>;

/// A cause of another library, whose types are no part of this one.
pub(crate) type Cause = Box<dyn StdError + Send + Sync>;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("cannot look for the image {image}")]
    Look {
        image: String,
        #[source]
        cause: Cause,
    },
    #[error("cannot inspect {image}")]
    Inspect {
        image: String,
        #[source]
        cause: Cause,
    },
    #[error("cannot see who uses the image {image}")]
    Users {
        image: String,
        #[source]
        cause: Cause,
    },
    /// In the engine's own words: what was to be removed with the image, whoever asked has to say.
    #[error(transparent)]
    Remove(Cause),
    #[error("cannot pull {official} ({why}), and {language} has no Debian packages to build from instead")]
    NoPackages {
        language: LanguageName,
        official: String,
        why: String,
    },
    #[error(
        "cannot pull {official} ({why}), and there is no {debian} to build on instead; ./setup.sh makes one, \
         OPTIMUS_DEBIAN_BASE or --base-image names another"
    )]
    NoBase {
        official: String,
        why: String,
        debian: String,
    },
    #[error("language {language}: dockerfile_path {} is not in a folder of dockerfiles/", path.display())]
    NotInContext { language: LanguageName, path: PathBuf },
    #[error(
        "{} is missing, the program inside every box; build it with: sh dockerfiles/optimus/build.sh",
        path.display()
    )]
    NoAgent { path: PathBuf },
    #[error("cannot {operation}")]
    File { operation: String, source: io::Error },
    #[error("cannot build {image}: {failure}\nthe end of its log:\n  {}", log.join("\n  "))]
    Build {
        image: String,
        failure: String,
        /// The end of the build's output.
        log: Vec<String>,
    },
}

impl Error {
    /// What could not be done to a file.
    pub(crate) fn file(operation: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let operation = operation.into();
        move |source| Self::File { operation, source }
    }
}
