//! The command line of Optimus.
//!
//! - `args`: what can be typed; `commands`: what it does, one module each
//! - `registry`: `languages.json`, edited so that concurrent edits never corrupt it
//! - `presets`: what is known of languages without being told
//! - `api`: the HTTP API that a command asks; `standing`: how far a job is, by what the API tells of it
//! - `testcases`: test cases from folders and files, problem packages; `programs`: programs from files
//! - `embedded`: the whole of Optimus in this process
//! - `exit`, `output`: how a command ends, and how it says so
#![forbid(unsafe_code)]

mod api;
mod args;
mod commands;
mod embedded;
mod exit;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod json;
mod output;
mod presets;
mod programs;
mod project;
mod registry;
mod standing;
mod testcases;

use std::{process::ExitCode, thread::available_parallelism};

use clap::Parser;

use crate::{
    args::{Cli, Command},
    exit::Failure,
    output::{Output, print_error, refuse},
};

/// Reads the arguments, runs the command, and says by the exit code how it ended.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() => return refuse(&error),
        // Help and version are no errors.
        Err(error) => error.exit(),
    };
    let output = Output::new(cli.format());
    let ended = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads(&cli.command))
        .enable_all()
        .build()
        .map_err(|error| Failure::System(anyhow::Error::new(error).context("cannot start the runtime")))
        .and_then(|runtime| runtime.block_on(commands::run(cli, &output)));
    match ended {
        Ok(exit) => exit.into(),
        Err(failure) => {
            print_error(&failure);
            failure.into()
        }
    }
}

/// What grades keeps every CPU busy; what asks an API does not.
fn threads(command: &Command) -> usize {
    match command {
        Command::Serve(_) | Command::Grade(_) => available_parallelism().map_or(1, Into::into),
        _ => 2,
    }
}
