//! The host side of the runner protocol.
//!
//! A [`Session`] is a box whose agent is ready. [`Session::begin`] turns it into a [`BoxSession`], for one job and
//! never for a second one. Its two halves work at the same time:
//!
//! ```no_run
//! # use optimus_protocol::{CommandSpec, ExecId, Seal};
//! # use optimus_sandbox::session::{Event, Input, Session, SessionError};
//! # async fn run(session: Session, source: &[u8], run: &CommandSpec, inputs: &[&[u8]]) -> Result<(), SessionError> {
//! let mut at_work = session.begin(1).await?;
//! let (mut sender, mut receiver) = at_work.split();
//! let send = async {
//!     sender.put("main.py", source).await?;
//!     sender.prepare(&[]).await?;
//!     sender.seal(&Seal::default()).await?;
//!     for (id, input) in (0..).map(ExecId).zip(inputs) {
//!         sender.exec(id, run, None, Input::Bytes(input)).await?;
//!     }
//!     sender.end().await
//! };
//! let receive = async {
//!     let mut left = inputs.len();
//!     while left > 0 {
//!         if let Event::Exited(_) = receiver.next().await? {
//!             left -= 1;
//!         }
//!     }
//!     Ok(())
//! };
//! tokio::try_join!(send, receive)?;
//! # Ok(())
//! # }
//! ```
//!
//! Keep receiving while sending: an agent that waits for its output to be read takes no new executions. A session has
//! no deadline beside the one of [`Session::open`]; whoever owns it decides how long a job may take, and drops it.

mod connection;
mod frames;
mod ledger;
mod one_by_one;

use std::{
    fmt, io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::{Buf, Bytes};
pub use connection::Connection;
use frames::FrameReader;
use ledger::Ledger;
pub use one_by_one::{Finished, OneByOne, Step};
use optimus_common::facts::{RunEnd, RunFacts};
use optimus_protocol::{
    Begin, CHUNK, CommandSpec, Exec, ExecId, Exited, FileFound, FrameKind, Get, HEADER_LEN, OutputTag,
    Prepare, ProtocolError, Put, Ready, Seal, Sealed, StdinSource, StdoutFlow, Stream, Taken, VERSION,
};
use tokio::io::{AsyncWrite, AsyncWriteExt, BufWriter};

use crate::{
    backend::{BoxHandle, LiveBox},
    root_digest::RootDigest,
};

/// Characters kept of a text that a box sends for people to read.
const MAX_TEXT: usize = 1000;

/// Why a job cannot go on in its box. Always our failure, never the guest's: the job is tried again in another box.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    #[error("the box closed its stream before the job was done")]
    Closed,
    #[error("the stream to the box failed")]
    Stream(#[source] io::Error),
    #[error("the box was not ready within {seconds} s")]
    NotReady { seconds: u64 },
    #[error("the box speaks version {theirs} of the protocol, not {VERSION}; its image must be built again")]
    Version { theirs: u32 },
    /// It sent bytes that are no frame. The box cannot be trusted any more.
    #[error("the box broke the protocol")]
    Protocol(#[from] ProtocolError),
    /// It sent a frame that does not fit what it was asked. The box cannot be trusted any more.
    #[error("the box broke the protocol: {0}")]
    Violation(String),
    #[error("the agent gave up: {0}")]
    Agent(String),
}

impl SessionError {
    fn violation(what: String) -> Self {
        Self::Violation(what)
    }
}

/// What a box says about its job.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// Some bytes of one stream, in order. They share memory with what came beside them: copy what is to be kept.
    Output { id: ExecId, stream: Stream, data: Bytes },
    /// Nothing more comes of the standard output of this execution, which was [joined](Sender::exec_joined) and may go on.
    StdoutClosed(ExecId),
    /// Nothing more comes of this execution.
    Exited(Exited),
    /// What lies in the work directory stays as it is.
    Sealed(Sealed),
    /// A live standard input has room again.
    InputTaken(ExecId),
    /// The answer to [`Sender::get`].
    File(FileFound),
    /// Some bytes of that file, in order. They share memory as those of output do.
    FileData(Bytes),
}

/// Where the standard input of an execution comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input<'a> {
    /// These bytes, sent ahead.
    Bytes(&'a [u8]),
    /// What is sent by [`Sender::input`].
    Live,
}

/// A box that waits for its job.
pub struct Session {
    frames: FrameReader,
    writer: Pin<Box<dyn AsyncWrite + Send>>,
    handle: Arc<dyn BoxHandle>,
    toolchain: Option<String>,
    places: u32,
    root: RootDigest,
}

impl Session {
    /// Waits until the agent is ready. On failure the box is destroyed.
    pub async fn open(live: LiveBox, timeout: Duration) -> Result<Self, SessionError> {
        let LiveBox {
            reader,
            writer,
            handle,
            root,
        } = live;
        let mut frames = FrameReader::new(reader);
        let (kind, payload) =
            tokio::time::timeout(timeout, frames.next())
                .await
                .map_err(|_| SessionError::NotReady {
                    seconds: timeout.as_secs(),
                })??;
        let ready: Ready = match kind {
            FrameKind::Ready => frames::parse("ready frame", &payload)?,
            FrameKind::Fault => {
                return Err(SessionError::Agent(readable(&String::from_utf8_lossy(&payload))));
            }
            other => return Err(SessionError::violation(format!("{other:?} before it was ready"))),
        };
        if ready.version != VERSION {
            return Err(SessionError::Version {
                theirs: ready.version,
            });
        }
        if ready.places == 0 {
            return Err(SessionError::violation(
                "it has no place for an execution".to_owned(),
            ));
        }
        drop(payload);
        frames.shrink();
        Ok(Self {
            frames,
            writer,
            handle: Arc::from(handle),
            toolchain: ready.toolchain.as_deref().map(readable),
            places: ready.places,
            root,
        })
    }

    /// What it sees as its file system.
    pub fn root(&self) -> &RootDigest {
        &self.root
    }

    /// What the toolchain in the box says of its version.
    pub fn toolchain(&self) -> Option<&str> {
        self.toolchain.as_deref()
    }

    pub fn handle(&self) -> &dyn BoxHandle {
        &*self.handle
    }

    /// The box's control, for one who is to see to its end whatever becomes of the session. The box is destroyed when
    /// nobody has it any more.
    pub fn shared_handle(&self) -> Arc<dyn BoxHandle> {
        Arc::clone(&self.handle)
    }

    /// Resolves when the box can no longer be used, for one that has no job yet. Cancel safe.
    pub async fn failed(&mut self) -> SessionError {
        self.frames.silence_ends().await
    }

    /// Tells the box how many executions may go on at once when its work directory is sealed: so many, or as many as it has
    /// [places](BoxSession::places) for. It travels with what is sent next.
    pub async fn begin(self, parallel: u32) -> Result<BoxSession, SessionError> {
        let places = parallel.clamp(1, self.places);
        let mut writer = BufWriter::with_capacity(HEADER_LEN + CHUNK, self.writer);
        let begin = Begin {
            version: VERSION,
            parallel: places,
        };
        frames::write_json(&mut writer, FrameKind::Begin, &begin).await?;
        Ok(BoxSession {
            frames: self.frames,
            writer,
            handle: self.handle,
            places,
            ledger: Mutex::new(Ledger::new(places)),
        })
    }
}

/// A box at work. Dropping it destroys the box in the background.
pub struct BoxSession {
    frames: FrameReader,
    /// Joins a frame's header with its payload, and small frames with each other.
    writer: BufWriter<Pin<Box<dyn AsyncWrite + Send>>>,
    handle: Arc<dyn BoxHandle>,
    places: u32,
    ledger: Mutex<Ledger>,
}

impl BoxSession {
    /// Executions that go on at once when the work directory is sealed. What is sent beyond them waits.
    pub fn places(&self) -> u32 {
        self.places
    }

    pub fn handle(&self) -> &dyn BoxHandle {
        &*self.handle
    }

    /// The two directions, to be used at the same time. They may be taken again later.
    pub fn split(&mut self) -> (Sender<'_>, Receiver<'_>) {
        (
            Sender {
                writer: &mut self.writer,
                ledger: &self.ledger,
            },
            Receiver {
                frames: &mut self.frames,
                ledger: &self.ledger,
            },
        )
    }
}

/// Sends what the box is to do. A future of it that is dropped half-way leaves a broken stream: the box is then only to be
/// destroyed.
///
/// Each returns when the box's pipe has taken it, which is long before it is done. Files travel with what follows them.
pub struct Sender<'a> {
    writer: &'a mut BufWriter<Pin<Box<dyn AsyncWrite + Send>>>,
    ledger: &'a Mutex<Ledger>,
}

impl Sender<'_> {
    /// Puts a file into the work directory, with the folders on the way to it. Before [`Self::prepare`].
    pub async fn put(&mut self, path: &str, content: &[u8]) -> Result<(), SessionError> {
        let put = Put {
            path: path.to_owned(),
            bytes: content.len() as u64,
        };
        frames::write_json(self.writer, FrameKind::Put, &put).await?;
        self.data(content).await
    }

    /// All files are there. These folders are made beside them.
    pub async fn prepare(&mut self, folders: &[String]) -> Result<(), SessionError> {
        let prepare = Prepare {
            folders: folders.to_owned(),
        };
        frames::write_json(self.writer, FrameKind::Prepare, &prepare).await
    }

    /// Executes a command: before [`Self::seal`] in the work directory itself, afterwards in a copy of it. What it writes
    /// to a stream beyond `sent_bytes` is counted and does not come.
    ///
    /// # Panics
    ///
    /// Where the number is not larger than those of all executions before, or the box was [ended](Self::end). And where one with a
    /// live input would go on, or wait, among more than there are [places](BoxSession::places): what is sent to it could stand behind
    /// an execution that waits.
    pub async fn exec(
        &mut self,
        id: ExecId,
        command: &CommandSpec,
        sent_bytes: Option<u64>,
        input: Input<'_>,
    ) -> Result<(), SessionError> {
        let (stdin, bytes) = match input {
            Input::Bytes(bytes) => (StdinSource::Bytes(bytes.len() as u64), bytes),
            Input::Live => (StdinSource::Live, &[][..]),
        };
        let exec = Exec {
            id,
            command: command.clone(),
            sent_bytes,
            stdin,
            stdout: StdoutFlow::Free,
        };
        self.execute(&exec, bytes).await
    }

    /// Executes a command that talks to another one: its input is live, and what it prints comes through a window, see
    /// [`Self::output_taken`], and has an end of its own, [`Event::StdoutClosed`].
    ///
    /// # Panics
    ///
    /// As [`Self::exec`].
    pub async fn exec_joined(&mut self, id: ExecId, command: &CommandSpec) -> Result<(), SessionError> {
        let exec = Exec {
            id,
            command: command.clone(),
            sent_bytes: None,
            stdin: StdinSource::Live,
            stdout: StdoutFlow::Windowed,
        };
        self.execute(&exec, &[]).await
    }

    async fn execute(&mut self, exec: &Exec, input: &[u8]) -> Result<(), SessionError> {
        lock(self.ledger).announce(exec);
        frames::write_json(self.writer, FrameKind::Exec, exec).await?;
        self.data(input).await?;
        self.flush().await
    }

    /// Tells that so much of what an execution has printed is out of our hands, so that as much may come again.
    ///
    /// # Panics
    ///
    /// If not so many bytes have come.
    pub async fn output_taken(&mut self, id: ExecId, bytes: usize) -> Result<(), SessionError> {
        if bytes == 0 || !lock(self.ledger).take_output(id, bytes) {
            return Ok(());
        }
        // It is never more than a window and what slips by.
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let taken = Taken { id, bytes };
        frames::write_frame(self.writer, FrameKind::OutputTaken, &[&taken.encode()]).await?;
        self.flush().await
    }

    /// Bytes that [`Self::input`] may send now; `None` where nobody wants any: the execution is over, or its input was closed.
    pub fn input_room(&self, id: ExecId) -> Option<usize> {
        lock(self.ledger).input_room(id)
    }

    /// Sends bytes to a live standard input. What is for one that is over is dropped.
    ///
    /// # Panics
    ///
    /// Where they are more than there is [room](Self::input_room) for.
    pub async fn input(&mut self, id: ExecId, bytes: &[u8]) -> Result<(), SessionError> {
        {
            let mut ledger = lock(self.ledger);
            let Some(room) = ledger.input_room(id) else {
                return Ok(());
            };
            assert!(bytes.len() <= room, "more input than there is room for");
            ledger.input(id, bytes.len());
        }
        if bytes.is_empty() {
            return Ok(());
        }
        frames::write_frame(self.writer, FrameKind::Input, &[&id.encode(), bytes]).await?;
        self.flush().await
    }

    /// Ends a live standard input.
    pub async fn close_input(&mut self, id: ExecId) -> Result<(), SessionError> {
        if !lock(self.ledger).close_input(id) {
            return Ok(());
        }
        self.tell(FrameKind::CloseInput, id).await
    }

    /// Has an execution killed. Its end comes as ever. Where the box was [sealed](Self::seal) or [ended](Self::end) since, it goes to its own
    /// end instead.
    pub async fn kill(&mut self, id: ExecId) -> Result<(), SessionError> {
        if !lock(self.ledger).kill(id) {
            return Ok(());
        }
        self.tell(FrameKind::Kill, id).await
    }

    /// From now on what lies in the work directory stays as it is. For what goes on until then nothing follows: its live input ends.
    ///
    /// # Panics
    ///
    /// If it was asked for before.
    pub async fn seal(&mut self, expected: &Seal) -> Result<(), SessionError> {
        lock(self.ledger).seal();
        frames::write_json(self.writer, FrameKind::Seal, expected).await?;
        self.flush().await
    }

    /// Asks for a file of the sealed work directory.
    pub async fn get(&mut self, path: &str, most_bytes: u64) -> Result<(), SessionError> {
        lock(self.ledger).get(most_bytes);
        let path = path.to_owned();
        frames::write_json(self.writer, FrameKind::Get, &Get { path, most_bytes }).await?;
        self.flush().await
    }

    /// Tells the box that nothing follows, so that it leaves when it is done. Live inputs end.
    pub async fn end(&mut self) -> Result<(), SessionError> {
        lock(self.ledger).end();
        frames::write_frame(self.writer, FrameKind::End, &[]).await?;
        self.flush().await
    }

    async fn tell(&mut self, kind: FrameKind, id: ExecId) -> Result<(), SessionError> {
        frames::write_frame(self.writer, kind, &[&id.encode()]).await?;
        self.flush().await
    }

    async fn data(&mut self, bytes: &[u8]) -> Result<(), SessionError> {
        for chunk in bytes.chunks(CHUNK) {
            frames::write_frame(self.writer, FrameKind::Data, &[chunk]).await?;
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), SessionError> {
        self.writer.flush().await.map_err(frames::broken_stream)
    }
}

/// Receives what the box says, and refuses what it must not say.
pub struct Receiver<'a> {
    frames: &'a mut FrameReader,
    ledger: &'a Mutex<Ledger>,
}

impl Receiver<'_> {
    /// The next event. Cancel safe. After an error the box is only to be destroyed.
    pub async fn next(&mut self) -> Result<Event, SessionError> {
        let (kind, mut payload) = self.frames.next().await?;
        match kind {
            FrameKind::Output => {
                let (tag, data) = OutputTag::decode(&payload)?;
                lock(self.ledger).output(tag, data.len())?;
                payload.advance(OutputTag::LEN);
                Ok(Event::Output {
                    id: tag.id,
                    stream: tag.stream,
                    data: payload,
                })
            }
            FrameKind::Exited => {
                let mut exited: Exited = frames::parse("end of an execution", &payload)?;
                clean(&mut exited.facts);
                lock(self.ledger).exited(&exited)?;
                Ok(Event::Exited(exited))
            }
            FrameKind::StdoutClosed => {
                let id = ExecId::decode(&payload)?;
                lock(self.ledger).stdout_closed(id)?;
                Ok(Event::StdoutClosed(id))
            }
            FrameKind::Sealed => {
                let sealed: Sealed = frames::parse("seal", &payload)?;
                lock(self.ledger).sealed()?;
                Ok(Event::Sealed(sealed))
            }
            FrameKind::InputTaken => {
                let taken = Taken::decode(&payload)?;
                lock(self.ledger).input_taken(taken)?;
                Ok(Event::InputTaken(taken.id))
            }
            FrameKind::File => {
                let found: FileFound = frames::parse("answer about a file", &payload)?;
                lock(self.ledger).file(found)?;
                Ok(Event::File(found))
            }
            FrameKind::Data => {
                lock(self.ledger).file_data(payload.len())?;
                Ok(Event::FileData(payload))
            }
            FrameKind::Fault => Err(SessionError::Agent(readable(&String::from_utf8_lossy(&payload)))),
            other => Err(SessionError::violation(format!(
                "{other:?} in the middle of a job"
            ))),
        }
    }
}

/// The ledger stays consistent also where a caller's mistake made a panic.
fn lock(ledger: &Mutex<Ledger>) -> MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The only text among facts becomes part of a message.
fn clean(facts: &mut RunFacts) {
    if let RunEnd::NotStarted { error } = &mut facts.end {
        *error = readable(error);
    }
}

/// A text from a box, fit for a log and a person's terminal.
fn readable(text: &str) -> String {
    text.trim()
        .chars()
        .take(MAX_TEXT)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("name", &self.handle.name())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for BoxSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoxSession")
            .field("name", &self.handle.name())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Sender<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").finish_non_exhaustive()
    }
}

impl fmt::Debug for Receiver<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").finish_non_exhaustive()
    }
}
