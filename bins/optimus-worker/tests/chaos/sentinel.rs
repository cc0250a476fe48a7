//! Two Redis servers, one of them a replica of the other, and a Sentinel that promotes it when the other one is gone.

use optimus_testkit::{
    process::Process,
    redis::{Redis, free_port},
    until,
};
use std::{fs, path::Path, process::Command};

const NAME: &str = "jobs";

#[derive(Debug)]
pub(crate) struct Sentinel {
    pub(crate) servers: [Redis; 2],
    process: Process,
    port: u16,
}

impl Sentinel {
    /// Returns when the second server is a replica that has everything, and the Sentinel knows both.
    pub(crate) async fn start(dir: &Path) -> Self {
        let folders = ["first", "second", "sentinel"].map(|name| dir.join(name));
        for folder in &folders {
            fs::create_dir(folder).unwrap();
        }
        // A replica is sent everything at once, and says often how far it is.
        let quick = [
            "--repl-diskless-sync-delay",
            "0",
            "--repl-ping-replica-period",
            "1",
        ];
        let first = Redis::start_with(&folders[0], &quick).await;
        let master = first.port().to_string();
        let replica = ["--replicaof", "127.0.0.1", &master];
        let second = Redis::start_with(&folders[1], &[&quick[..], &replica].concat()).await;

        let port = free_port();
        let settings = format!(
            "port {port}\nbind 127.0.0.1\ndir {}\n\
             sentinel monitor {NAME} 127.0.0.1 {master} 1\n\
             sentinel down-after-milliseconds {NAME} 700\n\
             sentinel failover-timeout {NAME} 4000\n",
            folders[2].display()
        );
        let file = folders[2].join("sentinel.conf");
        fs::write(&file, settings).unwrap();
        let mut command = Command::new("redis-server");
        command.arg(&file).arg("--sentinel");
        let sentinel = Self {
            servers: [first, second],
            process: Process::start("sentinel", dir, &mut command),
            port,
        };
        sentinel.until_replicated().await;
        sentinel
    }

    pub(crate) fn url(&self) -> String {
        format!("redis+sentinel://127.0.0.1:{}/{NAME}", self.port)
    }

    /// Which of the servers the Sentinel calls the master.
    pub(crate) fn master(&self) -> Option<usize> {
        let port = self.ask(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME]).pop()?;
        self.servers
            .iter()
            .position(|server| server.port().to_string() == port)
    }

    /// Waits until that one is the master no more.
    pub(crate) async fn until_not(&self, former: usize) {
        until("the Sentinel promotes the replica", async || {
            self.master().is_some_and(|master| master != former)
        })
        .await;
    }

    /// Waits until the master has a replica that follows, and the Sentinel sees it.
    pub(crate) async fn until_replicated(&self) {
        until("the master has a replica", async || {
            let Some(master) = self.master() else { return false };
            let info = self.servers[master].ask(&["INFO", "replication"]);
            // Online is one that has the file; it says a while later what it has of the stream.
            let follows = |line: &String| {
                line.contains("state=online") && line.contains("slave0:") && !line.contains("offset=0,")
            };
            let known = self.ask(&["SENTINEL", "REPLICAS", NAME]);
            let healthy = known
                .windows(2)
                .any(|pair| pair[0] == "flags" && pair[1] == "slave");
            info.iter().any(follows) && healthy
        })
        .await;
    }

    pub(crate) async fn stop(mut self) {
        self.process.kill().await;
        for server in &mut self.servers {
            server.kill().await;
        }
    }

    fn ask(&self, command: &[&str]) -> Vec<String> {
        let answer = Command::new("redis-cli")
            .args(["-p", &self.port.to_string()])
            .args(command)
            .output()
            .expect("redis-cli is needed; install redis-tools");
        String::from_utf8(answer.stdout)
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect()
    }
}
