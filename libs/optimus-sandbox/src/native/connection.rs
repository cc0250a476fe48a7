//! A running spawner, as the worker sees it.

use std::{
    collections::HashMap,
    io::{self, BufRead, BufReader, Read},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use optimus_common::{WorkerId, causes, weaken};
use rustix::net::{AddressFamily, Shutdown, SocketFlags, SocketType, shutdown, socketpair};
use tokio::{
    io::{Interest, unix::AsyncFd},
    sync::oneshot,
};
use tracing::warn;

use super::wire::{
    self, Hello, HostFeatures, ReplyPacket, RequestId, RequestPacket, SpawnerReply, SpawnerRequest,
};
use crate::settings::NativeSettings;

/// The first argument of a process that makes boxes.
pub const SPAWNER_ARG: &str = "native-spawner";

/// This very program, even if its file has been replaced since it was started.
const THIS_PROGRAM: &str = "/proc/self/exe";

/// Characters logged of one line that the spawner or an agent writes to standard error.
const MAX_LINE: usize = 1000;
/// The thread that reads them needs little.
const LOG_STACK: usize = 128 << 10;

/// Why a spawner does not do what it was asked. Each is a failure of ours.
#[derive(Debug, thiserror::Error)]
pub(super) enum SpawnerError {
    #[error("cannot start a process that makes boxes")]
    Start(#[source] io::Error),
    #[error("the process that makes boxes has died")]
    Died,
    #[error("the process that makes boxes did not answer within {} s", .0.as_secs())]
    Silent(Duration),
    #[error("cannot speak to the process that makes boxes")]
    Stream(#[source] io::Error),
    #[error("this host offers less to boxes than what was proved: {0}")]
    Less(String),
    #[error("{0}")]
    Refused(String),
}

/// A spawner. When the last one who has it is gone, it kills its boxes, removes what they leave, and ends.
#[derive(Debug)]
pub(super) struct SpawnerConnection {
    socket: SpawnerSocket,
    features: HostFeatures,
    process: u32,
}

/// The worker's end of the socket. The spawner ends when it is dropped.
#[derive(Debug)]
struct SpawnerSocket(Arc<ConnectionState>);

#[derive(Debug)]
struct ConnectionState {
    socket: AsyncFd<OwnedFd>,
    next: AtomicU64,
    asked: Mutex<PendingRequests>,
}

/// Requests that are not answered yet; none can be asked any more once the spawner is dead.
#[derive(Debug)]
enum PendingRequests {
    Alive(HashMap<RequestId, oneshot::Sender<SpawnerReply>>),
    Dead,
}

impl SpawnerConnection {
    /// Starts a spawner and waits until it can make boxes. Must be called in a Tokio runtime.
    pub(super) async fn start(settings: &NativeSettings, worker: &WorkerId) -> Result<Self, SpawnerError> {
        let (ours, theirs) = socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )
        .map_err(|errno| SpawnerError::Start(errno.into()))?;
        rustix::io::ioctl_fionbio(&ours, true).map_err(|errno| SpawnerError::Start(errno.into()))?;
        let child = Command::new(THIS_PROGRAM)
            .arg(SPAWNER_ARG)
            .env_clear()
            .envs(weaken::handed_on())
            .current_dir("/")
            .stdin(theirs)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(SpawnerError::Start)?;
        let process = child.id();
        // Until here, an error leaves a process that ends with its standard input.
        forward_logs(child, log).map_err(SpawnerError::Start)?;
        let shared = Arc::new(ConnectionState {
            // SAFETY: the descriptor is the value's own for as long as it lives.
            socket: unsafe { AsyncFd::register(ours) }.map_err(|error| SpawnerError::Start(error.into()))?,
            next: AtomicU64::new(0),
            asked: Mutex::new(PendingRequests::Alive(HashMap::new())),
        });
        tokio::spawn(listen(Arc::clone(&shared)));
        let begin = SpawnerRequest::Hello(Hello {
            worker: worker.clone(),
            uid_base: settings.uid_base,
            cgroup: settings.cgroup.clone(),
        });
        let socket = SpawnerSocket(shared);
        let beginning =
            tokio::time::timeout(settings.start_timeout, socket.ask(socket.next_id(), begin, None));
        match beginning.await {
            Ok(Ok(SpawnerReply::Hello(features))) => Ok(Self {
                socket,
                features,
                process,
            }),
            Ok(Ok(_)) => Err(SpawnerError::Died),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(SpawnerError::Silent(settings.start_timeout)),
        }
    }

    /// What the host offers to its boxes.
    pub(super) fn features(&self) -> &HostFeatures {
        &self.features
    }

    pub(super) fn process(&self) -> u32 {
        self.process
    }

    pub(super) fn is_dead(&self) -> bool {
        matches!(*self.socket.0.asked(), PendingRequests::Dead)
    }

    /// A name for the next request.
    pub(super) fn next_id(&self) -> RequestId {
        self.socket.next_id()
    }

    pub(super) async fn ask(
        &self,
        request: SpawnerRequest,
        descriptor: Option<BorrowedFd<'_>>,
    ) -> Result<SpawnerReply, SpawnerError> {
        self.ask_as(self.next_id(), request, descriptor).await
    }

    /// As [`ask`](Self::ask), under a name that is known before. Whoever gives up is not answered any more; what it
    /// asked for may be done all the same.
    pub(super) async fn ask_as(
        &self,
        id: RequestId,
        request: SpawnerRequest,
        descriptor: Option<BorrowedFd<'_>>,
    ) -> Result<SpawnerReply, SpawnerError> {
        self.socket.ask(id, request, descriptor).await
    }
}

impl SpawnerSocket {
    fn next_id(&self) -> RequestId {
        RequestId(self.0.next.fetch_add(1, Ordering::Relaxed))
    }

    async fn ask(
        &self,
        id: RequestId,
        request: SpawnerRequest,
        descriptor: Option<BorrowedFd<'_>>,
    ) -> Result<SpawnerReply, SpawnerError> {
        let Self(shared) = self;
        let (to, answer) = oneshot::channel();
        match &mut *shared.asked() {
            PendingRequests::Alive(asked) => asked.insert(id, to),
            PendingRequests::Dead => return Err(SpawnerError::Died),
        };
        let _forget = ForgetOnDrop { shared, id };
        let request = RequestPacket { id, request };
        let sent = shared
            .socket
            .async_io(Interest::WRITABLE, |socket| {
                wire::send(socket, &request, descriptor)
            })
            .await;
        match sent {
            Ok(()) => {}
            Err(error) if is_end(&error) => {
                *shared.asked() = PendingRequests::Dead;
                return Err(SpawnerError::Died);
            }
            Err(error) => return Err(SpawnerError::Stream(error)),
        }
        match answer.await {
            Ok(SpawnerReply::Failed { reason }) => Err(SpawnerError::Refused(reason)),
            Ok(outcome) => Ok(outcome),
            Err(_) => Err(SpawnerError::Died),
        }
    }
}

impl Drop for SpawnerSocket {
    fn drop(&mut self) {
        // The task that listens still holds the socket; it ends by this as well. Fails where the spawner is dead.
        shutdown(self.0.socket.get_ref(), Shutdown::Both).ok();
    }
}

impl ConnectionState {
    fn asked(&self) -> MutexGuard<'_, PendingRequests> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Forgets a request when it is dropped: whoever asked has the answer, or has given up.
struct ForgetOnDrop<'a> {
    shared: &'a ConnectionState,
    id: RequestId,
}

impl Drop for ForgetOnDrop<'_> {
    fn drop(&mut self) {
        if let PendingRequests::Alive(asked) = &mut *self.shared.asked() {
            asked.remove(&self.id);
        }
    }
}

/// Whether the other end is closed.
fn is_end(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
    )
}

/// Nobody listens to the spawner any more, be it for a fault of ours: those who wait for answers are told, and it ends.
struct ListenerEnd<'a>(&'a ConnectionState);

impl Drop for ListenerEnd<'_> {
    fn drop(&mut self) {
        let Self(shared) = self;
        // Fails where the spawner is dead.
        shutdown(shared.socket.get_ref(), Shutdown::Both).ok();
        *shared.asked() = PendingRequests::Dead;
    }
}

/// Passes answers on, until the spawner is gone.
async fn listen(shared: Arc<ConnectionState>) {
    let _end = ListenerEnd(&shared);
    let failure = loop {
        let received = shared.socket.async_io(Interest::READABLE, |socket| {
            wire::receive::<ReplyPacket>(socket.as_fd())
        });
        match received.await {
            Ok(Some((ReplyPacket { id, reply }, _))) => {
                let to = match &mut *shared.asked() {
                    PendingRequests::Alive(asked) => asked.remove(&id),
                    PendingRequests::Dead => None,
                };
                if let Some(to) = to {
                    // Whoever asked may have given up.
                    to.send(reply).ok();
                }
            }
            Ok(None) => break None,
            Err(error) if is_end(&error) => break None,
            Err(error) => break Some(error),
        }
    };
    if let Some(error) = failure {
        warn!(
            error = causes(&error),
            "cannot understand the process that makes boxes"
        );
    }
}

/// Which process has written a line that is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum LogSource {
    Spawner,
    /// The agent in one of its boxes.
    Box,
}

fn log(speaker: LogSource, text: &str) {
    match speaker {
        LogSource::Spawner => warn!(text, "the process that makes boxes complains"),
        LogSource::Box => warn!(text, "a box complains"),
    }
}

/// Hands on what a spawner writes to standard error, and what its boxes write to theirs, which is its standard output;
/// and reaps it.
fn forward_logs(mut child: Child, hear: impl Fn(LogSource, &str) + Clone + Send + 'static) -> io::Result<()> {
    let (spawner, boxes) = (child.stderr.take(), child.stdout.take());
    let heard = hear.clone();
    let listen = |work: Box<dyn FnOnce() + Send>| {
        thread::Builder::new()
            .name("spawner-log".to_owned())
            .stack_size(LOG_STACK)
            .spawn(work)
            .map(drop)
    };
    listen(Box::new(move || {
        lines(spawner, |text| heard(LogSource::Spawner, text));
        // Fails only where somebody else has reaped it.
        child.wait().ok();
    }))?;
    listen(Box::new(move || lines(boxes, |text| hear(LogSource::Box, text))))
}

fn lines(stream: Option<impl Read>, hear: impl Fn(&str)) {
    let Some(stream) = stream else { return };
    let mut lines = BufReader::new(stream);
    let mut line = Vec::new();
    while let Ok(1..) = lines.read_until(b'\n', &mut line) {
        let text = String::from_utf8_lossy(&line);
        hear(&text.trim().chars().take(MAX_LINE).collect::<String>());
        line.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::native::wire::RootId;

    #[tokio::test]
    async fn whoever_waits_for_a_spawner_that_nobody_hears_is_told() {
        let pair = socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        );
        let (ours, theirs) = pair.unwrap();
        rustix::io::ioctl_fionbio(&ours, true).unwrap();
        let shared = Arc::new(ConnectionState {
            // SAFETY: the descriptor is the value's own for as long as it lives.
            socket: unsafe { AsyncFd::register(ours) }.unwrap(),
            next: AtomicU64::new(0),
            asked: Mutex::new(PendingRequests::Alive(HashMap::new())),
        });
        let listening = tokio::spawn(listen(Arc::clone(&shared)));
        let socket = SpawnerSocket(shared);
        let asked = socket.ask(
            socket.next_id(),
            SpawnerRequest::ForgetRoot { root: RootId(0) },
            None,
        );
        let breaks = async {
            // Asked by then.
            let request = loop {
                match wire::receive::<RequestPacket>(theirs.as_fd()) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => tokio::task::yield_now().await,
                    received => break received,
                }
            };
            assert!(request.unwrap().is_some());
            listening.abort();
        };
        rustix::io::ioctl_fionbio(&theirs, true).unwrap();
        let (answer, ()) = tokio::join!(asked, breaks);
        assert!(matches!(answer, Err(SpawnerError::Died)), "{answer:?}");
        assert!(
            wire::receive::<RequestPacket>(theirs.as_fd()).unwrap().is_none(),
            "it ends"
        );
    }

    #[test]
    fn what_the_spawner_says_is_not_taken_for_the_words_of_a_box() {
        let child = Command::new("sh")
            .args(["-c", "echo from a box; echo from the spawner >&2"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (told, heard) = mpsc::channel();
        forward_logs(child, move |speaker, text: &str| {
            told.send((speaker, text.to_owned())).unwrap();
        })
        .unwrap();
        let mut heard: Vec<_> = heard.iter().take(2).collect();
        heard.sort_unstable();
        assert_eq!(
            heard,
            [
                (LogSource::Spawner, "from the spawner".to_owned()),
                (LogSource::Box, "from a box".to_owned())
            ]
        );
    }
}
