//! A Redis server of a test's own.

use std::{
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::Command,
};

use crate::{process::Process, waiting::until};

#[derive(Debug)]
pub struct Redis {
    process: Process,
    dir: PathBuf,
    port: u16,
    arguments: Vec<String>,
}

impl Redis {
    pub async fn start(dir: &Path) -> Self {
        Self::start_with(dir, &[]).await
    }

    /// With more arguments than those by which it keeps its data.
    pub async fn start_with(dir: &Path, arguments: &[&str]) -> Self {
        let port = free_port();
        let arguments: Vec<_> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let redis = Self {
            process: launch(dir, port, &arguments),
            dir: dir.to_owned(),
            port,
            arguments,
        };
        redis.until_answering().await;
        redis
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn process(&self) -> &Process {
        &self.process
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Dies as in a crash: nothing is flushed, nobody is told.
    pub async fn kill(&mut self) {
        self.process.kill().await;
    }

    /// Starts it again with what it had written.
    pub async fn start_again(&mut self) {
        self.process = launch(&self.dir, self.port, &self.arguments);
        self.until_answering().await;
    }

    pub async fn stop(&mut self) {
        self.process.terminate().await;
    }

    /// The answer of one command, a line for each element.
    pub fn ask(&self, command: &[&str]) -> Vec<String> {
        let answer = self
            .cli(command)
            .output()
            .expect("redis-cli is needed; install redis-tools");
        assert!(answer.status.success(), "redis-cli {command:?}: {answer:?}");
        String::from_utf8(answer.stdout)
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect()
    }

    fn cli(&self, command: &[&str]) -> Command {
        let mut cli = Command::new("redis-cli");
        cli.args(["-p", &self.port.to_string()]).args(command);
        cli
    }

    async fn until_answering(&self) {
        until("Redis answers", async || {
            let answer = self
                .cli(&["PING"])
                .output()
                .expect("redis-cli is needed; install redis-tools");
            answer.stdout.starts_with(b"PONG")
        })
        .await;
    }
}

fn launch(dir: &Path, port: u16, arguments: &[String]) -> Process {
    let mut command = Command::new("redis-server");
    command
        .current_dir(dir)
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1"]);
    // It is killed here, and what it had answered to must be there again: see docs/queue.md.
    command
        .args([
            "--appendonly",
            "yes",
            "--appendfsync",
            "always",
            "--save",
            "",
            "--dir",
        ])
        .arg(dir)
        .args(arguments);
    Process::start("redis", dir, &mut command)
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}
