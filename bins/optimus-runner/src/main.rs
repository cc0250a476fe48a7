//! The agent inside every box: what `runner.sh` calls for all that a shell cannot do.
#![forbid(unsafe_code)]

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    optimus_runner::main()
}

#[cfg(not(target_os = "linux"))]
#[expect(clippy::print_stderr, reason = "there is nobody else to tell")]
fn main() -> std::process::ExitCode {
    eprintln!("optimus-runner is the agent inside Linux boxes; it does nothing on other systems");
    std::process::ExitCode::FAILURE
}
