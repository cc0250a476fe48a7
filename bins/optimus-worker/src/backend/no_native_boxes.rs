//! Why a host has no native boxes.

use std::fmt;

use super::isolation_report::IsolationReport;

/// Why this host has no native boxes.
#[derive(Debug)]
pub enum NoNativeBoxes {
    /// Layers that are missing and must not be.
    LayersMissing(IsolationReport),
    /// What went wrong although no layer is missing.
    Failed(String),
}

impl NoNativeBoxes {
    /// In a line.
    pub(super) fn summary(&self) -> String {
        match self {
            Self::LayersMissing(report) => report.summary(),
            Self::Failed(reason) => reason.clone(),
        }
    }
}

/// With what to do about it.
impl fmt::Display for NoNativeBoxes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LayersMissing(report) => write!(f, "{report}"),
            Self::Failed(reason) => f.write_str(reason),
        }
    }
}
