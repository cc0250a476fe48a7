//! A machine of its own, as far as one folder can be, and `serve` on it.

use std::{
    fs::{self, File},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::{
    process::{Child, Command},
    time::timeout,
};

use crate::{
    client::Client,
    executable,
    leftovers::{Leftovers, hierarchies},
    until,
};

/// Longer than any process here needs to leave.
const LEAVE_TIMEOUT: Duration = Duration::from_mins(1);

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
        // Free now; nobody else asks for a certain port while the tests run.
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
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
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    fn serve_command(&self, args: &[&str]) -> Command {
        let mut all = vec!["serve", "--backend", "native", "--data-dir", "data"];
        all.extend(args);
        self.command(&all)
    }

    /// Starts it, and does not wait for anything.
    pub(crate) fn launch(&self, args: &[&str]) -> Served {
        let log = self.path().join("serve.log");
        let file = File::options().create(true).append(true).open(&log).unwrap();
        let child = self
            .serve_command(args)
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .unwrap();
        Served {
            child,
            log,
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
        Client::new(format!("http://127.0.0.1:{}", self.port))
    }

    /// Runs it to its end.
    pub(crate) async fn serve_in_vain(&self, args: &[&str]) -> std::process::Output {
        timeout(LEAVE_TIMEOUT, self.serve_command(args).output())
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
    child: Child,
    log: PathBuf,
    pub(crate) client: Client,
}

impl Served {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// Panics with its log where it is no longer there.
    pub(crate) fn assert_running(&mut self) {
        if let Some(status) = self.child.try_wait().unwrap() {
            panic!("serve ended with {status}; its log:\n{}", self.log());
        }
    }

    /// `kill -9`; it is dead when this returns.
    pub(crate) async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// Asks it to leave.
    pub(crate) fn terminate(&self) {
        let pid = Pid::from_raw(self.pid().cast_signed()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
    }

    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let Ok(status) = timeout(LEAVE_TIMEOUT, self.child.wait()).await else {
            panic!("serve does not leave; its log:\n{}", self.log());
        };
        status.unwrap()
    }

    /// Asks it to leave, and checks that it does so in good order.
    pub(crate) async fn leave(mut self) {
        self.terminate();
        let status = self.ended().await;
        assert!(status.success(), "{status}; its log:\n{}", self.log());
    }

    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap()).into_owned()
    }

    /// Bytes of memory of its own. What is resident of its program's file is the kernel's to say: it reads ahead,
    /// and a test's program is several times as large as a release's.
    pub(crate) fn own_memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let kib = |line: &str| line.trim().trim_end_matches(" kB").parse::<u64>().unwrap();
        ["RssAnon:", "RssShmem:"]
            .map(|key| kib(status.lines().find_map(|line| line.strip_prefix(key)).unwrap()) << 10)
            .iter()
            .sum()
    }
}
