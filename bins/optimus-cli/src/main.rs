//! The command line of Optimus. Everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    optimus_cli::main()
}
