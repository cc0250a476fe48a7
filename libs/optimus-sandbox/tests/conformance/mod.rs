//! What every backend must do. Each check gets a host of its own.

mod boxes;
mod ends;
mod job;
mod jobs;

use std::{any::Any, sync::Arc, time::Duration};

use async_trait::async_trait;
use optimus_common::WorkerId;
use optimus_sandbox::{Backend, BackendError, BoxSpec, ResourceLimits, RootRef, session::Session};

pub(crate) use boxes::*;
pub(crate) use ends::*;
pub(crate) use job::{Job, first_output};
pub(crate) use jobs::*;

/// Longer than any single step takes on a busy machine, an emulated one too; reached only where something hangs.
pub(crate) const TIMEOUT: Duration = Duration::from_mins(5);

/// A place where a backend makes its boxes, seen from outside.
#[async_trait(?Send)]
pub(crate) trait Host: Send + Sync {
    /// The backend as a new worker has it.
    async fn backend(&self, worker: WorkerId) -> Arc<dyn Backend>;

    /// A box with a shell, the usual tools and perl.
    fn spec(&self) -> BoxSpec;

    /// A box that cannot be made, for want of what is in it.
    fn missing(&self) -> BoxSpec;

    /// Whether this error says what is missing for that box.
    fn tells_missing(&self, error: &BackendError, spec: &BoxSpec) -> bool;

    /// Begins to make boxes and gives them up before they are made.
    async fn give_up(&self, backend: &dyn Backend, worker: &WorkerId);

    /// Leaves a box of a worker that is gone.
    async fn abandon(&self, worker: &WorkerId) -> Abandoned;

    /// Whether anything is left of the box of this name.
    async fn exists(&self, name: &str) -> bool;

    /// How many boxes this worker has, in whatever state.
    async fn boxes(&self, worker: &WorkerId) -> usize;

    /// Kills everything in a box behind the backend's back.
    async fn kill(&self, name: &str);
}

/// A box with room for all that is done here, of a shell's root or of this image.
pub(crate) fn shell_of(image: &str) -> BoxSpec {
    BoxSpec::new(
        RootRef {
            language: "shell".parse().unwrap(),
            image: image.to_owned(),
        },
        ResourceLimits {
            memory_bytes: 256 << 20,
            cpus: 1.0.into(),
            processes: 64,
            disk_bytes: 64 << 20,
            compile_disk_bytes: 64 << 20,
            open_files: 256,
        },
    )
}

/// A box whose worker is gone.
pub(crate) struct Abandoned {
    pub(crate) name: String,
    /// What must live on for the box to be there.
    pub(crate) _held: Box<dyn Any + Send>,
}

/// Makes a box whose agent is ready.
pub(crate) async fn open(backend: &dyn Backend, spec: &BoxSpec) -> Session {
    let live = backend.create(spec).await.unwrap();
    Session::open(live, TIMEOUT).await.unwrap()
}

/// Waits for something that nobody announces.
pub(crate) async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(TIMEOUT, wait)
        .await
        .unwrap_or_else(|_| panic!("never: {what}"));
}

/// Calls a macro with the names of all checks.
macro_rules! checks {
    ($then:ident) => {
        $then! {
            a_box_becomes_ready
            what_is_missing_is_told_by_name
            a_box_can_get_more_memory
            boxes_do_not_see_each_other
            a_job_runs_from_end_to_end
            a_compile_step_comes_first
            a_failed_compile_step_ends_the_job
            large_inputs_and_outputs_pass
            many_tests_pass_through_one_box
            a_destroyed_box_leaves_nothing
            a_dropped_box_leaves_nothing
            a_box_given_up_while_it_is_made_leaves_nothing
            a_box_that_has_done_its_job_leaves
            a_box_killed_in_the_middle_is_closed
            only_boxes_of_dead_workers_are_orphans
        }
    };
}
pub(crate) use checks;
