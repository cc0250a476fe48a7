//! The program itself: its start, its log, its end.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, ChildStderr, Command, Stdio},
};

use reqwest::StatusCode;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{Redis, submission};

/// A running `optimus-api`, killed when the test ends before it does.
pub(crate) struct Program {
    process: Child,
    log: BufReader<ChildStderr>,
}

impl Program {
    pub(crate) fn start(redis: &Redis) -> Self {
        Self::start_with(redis, &[])
    }

    /// Starts with these variables set.
    pub(crate) fn start_with(redis: &Redis, variables: &[(&str, &str)]) -> Self {
        let languages = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/languages.json");
        let mut process = Command::new(env!("CARGO_BIN_EXE_optimus-api"))
            .args(["--port", "0", "--redis-url", &redis.url()])
            .env("OPTIMUS__LANGUAGES_FILE", languages)
            .env("OPTIMUS__LOG__JSON", "true")
            .env_remove("RUST_LOG")
            .envs(variables.iter().copied())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(process.stderr.take().unwrap());
        Self { process, log }
    }

    /// Where it listens, as soon as it does.
    pub(crate) fn address(&mut self) -> String {
        let event = self.logs("listening");
        event["fields"]["address"].as_str().unwrap().to_owned()
    }

    /// The most memory it ever had.
    pub(crate) fn peak_kib(&self) -> u64 {
        memory_kib(self.process.id(), "VmHWM:")
    }

    /// Reads the log up to the event with this message.
    fn logs(&mut self, message: &str) -> Value {
        loop {
            let mut line = String::new();
            assert!(
                self.log.read_line(&mut line).unwrap() > 0,
                "the log ended before {message:?}"
            );
            assert!(
                !line.contains("print(input())"),
                "the log never holds code: {line}"
            );
            let event: Value = serde_json::from_str(&line).unwrap();
            if event["fields"]["message"].as_str().unwrap().contains(message) {
                return event;
            }
        }
    }

    fn terminate(&self) {
        let id = self.process.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-TERM", &id])
                .status()
                .unwrap()
                .success()
        );
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It has usually ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn memory_kib(process: u32, figure: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(figure)).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_waits_for_redis_serves_and_ends_on_sigterm() {
    let redis = Redis::start();
    redis.kill();
    let mut program = Program::start(&redis);
    program.logs("not reachable");
    redis.resume();

    let address = program.address();
    // Of its own: what is resident of the program's file is the kernel's to say.
    let idle = memory_kib(program.process.id(), "RssAnon:");
    assert!(idle < 12 << 10, "{idle} KiB when idle");

    let url = format!("http://{address}/jobs?wait=0.01");
    let answer = reqwest::Client::new()
        .post(url)
        .json(&submission())
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    let request_id = answer.headers()["x-request-id"].to_str().unwrap().to_owned();
    let accepted: Value = answer.json().await.unwrap();
    let event = program.logs("answered");
    assert_eq!(event["fields"]["status"], 202);
    assert!(event["fields"]["duration_ms"].is_u64());
    assert_eq!(event["span"]["job_id"], accepted["job_id"]);
    assert_eq!(event["span"]["language"], "python");
    assert_eq!(event["span"]["request_id"], request_id);

    program.terminate();
    program.logs("shutting down");
    assert!(program.process.wait().unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_the_program_whatever_is_under_way() {
    let redis = Redis::start();
    let patient = [
        ("OPTIMUS__API__SHUTDOWN_MS", "3600000"),
        ("OPTIMUS__API__SLOW_CLIENT_MS", "3600000"),
    ];
    let mut program = Program::start_with(&redis, &patient);
    let mut request = TcpStream::connect(program.address()).await.unwrap();
    let head = "POST /jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\
                Expect: 100-continue\r\n\r\n";
    request.write_all(head.as_bytes()).await.unwrap();
    // It says that it goes on: from here on the request is under way.
    request.read_u8().await.unwrap();

    program.terminate();
    program.logs("shutting down");
    assert_eq!(program.process.try_wait().unwrap(), None);
    program.terminate();
    assert_eq!(program.process.wait().unwrap().code(), Some(130));
}

#[test]
fn a_wrong_setting_is_told_and_ends_the_program() {
    let ended = Command::new(env!("CARGO_BIN_EXE_optimus-api"))
        .env("OPTIMUS__API__PROT", "80")
        .output()
        .unwrap();
    assert!(!ended.status.success());
    let told = String::from_utf8(ended.stderr).unwrap();
    assert!(told.contains("prot"), "{told}");
}

#[test]
fn an_address_for_everybody_is_refused_without_tokens() {
    for address in ["0.0.0.0", "::"] {
        let ended = Command::new(env!("CARGO_BIN_EXE_optimus-api"))
            .args(["--host", address, "--port", "0"])
            .output()
            .unwrap();
        assert!(!ended.status.success());
        let told = String::from_utf8(ended.stderr).unwrap();
        for word in [address, "api.tokens", "--insecure", "api.allow_anonymous"] {
            assert!(told.contains(word), "{word}: {told}");
        }
    }
}
