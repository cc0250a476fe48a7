//! A container engine of the suite's own, so that it can be killed: `dockerd` beside the one of this machine, with
//! nothing in common but the kernel.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use optimus_testkit::{boxes::Kind, process::Process, until, waiting::TIMEOUT};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::time::sleep;

use crate::{fleet::Options, jobs::Mix, load::Load, scene::Scene};

const IMAGE: &str = "optimus/python:3.12";

/// Its folders; its process is killed before they are removed.
#[derive(Debug)]
struct Engine {
    process: Process,
    dir: TempDir,
    started: u32,
}

impl Engine {
    /// An engine that has the image of this machine's one.
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let engine = Self {
            process: launch(dir.path(), 0),
            dir,
            started: 0,
        };
        engine.until_answering().await;
        let mut saving = Command::new("docker")
            .args(["save", IMAGE])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let loaded = docker(&engine.host())
            .arg("load")
            .stdin(saving.stdout.take().unwrap())
            .output()
            .unwrap();
        assert!(
            saving.wait().unwrap().success() && loaded.status.success(),
            "the image {IMAGE} is needed; run: cargo run -p optimus-cli -- build-image --all ({loaded:?})"
        );
        engine
    }

    fn host(&self) -> String {
        host(self.dir.path())
    }

    /// Dies as in a crash; its containers go on until it is back, and finds them.
    async fn kill_and_start_again(&mut self) {
        self.process.kill().await;
        self.start_again().await;
    }

    /// Leaves in peace, and takes its containers with it.
    async fn restart(&mut self) {
        self.process.signal(Signal::TERM);
        self.process.ended().await;
        self.start_again().await;
    }

    async fn start_again(&mut self) {
        // A service manager would try again where the new one finds the old one's helper, still dying.
        let helper = self.dir.path().join("exec/containerd/containerd.pid");
        if let Ok(pid) = fs::read_to_string(&helper) {
            let process = Path::new("/proc").join(pid.trim());
            until("the engine's helper is gone", async || !process.exists()).await;
            let _ = fs::remove_file(helper);
        }
        self.started += 1;
        self.process = launch(self.dir.path(), self.started);
        self.until_answering().await;
    }

    async fn until_answering(&self) {
        until("the engine answers", async || {
            ask(&self.host(), &["version"]).status.success()
        })
        .await;
    }

    /// Containers that are there for good: one that dies needs a moment to be removed.
    async fn left_over(&self) -> Vec<String> {
        let since = Instant::now();
        loop {
            let found = self.containers();
            if found.is_empty() || since.elapsed() > TIMEOUT {
                return found;
            }
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// All containers there are, dead or alive.
    fn containers(&self) -> Vec<String> {
        let found = ask(
            &self.host(),
            &["ps", "--all", "--format", "container {{.ID}} {{.Status}}"],
        );
        assert!(found.status.success(), "{found:?}");
        String::from_utf8(found.stdout)
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect()
    }

    /// Ends it; what it had mounted is gone with it.
    async fn stop(&mut self) {
        self.process.signal(Signal::TERM);
        self.process.ended().await;
    }
}

pub(crate) async fn running_jobs_survive_it() {
    let mut engine = Engine::start().await;
    let options = Options::of(Kind::Container).set("OPTIMUS__DOCKER__HOST", engine.host());
    let mut scene = Scene::start(options).await;
    let load = Load::start(&scene.fleet.client, Mix::Python, 3, u64::MAX);
    let work = async |awaited: &str| {
        let before = load.ended();
        until(awaited, async || load.ended() >= before + 4).await;
    };

    work("jobs end before the engine's restart").await;
    engine.restart().await;
    work("jobs end after the engine's restart").await;
    engine.kill_and_start_again().await;
    work("jobs end after the engine's death").await;
    scene.faults = 2;

    scene.tally = load.finish().await;
    let mut round = scene.end("docker/engine", 0).await;
    round.left_over.extend(engine.left_over().await);
    engine.stop().await;
    round.conclude();
}

impl Drop for Engine {
    /// What containers ran in outlives an engine that is killed.
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("{}", self.process.log_end());
        }
        let dir = self.dir.path().to_string_lossy();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let command = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let pid = entry
                .file_name()
                .to_string_lossy()
                .parse()
                .ok()
                .and_then(Pid::from_raw);
            if let (Some(pid), true) = (pid, String::from_utf8_lossy(&command).contains(&*dir)) {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        for mount in mounts.lines().filter(|line| line.contains(&*dir)) {
            let place = mount.split(' ').nth(4).unwrap();
            let _ = Command::new("umount").args(["--lazy", place]).status();
        }
    }
}

fn host(dir: &Path) -> String {
    format!("unix://{}", dir.join("docker.sock").display())
}

fn docker(host: &str) -> Command {
    let mut command = Command::new("docker");
    command.args(["--host", host]);
    command
}

fn ask(host: &str, args: &[&str]) -> Output {
    docker(host)
        .args(args)
        .output()
        .expect("the docker command is needed")
}

fn launch(dir: &Path, number: u32) -> Process {
    let below = |name: &str| -> PathBuf { dir.join(name) };
    // Of an engine that was killed.
    let _ = fs::remove_file(below("docker.pid"));
    // Without a bridge, an engine removes the one that it finds: that of this machine's engine.
    let mut command = Command::new("unshare");
    command
        .args(["--net", "--", "dockerd"])
        .args([
            "--host",
            &host(dir),
            "--bridge",
            "none",
            "--iptables=false",
            "--ip6tables=false",
        ])
        .args(["--shutdown-timeout", "1", "--log-level", "warn"])
        .args([
            "--containerd-namespace",
            "chaos",
            "--containerd-plugins-namespace",
            "chaos-plugins",
        ])
        .arg("--data-root")
        .arg(below("data"))
        .arg("--exec-root")
        .arg(below("exec"))
        .arg("--pidfile")
        .arg(below("docker.pid"));
    Process::start(&format!("dockerd-{number}"), dir, &mut command)
}
