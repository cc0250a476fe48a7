//! Programs that are each to run in a box of its own.

use std::time::Duration;

use optimus_common::{language::Language, submission::Submission};
use optimus_judge::{
    engine::PairPart,
    plan::{JobPlan, file_contents, usual_box_memory_bytes},
    settings::LimitSettings,
};
use optimus_sandbox::{BoxSpec, ResourceLimits, RootRef};
use serde_json::json;

use crate::stage::Stage;

pub(crate) struct Part {
    language: Language,
    submission: Submission,
    plan: JobPlan,
}

impl Part {
    pub(crate) fn new(stage: &Stage, name: &str, source: &str) -> Self {
        Self::of(stage.language(name), source)
    }

    pub(crate) fn of(language: &Language, source: &str) -> Self {
        let submission: Submission = serde_json::from_value(json!({
            "language": language.name,
            "source_code": source,
            "test_cases": [{"id": 1}],
            "timeout_ms": 20_000,
            "wall_timeout_ms": 60_000,
            "compile_timeout_ms": 300_000,
        }))
        .unwrap();
        let limits = optimus_settings::defaults_of::<LimitSettings>("limits");
        let plan = JobPlan::new(&submission, language, &limits).unwrap();
        Self {
            language: language.clone(),
            submission,
            plan,
        }
    }

    pub(crate) fn wall_limit(mut self, limit: Duration) -> Self {
        self.plan.run.limits.wall_time = limit;
        self
    }

    pub(crate) fn spec(&self) -> BoxSpec {
        let resources = &self.language.resources;
        BoxSpec::new(
            RootRef::from(&self.language),
            ResourceLimits {
                memory_bytes: usual_box_memory_bytes(&self.language).max(self.plan.box_memory_bytes),
                cpus: self.language.cpu_limit.into(),
                processes: resources.processes + 16,
                disk_bytes: resources.disk_mb << 20,
                compile_disk_bytes: resources.compile_disk_bytes(),
                open_files: resources.open_files,
            },
        )
    }

    pub(crate) fn contents(&self) -> Vec<&[u8]> {
        file_contents(&self.submission, &self.language).collect()
    }

    pub(crate) fn planned<'a>(&'a self, contents: &'a [&'a [u8]]) -> PairPart<'a> {
        PairPart {
            plan: &self.plan,
            language: &self.language,
            contents,
        }
    }
}
