//! Whether the evidence that verdicts rest on is right, and stays right on a busy machine, on both backends.
//!
//! Needs root, a C compiler, and what the backends need: for containers an engine and a base image, as the suite `docker`
//! does. The process that makes native boxes is this very program, started again with an argument, so it brings its own
//! `main`. `cargo test -p optimus-sandbox --test evidence -- NAME` runs those tests whose name contains NAME, such as
//! `native`.

#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it has measured and what not"
)]

#[path = "../support/build.rs"]
mod build;
mod burners;
mod kinds;
mod near;
mod peak;
mod place;
mod played;
mod program;
mod slow_disk;
mod sums;

use std::{process::ExitCode, sync::Arc};

use libtest_mimic::{Arguments, Trial};
use optimus_sandbox::native;
use optimus_testkit::boxes::Kind;
use tokio::runtime::Runtime;

use crate::place::Place;

fn main() -> ExitCode {
    if let Some(code) = native::divert(optimus_runner::in_box) {
        return code;
    }
    let mut arguments = Arguments::from_args();
    // Each uses the whole machine.
    arguments.test_threads = Some(1);
    let runtime = Arc::new(Runtime::new().unwrap());
    let mut trials = Vec::new();
    macro_rules! on {
        ($kind:expr, $($module:ident :: $test:ident),* $(,)?) => {
            on!($kind, Place::new($kind), $($module :: $test),*)
        };
        ($kind:expr, $place:expr, $($module:ident :: $test:ident),*) => {$({
            let runtime = Arc::clone(&runtime);
            let name = format!("{}::{}::{}", $kind.backend(), stringify!($module), stringify!($test));
            trials.push(Trial::test(name, move || {
                runtime.block_on(async { $module::$test(&$place.await).await });
                Ok(())
            }));
        })*};
    }
    // Native boxes see of the host's files what is in memory, and never wait for a disk. Nor do containers whose image is held there.
    on!(
        Kind::Container,
        Place::without_held_images(),
        slow_disk::who_waits_for_a_disk_is_not_out_of_time
    );
    for kind in [Kind::Native, Kind::Container] {
        on! {
            kind,
            near::every_verdict_near_a_limit_is_the_same_fifty_times,
            near::output_is_limited_to_the_byte,
            peak::memory_is_what_a_program_has_touched,
            played::who_waits_for_another_thread_waits_for_no_disk,
            sums::cpu_time_of_threads_and_processes_is_summed,
            sums::starting_a_program_costs_it_little,
        }
    }
    for kind in [Kind::Native, Kind::Container] {
        let runtime = Arc::clone(&runtime);
        let name = format!(
            "{}::kinds::memory_is_the_same_whatever_was_before",
            kind.backend()
        );
        trials.push(Trial::test(name, move || {
            runtime.block_on(kinds::memory_is_the_same_whatever_was_before(kind));
            Ok(())
        }));
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    drop(runtime);
    place::clean_up();
    conclusion.exit_code()
}
