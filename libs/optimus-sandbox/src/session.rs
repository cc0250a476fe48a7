//! The host side of the runner protocol.
//!
//! A [`Session`] is a box whose agent is ready. [`Session::start_job`] turns it into a [`JobSession`], for one job and
//! never for a second one. Its two halves work at the same time:
//!
//! ```no_run
//! # use optimus_protocol::JobHeader;
//! # use optimus_sandbox::session::{Event, Session, SessionError};
//! # async fn grade(session: Session, header: &JobHeader, source: &[u8], inputs: &[&[u8]]) -> Result<(), SessionError> {
//! let mut job = session.start_job(header, &[source]).await?;
//! let (mut sender, mut receiver) = job.split();
//! let send = async {
//!     for (run, input) in (0..).zip(inputs) {
//!         sender.test(run, input).await?;
//!     }
//!     sender.end().await
//! };
//! let receive = async {
//!     let mut left = inputs.len();
//!     while left > 0 {
//!         match receiver.next().await? {
//!             Event::Output { .. } | Event::CompileDone(_) => {}
//!             Event::RunDone(_) => left -= 1,
//!         }
//!     }
//!     Ok(())
//! };
//! tokio::try_join!(send, receive)?;
//! # Ok(())
//! # }
//! ```
//!
//! Keep receiving while sending: an agent that waits for its output to be read does not read its input. A session has
//! no deadline beside the one of [`Session::open`]; whoever owns it decides how long a job may take, and drops it.

mod frames;
mod ledger;

use std::{
    fmt, io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::{Buf, Bytes};
use frames::FrameReader;
use ledger::Ledger;
use optimus_common::facts::{RunEnd, RunFacts};
use optimus_protocol::{
    CHUNK, CompileDone, FrameKind, HEADER_LEN, JobHeader, JobStep, OutputTag, ProtocolError, Ready, RunDone,
    Stream, TestHeader, VERSION,
};
use tokio::io::{AsyncWrite, AsyncWriteExt, BufWriter};

use crate::backend::{BoxHandle, LiveBox};

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
    Output {
        step: JobStep,
        stream: Stream,
        data: Bytes,
    },
    /// A sound box says it once, also for a language without a compile step.
    CompileDone(CompileDone),
    /// Nothing more comes of this run.
    RunDone(RunDone),
}

/// A box that waits for its job.
pub struct Session {
    frames: FrameReader,
    writer: Pin<Box<dyn AsyncWrite + Send>>,
    handle: Arc<dyn BoxHandle>,
    toolchain: Option<String>,
}

impl Session {
    /// Waits until the agent is ready. On failure the box is destroyed.
    pub async fn open(live: LiveBox, timeout: Duration) -> Result<Self, SessionError> {
        let LiveBox {
            reader,
            writer,
            handle,
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
        drop(payload);
        frames.shrink();
        Ok(Self {
            frames,
            writer,
            handle: Arc::from(handle),
            toolchain: ready.toolchain.as_deref().map(readable),
        })
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

    /// Sends the job and its files' contents, in the order of `header.files`.
    ///
    /// # Panics
    ///
    /// Where the contents are not as long as the header says.
    pub async fn start_job(self, header: &JobHeader, files: &[&[u8]]) -> Result<JobSession, SessionError> {
        let announced = header.files.iter().map(|file| file.bytes);
        assert!(
            announced.eq(files.iter().map(|file| file.len() as u64)),
            "files differ from their headers"
        );
        let mut writer = BufWriter::with_capacity(HEADER_LEN + CHUNK, self.writer);
        frames::write_json(&mut writer, FrameKind::Job, header).await?;
        for chunk in files.iter().flat_map(|file| file.chunks(CHUNK)) {
            frames::write_frame(&mut writer, FrameKind::FileData, chunk).await?;
        }
        writer.flush().await.map_err(frames::broken_stream)?;
        Ok(JobSession {
            frames: self.frames,
            writer,
            handle: self.handle,
            ledger: Mutex::new(Ledger::new(header)),
        })
    }
}

/// A box at work on its job. Dropping it destroys the box in the background.
pub struct JobSession {
    frames: FrameReader,
    /// Joins a frame's header with its payload, and small frames with each other.
    writer: BufWriter<Pin<Box<dyn AsyncWrite + Send>>>,
    handle: Arc<dyn BoxHandle>,
    ledger: Mutex<Ledger>,
}

impl JobSession {
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

/// Sends tests. A future of it that is dropped half-way leaves a broken stream: the box is then only to be destroyed.
pub struct Sender<'a> {
    writer: &'a mut BufWriter<Pin<Box<dyn AsyncWrite + Send>>>,
    ledger: &'a Mutex<Ledger>,
}

impl Sender<'_> {
    /// Sends one test with its input. Returns when the box's pipe has taken it, which is long before it has run.
    ///
    /// # Panics
    ///
    /// Where a run of this number is going on, or the number is `u32::MAX`.
    pub async fn test(&mut self, run: u32, input: &[u8]) -> Result<(), SessionError> {
        lock(self.ledger).announce(run);
        let header = TestHeader {
            run,
            input_bytes: input.len() as u64,
        };
        frames::write_json(self.writer, FrameKind::Test, &header).await?;
        for chunk in input.chunks(CHUNK) {
            frames::write_frame(self.writer, FrameKind::InputData, chunk).await?;
        }
        self.writer.flush().await.map_err(frames::broken_stream)
    }

    /// Tells the box that no test follows, so that it leaves when it is done.
    pub async fn end(&mut self) -> Result<(), SessionError> {
        frames::write_frame(self.writer, FrameKind::End, &[]).await?;
        self.writer.flush().await.map_err(frames::broken_stream)
    }
}

/// Receives what the box says, and refuses what is no frame of a job and more output than there can be. That a box speaks of
/// what it was asked, and says it once, is for whoever asked it to check.
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
                    step: tag.step,
                    stream: tag.stream,
                    data: payload,
                })
            }
            FrameKind::CompileDone => {
                let mut done: CompileDone = frames::parse("end of the compile step", &payload)?;
                if let Some(facts) = &mut done.facts {
                    clean(facts);
                }
                lock(self.ledger).over(JobStep::Compile);
                Ok(Event::CompileDone(done))
            }
            FrameKind::RunDone => {
                let mut done: RunDone = frames::parse("end of a run", &payload)?;
                clean(&mut done.facts);
                lock(self.ledger).over(JobStep::Run(done.run));
                Ok(Event::RunDone(done))
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

impl fmt::Debug for JobSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobSession")
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
