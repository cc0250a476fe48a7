//! Child processes with their logs in files.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    process::{Child, Command},
    time::timeout,
};

/// Longer than any process here needs to leave.
pub const LEAVE_TIMEOUT: Duration = Duration::from_mins(1);

/// A running process; killed when dropped.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command` with both its output streams in `NAME.log` below `dir`.
    pub fn start(name: &str, dir: &Path, command: &mut std::process::Command) -> Self {
        let path = dir.join(format!("{name}.log"));
        let log = File::create(&path).unwrap();
        let program = command.get_program().to_owned();
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        let mut command = Command::from(std::mem::replace(command, std::process::Command::new("true")));
        let child = command
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {}: {error}", program.display()));
        Self {
            name: name.to_owned(),
            child,
            log: path,
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn pid(&self) -> u32 {
        self.child
            .id()
            .unwrap_or_else(|| panic!("{} has ended already", self.name))
    }

    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.pid().cast_signed()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// `kill -9`, and nothing of it is left when this returns.
    pub async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// Asks it to leave, and waits until it has.
    pub async fn terminate(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.ended().await
    }

    pub async fn ended(&mut self) -> ExitStatus {
        let Ok(status) = timeout(LEAVE_TIMEOUT, self.child.wait()).await else {
            panic!(
                "{} does not leave; its log ends with\n{}",
                self.name,
                self.log_end()
            );
        };
        status.unwrap()
    }

    /// How it ended, if it has.
    pub fn status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Panics with its log where it is no longer there.
    pub fn assert_running(&mut self) {
        if let Some(status) = self.status() {
            panic!(
                "{} ended with {status}; its log ends with\n{}",
                self.name,
                self.log_end()
            );
        }
    }

    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap()).into_owned()
    }

    /// Bytes of memory of its own. What is resident of its program's file is the kernel's to say: it reads ahead,
    /// and a test's program is several times as large as a release's.
    pub fn own_memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let kib = |line: &str| line.trim().trim_end_matches(" kB").parse::<u64>().unwrap();
        ["RssAnon:", "RssShmem:"]
            .map(|key| kib(status.lines().find_map(|line| line.strip_prefix(key)).unwrap()) << 10)
            .iter()
            .sum()
    }

    pub fn log_end(&self) -> String {
        let log = self.log();
        let lines: Vec<_> = log.lines().collect();
        let last = &lines[lines.len().saturating_sub(15)..];
        format!("--- {}\n{}", self.name, last.join("\n"))
    }
}
