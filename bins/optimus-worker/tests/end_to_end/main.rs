//! The whole system end to end: real Redis, the API's and the worker's own binaries, real boxes; first containers, then
//! native ones.
//!
//! Needs root, `redis-server`, `redis-cli`, `docker`, the API's binary (`cargo build -p optimus-api`), the languages'
//! images (`cargo run -p optimus-cli -- build-image --all`) and their toolchains on this host. The scenarios run one
//! after another, since each of them uses the whole machine. `cargo test -p optimus-worker --test end_to_end -- NAME`
//! runs those whose name contains NAME, such as `native::chaos`.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

mod cancelling;
mod cases;
mod chaos;
mod departing;
mod evidence;
mod examples;
mod ledger;
mod obedient;
mod programs;
mod queueing;
mod renewing;
mod sizes;
mod submissions;
mod system;
mod tracing;
mod verdicts;

use std::{
    process::ExitCode,
    sync::{Arc, Mutex},
};

use libtest_mimic::{Arguments, Trial};
use optimus_testkit::boxes::Kind;
use tokio::runtime::Runtime;

use crate::system::{Options, System};

/// The system that the scenarios share which do it no harm. Started with the first of them.
#[derive(Clone)]
struct Shared {
    boxes: Kind,
    system: Arc<Mutex<Option<System>>>,
}

impl Shared {
    fn new(boxes: Kind) -> Self {
        Self {
            boxes,
            system: Arc::default(),
        }
    }

    /// Runs one scenario on the shared system.
    async fn with(&self, scenario: impl AsyncFnOnce(&System)) {
        let mut system = self.take();
        if system.is_none() {
            system = Some(System::start(Options::shared(self.boxes)).await);
        }
        scenario(system.as_ref().expect("it was started above")).await;
        *self.system.lock().expect("scenarios run one after another") = system;
    }

    fn take(&self) -> Option<System> {
        self.system
            .lock()
            .expect("scenarios run one after another")
            .take()
    }
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1);
    let runtime = Arc::new(Runtime::new().expect("a runtime can be made"));
    let shared = [Kind::Container, Kind::Native].map(Shared::new);
    let trials = shared
        .iter()
        .flat_map(|shared| scenarios(&runtime, shared))
        .collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    for system in shared.iter().filter_map(Shared::take) {
        runtime.block_on(system.stop());
    }
    conclusion.exit_code()
}

/// Every scenario, on boxes of one kind.
fn scenarios(runtime: &Arc<Runtime>, shared: &Shared) -> Vec<Trial> {
    let boxes = shared.boxes;
    let mut trials = Vec::new();
    macro_rules! on_the_shared_system {
        ($($module:ident :: $scenario:ident),* $(,)?) => {$({
            let (runtime, shared) = (Arc::clone(runtime), shared.clone());
            trials.push(trial(boxes, concat!(stringify!($module), "::", stringify!($scenario)), move || {
                runtime.block_on(shared.with($module::$scenario));
            }));
        })*};
    }
    macro_rules! on_a_system_of_its_own {
        ($($module:ident :: $scenario:ident),* $(,)?) => {$({
            let runtime = Arc::clone(runtime);
            trials.push(trial(boxes, concat!(stringify!($module), "::", stringify!($scenario)), move || {
                runtime.block_on($module::$scenario(boxes));
            }));
        })*};
    }

    on_the_shared_system! {
        verdicts::every_language_says_of_itself_what_it_is,
        verdicts::every_verdict_in_every_language,
        verdicts::an_exit_code_of_137_is_no_proof_of_memory,
        verdicts::sleeping_is_not_computing,
        evidence::every_way_to_end_in_every_language,
        submissions::several_files,
        submissions::arguments_and_environment,
        submissions::a_java_class_may_have_any_name,
        submissions::tests_after_a_failure_are_skipped_on_demand,
        submissions::points_and_checkers,
        submissions::a_repeated_submission_is_the_same_job,
        sizes::two_hundred_tests,
        sizes::an_input_of_64_mib,
        sizes::an_output_of_16_mib,
        sizes::a_source_of_1_mib,
        sizes::tests_that_are_not_utf8,
        examples::every_example_in_every_language,
        cancelling::a_running_job,
    }
    if boxes == Kind::Native {
        on_the_shared_system! { evidence::files_that_are_read_are_nobodys_memory }
    }
    for kind in cases::kinds() {
        let (runtime, shared) = (Arc::clone(runtime), shared.clone());
        trials.push(trial(boxes, &format!("cases::{kind}"), move || {
            runtime.block_on(shared.with(async |system| {
                cases::every_case_gets_what_is_right_for_it(system, &kind).await;
            }));
        }));
    }
    {
        let (runtime, shared) = (Arc::clone(runtime), shared.clone());
        trials.push(trial(
            boxes,
            "departing::the_shared_system_leaves_nothing_behind",
            move || {
                if let Some(system) = shared.take() {
                    runtime.block_on(system.stop());
                }
            },
        ));
    }
    on_a_system_of_its_own! {
        cancelling::a_queued_job,
        queueing::a_full_queue_answers_429_and_a_stopped_redis_503,
        queueing::urgent_jobs_go_first,
        queueing::two_workers_share_a_queue,
        queueing::an_idle_system_is_small,
        queueing::a_language_without_a_toolchain_is_no_fault_of_the_program,
        departing::running_jobs_are_finished_and_waiting_ones_stay,
        departing::a_job_without_end_is_given_back_to_the_next_worker,
        chaos::a_worker_dies,
        chaos::a_worker_freezes_and_wakes_up_later,
        chaos::redis_dies,
        chaos::the_api_dies,
        chaos::boxes_die,
        chaos::a_job_whose_boxes_always_die_is_not_blamed,
    }
    match boxes {
        Kind::Container => {
            on_a_system_of_its_own! { renewing::an_image_built_anew_is_used_and_proved_without_a_restart }
        }
        // What goes from process to process is the same for both kinds.
        Kind::Native => on_a_system_of_its_own! { tracing::a_job_is_one_trace_through_redis },
    }
    trials
}

fn trial(boxes: Kind, name: &str, run: impl FnOnce() + Send + 'static) -> Trial {
    Trial::test(format!("{}::{name}", boxes.backend()), move || {
        run();
        Ok(())
    })
}
