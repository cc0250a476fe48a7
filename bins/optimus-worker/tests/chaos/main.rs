//! Parts of a running system die, freeze, lose each other and run out of room, again and again. After each round a checker
//! looks at it from outside, and prints one line: every accepted job has ended once and rightly, and nothing is left over.
//! See `docs/chaos.md`.
//!
//! Needs what the end-to-end suite needs, the other binaries (`cargo build -p optimus-api -p optimus-cli`), a C compiler
//! and `dockerd`. `cargo test -p optimus-worker --test chaos -- NAME` runs the scenarios whose name contains NAME.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

mod binaries;
mod clocks;
mod connections;
mod disk;
mod engine;
mod failover;
mod fleet;
mod jobs;
mod leftovers;
mod load;
mod memory;
mod previous;
mod proxy;
mod random;
mod report;
mod scene;
mod seed;
mod sentinel;
mod served;
mod soak;
mod sqlite;
mod steps;
mod trivial;
mod upgrade;

use std::{process::ExitCode, sync::Arc};

use libtest_mimic::{Arguments, Trial};
use tokio::runtime::Runtime;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Each scenario uses the whole machine.
    arguments.test_threads = Some(1);
    let runtime = Arc::new(Runtime::new().expect("a runtime can be made"));
    let mut trials = Vec::new();
    macro_rules! trials {
        ($($module:ident :: $scenario:ident),* $(,)?) => {$({
            let runtime = Arc::clone(&runtime);
            trials.push(Trial::test(concat!(stringify!($module), "::", stringify!($scenario)), move || {
                runtime.block_on($module::$scenario());
                Ok(())
            }));
        })*};
    }
    trials! {
        steps::a_worker_dies_at_every_step,
        steps::the_api_dies_at_every_step,
        steps::redis_dies_at_every_step,
        steps::the_last_words_of_the_dead_arrive_late,
        sqlite::it_dies_at_every_step,
        sqlite::it_dies_at_random,
        random::native,
        random::containers,
        connections::every_trouble_of_every_path,
        memory::accepted_jobs_end_and_no_more_are_taken,
        disk::accepted_jobs_go_on_when_there_is_room_again,
        failover::what_was_accepted_survives_the_master,
        engine::running_jobs_survive_it,
        clocks::nobody_of_a_fleet_agrees,
        clocks::the_clock_under_sqlite_jumps,
        upgrade::each_release_takes_over_from_the_other,
        upgrade::a_fleet_is_upgraded_under_load,
        soak::redis,
        soak::sqlite,
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    binaries::remove();
    conclusion.exit_code()
}
