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
mod groups;
mod host;
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
    if groups::exists(&base) {
        groups::remove(&base[1..]);
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
