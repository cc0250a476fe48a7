//! The command line of Optimus. Everything is in the library.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    // Before anything that starts a thread: this program is also the process that makes native boxes.
    #[cfg(target_os = "linux")]
    if let Some(ended) = optimus_sandbox::native::divert(optimus_runner::in_box) {
        return ended;
    }
    optimus_cli::main()
}
