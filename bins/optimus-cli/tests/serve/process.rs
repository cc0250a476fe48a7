//! A machine of its own, as far as one folder can be, and `serve` on it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
};

use optimus_testkit::{
    client::Client,
    executable,
    leftovers::{Leftovers, hierarchies},
    process::{LEAVE_TIMEOUT, Process},
    redis::free_port,
    until,
};
use rustix::process::Signal;
use tempfile::TempDir;
use tokio::time::timeout;

/// A folder that holds nothing but the binary, a port, and a cgroup that no other test uses.
#[derive(Debug)]
pub(crate) struct Machine {
    folder: TempDir,
    port: u16,
    cgroup: String,
    environment: Vec<(String, String)>,
}

impl Machine {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        executable::copy(
            env!("CARGO_BIN_EXE_optimus-cli"),
            folder.path().join("optimus-cli"),
        );
        let port = free_port();
        let cgroup = format!("optimus-test-{}-{port}", std::process::id());
        Self {
            folder,
            port,
            cgroup,
            environment: Vec::new(),
        }
    }

    /// With this in the environment of every process.
    pub(crate) fn with(mut self, name: &str, value: &impl ToString) -> Self {
        self.environment.push((name.to_owned(), value.to_string()));
        self
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn binary(&self) -> PathBuf {
        self.path().join("optimus-cli")
    }

    /// The binary with nothing of the test's environment but the search path.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(self.binary());
        command
            .args(args)
            .current_dir(self.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.path())
            .env("API_PORT", self.port.to_string())
            .env("OPTIMUS__NATIVE__CGROUP", format!("/{}", self.cgroup))
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        command
    }

    fn serve_command(&self, args: &[&str]) -> Command {
        let mut all = vec!["serve", "--backend", "native", "--data-dir", "data"];
        all.extend(args);
        self.command(&all)
    }

    /// Starts it, and does not wait for anything.
    pub(crate) fn launch(&self, args: &[&str]) -> Served {
        Served {
            process: Process::start("serve", self.path(), &mut self.serve_command(args)),
            client: self.client(),
        }
    }

    /// Starts it, and waits until python can be had.
    pub(crate) async fn serve(&self, args: &[&str]) -> Served {
        let mut served = self.launch(args);
        until("python can be had", async || {
            served.assert_running();
            served.client.is_available("python").await
        })
        .await;
        served
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(self.port)
    }

    /// Runs it to its end.
    pub(crate) async fn serve_in_vain(&self, args: &[&str]) -> std::process::Output {
        let mut command = tokio::process::Command::from(self.serve_command(args));
        timeout(LEAVE_TIMEOUT, command.kill_on_drop(true).output())
            .await
            .expect("it gives up")
            .unwrap()
    }

    pub(crate) fn leftovers(&self) -> Leftovers<'_> {
        Leftovers {
            binary: self.binary(),
            cgroup: &self.cgroup,
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // Empty, or the test has failed by now.
        for hierarchy in hierarchies() {
            let _ = fs::remove_dir(hierarchy.join(&self.cgroup));
        }
    }
}

/// A running `serve`; killed when dropped.
#[derive(Debug)]
pub(crate) struct Served {
    process: Process,
    pub(crate) client: Client,
}

impl Served {
    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    pub(crate) async fn until_available(&self, language: &str) {
        until("a language can be had", async || {
            self.client.is_available(language).await
        })
        .await;
    }

    pub(crate) fn assert_running(&mut self) {
        self.process.assert_running();
    }

    /// `kill -9`; it is dead when this returns.
    pub(crate) async fn kill(&mut self) {
        self.process.kill().await;
    }

    /// Asks it to leave.
    pub(crate) fn terminate(&self) {
        self.process.signal(Signal::TERM);
    }

    pub(crate) async fn ended(&mut self) -> ExitStatus {
        self.process.ended().await
    }

    /// Asks it to leave, and checks that it does so in good order.
    pub(crate) async fn leave(mut self) {
        let status = self.process.terminate().await;
        assert!(status.success(), "{status}; {}", self.process.log_end());
    }

    pub(crate) fn log(&self) -> String {
        self.process.log()
    }

    pub(crate) fn own_memory(&self) -> u64 {
        self.process.own_memory()
    }
}
