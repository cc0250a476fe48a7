//! `serve` as a person starts it on a machine of its own: the binary alone, native boxes, a database in a folder.
//!
//! Needs what native boxes need (`optimus-cli doctor`), python3 and gcc. `cargo test -p optimus-cli --test serve -- NAME`
//! runs the scenarios whose name contains NAME. `OPTIMUS_KILL_ROUNDS` says how often the process is killed (8).

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

mod client;
mod figures;
mod killing;
mod process;
mod scenarios;
mod tracing;

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
        scenarios::a_lone_binary_grades,
        scenarios::a_job_is_followed_while_it_runs,
        scenarios::languages_that_cannot_be_had_are_listed_with_the_reason,
        scenarios::a_second_owner_is_refused,
        scenarios::a_taken_port_is_told_before_anything_is_started,
        scenarios::an_address_for_everybody_has_to_be_said_twice,
        scenarios::an_idle_process_is_small,
        scenarios::running_jobs_are_finished_and_waiting_ones_resumed,
        scenarios::nothing_is_left_also_where_the_data_directory_vanishes,
        figures::a_worker_shows_what_it_counts,
        figures::an_address_that_is_taken_is_told,
        tracing::a_job_is_one_trace_from_the_client_to_each_run,
        tracing::a_job_without_a_client_s_trace_has_its_own_and_an_unsampled_one_none,
        tracing::a_collector_that_hangs_or_is_away_holds_nobody_up,
        tracing::what_the_environment_asks_for_in_vain_is_told,
        killing::no_accepted_job_is_lost_or_graded_twice,
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}
