//! A Redis server of a test's own that only a socket in its folder leads to.

use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Mutex,
};

use rustix::process::{Pid, Signal, kill_process};

use crate::waiting::until_blocking;

/// In the folder.
const SOCKET: &str = "redis.sock";

/// Killed when it is dropped.
#[derive(Debug)]
pub struct SocketRedis {
    folder: PathBuf,
    arguments: Vec<String>,
    process: Mutex<Child>,
}

impl SocketRedis {
    /// Starts it over what is in the folder, and returns when it answers. It saves nothing unless the arguments say so.
    pub fn start(folder: &Path, arguments: &[&str]) -> Self {
        let arguments: Vec<_> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let redis = Self {
            folder: folder.to_owned(),
            process: Mutex::new(launch(folder, &arguments)),
            arguments,
        };
        redis.wait_until_answering();
        redis
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.join(SOCKET)
    }

    /// As a crash of the machine would: nothing is said to it before.
    pub fn kill(&self) {
        let mut process = self.process.lock().unwrap();
        process.kill().expect("redis-server can be killed");
        process.wait().expect("redis-server ends");
    }

    pub fn signal(&self, signal: Signal) {
        let pid = self.process.lock().unwrap().id();
        kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), signal).unwrap();
    }

    /// Starts it again with what it had written.
    pub fn start_again(&self) {
        *self.process.lock().unwrap() = launch(&self.folder, &self.arguments);
        self.wait_until_answering();
    }

    fn wait_until_answering(&self) {
        until_blocking("redis-server answers", || self.answers());
    }

    fn answers(&self) -> bool {
        let Ok(mut socket) = UnixStream::connect(self.socket()) else {
            return false;
        };
        let mut answer = [0; 5];
        socket.write_all(b"PING\r\n").is_ok() && socket.read_exact(&mut answer).is_ok() && &answer == b"+PONG"
    }
}

impl Drop for SocketRedis {
    fn drop(&mut self) {
        self.kill();
    }
}

fn launch(folder: &Path, arguments: &[String]) -> Child {
    Command::new("redis-server")
        .args(["--port", "0", "--save", "", "--unixsocket", SOCKET, "--dir"])
        .arg(folder)
        .args(arguments)
        .current_dir(folder)
        .stdout(Stdio::null())
        .spawn()
        .expect("these tests need redis-server on the PATH; on Debian: apt-get install redis-server")
}
