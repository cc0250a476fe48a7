//! Asking a toolchain about itself.

use std::{
    io::{self, Read},
    os::unix::process::CommandExt,
    process::{Command, ExitStatus, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};

/// A toolchain that does not answer in this time is none.
const TIMEOUT: Duration = Duration::from_secs(10);
/// What is read of an answer.
const MAX_ANSWER: u64 = 64 << 10;

/// What the command prints of a version, in one line: run with nothing of this process' environment, as in a box.
pub(super) fn version(command: &str, path: &str) -> Result<String, String> {
    let mut shell = shell(command);
    shell
        .env_clear()
        .envs([("PATH", path), ("HOME", "/tmp"), ("LANG", "C.UTF-8")]);
    let (status, told) = run(&mut shell, CapturedStreams::BothStreams, TIMEOUT)
        .map_err(|error| describe_failure(command, &error))?;
    let line = first_line(&told);
    match line {
        Some(line) if status.success() => Ok(line.to_owned()),
        _ => Err(format!(
            "`{command}` fails ({}); what tells the version is build.version_command of the language's entry, which \
             add-lang takes as --version-command",
            line.unwrap_or("without a word")
        )),
    }
}

/// The first line the command prints, run with this process' environment: it knows which of several toolchains the
/// user has chosen.
pub(super) fn folder(command: &str, path: &str) -> Result<String, String> {
    let (status, told) = run(
        shell(command).env("PATH", path),
        CapturedStreams::OutputAlone,
        TIMEOUT,
    )
    .map_err(|error| describe_failure(command, &error))?;
    match first_line(&told) {
        Some(line) if status.success() => Ok(line.to_owned()),
        _ => Err(format!("`{command}` fails")),
    }
}

fn describe_failure(command: &str, error: &io::Error) -> String {
    format!("cannot run `{command}`: {error}")
}

fn shell(command: &str) -> Command {
    let mut shell = Command::new("/bin/sh");
    // Some choose a version by the current folder.
    shell.args(["-c", command]).current_dir("/");
    shell
}

/// What is read of a command's standard output and error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CapturedStreams {
    BothStreams,
    OutputAlone,
}

fn run(
    command: &mut Command,
    captured: CapturedStreams,
    timeout: Duration,
) -> io::Result<(ExitStatus, String)> {
    let (reader, writer) = io::pipe()?;
    let errors = match captured {
        CapturedStreams::BothStreams => writer.try_clone()?.into(),
        CapturedStreams::OutputAlone => Stdio::null(),
    };
    command
        .stdin(Stdio::null())
        .stdout(writer)
        .stderr(errors)
        .process_group(0);
    let mut child = command.spawn()?;
    // The command holds ends of the pipe.
    command.stdout(Stdio::null()).stderr(Stdio::null());

    let (send, told) = mpsc::channel();
    thread::spawn(move || {
        let mut text = Vec::new();
        let read = reader.take(MAX_ANSWER).read_to_end(&mut text).map(|_| text);
        // Nobody listens any more where the time was over.
        let _ = send.send(read);
    });
    let told = told.recv_timeout(timeout);
    // Until it is waited for, the id is nobody else's.
    if told.is_err()
        && let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw)
    {
        kill_process_group(group, Signal::KILL)?;
    }
    let status = child.wait()?;
    let told =
        told.map_err(|_| io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {timeout:?}")))??;
    Ok((status, String::from_utf8_lossy(&told).into_owned()))
}

/// The first line with anything in it.
pub(super) fn first_line(text: &str) -> Option<&str> {
    text.lines().map(str::trim).find(|line| !line.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "/usr/bin:/bin";

    #[test]
    fn a_version_is_the_first_line_of_either_stream() {
        assert_eq!(
            version("echo; echo ' X 1.2 ' >&2; echo more", PATH).as_deref(),
            Ok("X 1.2")
        );
        assert_eq!(
            version("echo PATH=$PATH ${CARGO-none}", PATH),
            Ok(format!("PATH={PATH} none"))
        );
    }

    #[test]
    fn a_command_that_fails_is_told_with_what_it_says() {
        let why = version("echo no such option; exit 9", PATH).unwrap_err();
        assert!(
            why.contains("fails (no such option); ") && why.contains("--version-command"),
            "{why}"
        );
        assert!(version("true", PATH).is_err());
        assert!(folder("echo only on standard error >&2", PATH).is_err());
    }

    #[test]
    fn a_command_that_never_ends_is_killed_with_its_children() {
        let mut forever = shell("echo begun; sleep 600 & sleep 600");
        let error = run(
            &mut forever,
            CapturedStreams::BothStreams,
            Duration::from_millis(100),
        )
        .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
