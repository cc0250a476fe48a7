//! What a worker asks of the boxes of a language.

use optimus_common::language::Language;
use optimus_judge::plan::usual_box_memory_bytes;
use optimus_sandbox::{BoxSpec, ResourceLimits, RootRef};

/// Processes the agent needs in a box beside the guest's.
const AGENT_PROCESSES: u32 = 16;

/// What boxes of a language offer. A job that needs more memory has its box grown.
pub(crate) fn box_spec(language: &Language) -> BoxSpec {
    let resources = &language.resources;
    BoxSpec {
        runtime: resources.runtime.clone(),
        ..BoxSpec::new(
            RootRef::from(language),
            ResourceLimits {
                memory_bytes: usual_box_memory_bytes(language),
                cpus: language.cpu_limit.into(),
                processes: resources
                    .processes
                    .saturating_mul(language.concurrency.max_parallel_tests)
                    .saturating_add(AGENT_PROCESSES),
                disk_bytes: resources.disk_mb.saturating_mul(1 << 20),
                compile_disk_bytes: resources.compile_disk_bytes(),
                open_files: resources.open_files,
            },
        )
    }
}
