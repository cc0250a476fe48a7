//! What a problem asks for.

use optimus_common::{checker::Checker, shape, submission::Submission};
use serde::{Deserialize, Deserializer};

/// What a problem asks for: the `optimus` section of `problem.yaml`, in the words of `POST /jobs`, over what the
/// problem says in the words of its format.
#[derive(Debug, Default, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default, remote = "Self", expecting = "a mapping")]
pub(crate) struct Settings {
    pub(crate) timeout_ms: Option<u64>,
    pub(crate) wall_timeout_ms: Option<u64>,
    pub(crate) compile_timeout_ms: Option<u64>,
    pub(crate) memory_limit_mb: Option<u64>,
    pub(crate) output_limit_bytes: Option<u64>,
    pub(crate) checker: Option<Checker>,
    pub(crate) stop_on_failure: bool,
    /// Arguments of the program. Only the format's own words give any.
    #[serde(skip)]
    pub(crate) args: Vec<String>,
}

impl<'de> Deserialize<'de> for Settings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::deserialize(shape::Object(deserializer))
    }
}

impl Settings {
    /// Asks for them, over what the submission asked for before.
    pub(crate) fn apply(&self, submission: &mut Submission) {
        let limits = [
            (self.timeout_ms, &mut submission.timeout_ms),
            (self.wall_timeout_ms, &mut submission.wall_timeout_ms),
            (self.compile_timeout_ms, &mut submission.compile_timeout_ms),
            (self.memory_limit_mb, &mut submission.memory_limit_mb),
            (self.output_limit_bytes, &mut submission.output_limit_bytes),
        ];
        for (set, current) in limits {
            *current = set.or(*current);
        }
        if let Some(checker) = self.checker {
            submission.checker = checker;
        }
        submission.stop_on_failure |= self.stop_on_failure;
        if !self.args.is_empty() {
            submission.args.clone_from(&self.args);
        }
    }
}
