//! The native backend on this machine, with the real agent.
//!
//! Needs root, and what the layers of native boxes need; `newuidmap` for boxes of an ordinary user. The process that makes
//! boxes, the programs that try to break out of them, and workers that are killed are this very program, started again
//! with an argument, so it brings its own `main`. `cargo test -p optimus-sandbox --test native -- NAME` runs those tests
//! whose name contains NAME.

#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and a process says what it holds"
)]

#[path = "../conformance/mod.rs"]
mod conformance;
mod copies;
mod crashes;
mod deaths;
mod host;
mod isolation;
mod leftovers;
mod roles;

use std::{env, process::ExitCode, sync::Arc};

use libtest_mimic::{Arguments, Trial};
use optimus_sandbox::native;
use tokio::runtime::Runtime;

use crate::{
    host::NativeHost,
    roles::{Grant, Place},
};

fn main() -> ExitCode {
    if let Some(code) = native::divert(optimus_runner::in_box) {
        return code;
    }
    let given: Vec<_> = env::args().skip(1).collect();
    if let Some(code) = roles::hold(&given) {
        return code;
    }
    let runtime = Arc::new(Runtime::new().unwrap());
    if let Some(place) = roles::given_place(&given) {
        let arguments = Arguments {
            test_threads: Some(1),
            ..Arguments::default()
        };
        return libtest_mimic::run(&arguments, conformance_suite(&runtime, &place)).exit_code();
    }

    let mut arguments = Arguments::from_args();
    // Some of them count what is left over, and each uses the whole machine.
    arguments.test_threads = Some(1);
    let base = format!("/optimus-test-{}", std::process::id());
    let place = Place {
        cgroup: base.clone(),
        base: base.clone(),
        allow_missing: Vec::new(),
    };
    let mut trials = conformance_suite(&runtime, &place);
    macro_rules! of_native_boxes {
        ($($module:ident :: $test:ident),* $(,)?) => {$({
            let (runtime, place) = (Arc::clone(&runtime), place.clone());
            trials.push(Trial::test(concat!(stringify!($module), "::", stringify!($test)), move || {
                runtime.block_on($module::$test(&place));
                Ok(())
            }));
        })*};
    }
    of_native_boxes! {
        isolation::two_boxes_cannot_find_each_other,
        isolation::folders_may_have_any_name,
        isolation::a_place_outside_of_a_box_is_refused,
        isolation::another_runtime_is_not_to_be_had,
        isolation::a_language_is_prepared_once_and_then_read_only,
        copies::that_of_a_toolchain_which_has_changed_is_given_back,
        crashes::a_crash_in_a_box_starts_no_program_of_the_host,
        deaths::a_worker_that_is_killed_leaves_nothing,
        deaths::a_worker_killed_with_its_spawner_leaves_no_process,
        leftovers::a_spawner_that_is_killed_takes_its_boxes_along,
        leftovers::a_box_that_cannot_be_limited_leaves_no_group,
        leftovers::sixty_four_boxes_at_once,
        leftovers::a_thousand_boxes_leave_nothing,
    }
    trials.push(Trial::test("a_user_with_granted_uids", || {
        roles::run_suite_as_user(Grant::Usual, &["private-devices"]);
        Ok(())
    }));
    trials.push(Trial::test("a_user_with_one_uid", || {
        roles::run_suite_as_user(Grant::None, &["private-devices", "guest-uids"]);
        Ok(())
    }));
    let conclusion = libtest_mimic::run(&arguments, trials);
    drop(runtime);
    if optimus_testkit::cgroups::exists(&base) {
        optimus_testkit::cgroups::remove(&base[1..]);
    }
    conclusion.exit_code()
}

/// What every backend must do, each check with a worker of its own.
fn conformance_suite(runtime: &Arc<Runtime>, place: &Place) -> Vec<Trial> {
    let mut trials = Vec::new();
    macro_rules! trials {
        ($($check:ident)*) => {$({
            let (runtime, place) = (Arc::clone(runtime), place.clone());
            trials.push(Trial::test(concat!("conformance::", stringify!($check)), move || {
                runtime.block_on(conformance::$check(&NativeHost::new(&place)));
                Ok(())
            }));
        })*};
    }
    conformance::checks!(trials);
    trials
}
