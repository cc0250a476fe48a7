//! A Redis of the test's own.

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use optimus_queue::{
    JobStore,
    conformance::StoreFactory,
    redis::RedisStore,
    settings::{QueueSettings, RedisSettings},
};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

const TIMEOUT: Duration = Duration::from_secs(30);

/// `redis-server` on a unix socket in a folder of its own; both are gone when it is dropped.
pub(crate) struct RedisServer {
    folder: TempDir,
    arguments: Vec<String>,
    process: Mutex<Child>,
    stores: AtomicU32,
}

impl RedisServer {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    pub(crate) fn start_with(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let arguments: Vec<_> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let process = Mutex::new(spawn(&folder, &arguments));
        let server = Self {
            folder,
            arguments,
            process,
            stores: AtomicU32::new(0),
        };
        server.wait_until_ready();
        server
    }

    /// As a crash of the machine would: nothing is said to it before.
    pub(crate) fn kill(&self) {
        let mut process = self.process.lock().unwrap();
        process.kill().expect("redis-server can be killed");
        process.wait().expect("redis-server ends");
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = self.process.lock().unwrap().id();
        kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), signal).unwrap();
    }

    pub(crate) fn start_again(&self) {
        *self.process.lock().unwrap() = spawn(&self.folder, &self.arguments);
        self.wait_until_ready();
    }

    fn wait_until_ready(&self) {
        let start = Instant::now();
        while !self.answers() {
            assert!(start.elapsed() < TIMEOUT, "redis-server does not answer");
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn answers(&self) -> bool {
        let Ok(mut socket) = UnixStream::connect(self.socket()) else {
            return false;
        };
        let mut answer = [0; 5];
        socket.write_all(b"PING\r\n").is_ok() && socket.read_exact(&mut answer).is_ok() && &answer == b"+PONG"
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("redis.sock")
    }

    pub(crate) fn settings(&self) -> RedisSettings {
        RedisSettings {
            url: format!("unix://{}", self.socket().display()),
            ..optimus_settings::defaults_of::<RedisSettings>("redis")
        }
    }

    /// A command as a person would give it.
    pub(crate) fn command<T: redis::FromRedisValue>(&self, words: &[&str]) -> T {
        let mut connection = redis::Client::open(self.settings().url)
            .unwrap()
            .get_connection()
            .unwrap();
        redis::cmd(words[0])
            .arg(&words[1..])
            .query(&mut connection)
            .unwrap()
    }

    /// Keys, sorted.
    pub(crate) fn keys(&self, pattern: &str) -> Vec<String> {
        let mut keys: Vec<String> = self.command(&["KEYS", pattern]);
        keys.sort_unstable();
        keys
    }

    pub(crate) async fn store(&self, queue: &QueueSettings) -> Arc<RedisStore> {
        Arc::new(
            RedisStore::connect(&self.settings(), queue)
                .await
                .expect("a store"),
        )
    }
}

fn spawn(folder: &TempDir, arguments: &[String]) -> Child {
    Command::new("redis-server")
        .args(["--port", "0", "--save", "", "--unixsocket", "redis.sock", "--dir"])
        .arg(folder.path())
        .args(arguments)
        .current_dir(folder.path())
        .stdout(Stdio::null())
        .spawn()
        .expect("these tests need redis-server on the PATH; on Debian: apt-get install redis-server")
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}

#[async_trait]
impl StoreFactory for RedisServer {
    async fn open(&self, queue: &QueueSettings) -> Arc<dyn JobStore> {
        let prefix = format!("store-{}", self.stores.fetch_add(1, Ordering::Relaxed));
        Arc::new(
            RedisStore::connect_with_prefix(&self.settings(), queue, &prefix)
                .await
                .expect("a store"),
        )
    }
}
