//! Test cases that were read.

use optimus_common::submission::TestCase;
use serde_json::Value;

use super::{package::Package, settings::Settings};

/// Test cases, and what stands beside them.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) cases: Vec<TestCase>,
    /// For people, one for each case, such as `secret/02`.
    pub(crate) names: Vec<String>,
    pub(crate) settings: Settings,
    /// What was passed over, for people.
    pub(crate) notes: Vec<String>,
    /// Fields of a whole submission that this does not look into, to be sent as they are.
    pub(crate) rest: serde_json::Map<String, Value>,
}

impl From<Package> for Loaded {
    fn from(package: Package) -> Self {
        Self {
            cases: package.cases,
            names: package.names,
            settings: package.settings,
            notes: package.notes,
            rest: serde_json::Map::new(),
        }
    }
}
