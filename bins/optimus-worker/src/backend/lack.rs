//! Why a host has no native boxes.

use std::fmt;

use super::survey::Survey;

/// Why this host has no native boxes.
#[derive(Debug)]
pub enum Lack {
    /// Layers that are missing and must not be.
    Layers(Survey),
    /// What went wrong although no layer is missing.
    Trouble(String),
}

impl Lack {
    /// In a line.
    pub(super) fn summary(&self) -> String {
        match self {
            Self::Layers(survey) => survey.summary(),
            Self::Trouble(reason) => reason.clone(),
        }
    }
}

/// With what to do about it.
impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Layers(survey) => write!(f, "{survey}"),
            Self::Trouble(reason) => f.write_str(reason),
        }
    }
}
