//! The other side of a box in memory.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use optimus_common::{
    facts::{MeasuredBy, RunEnd, RunFacts},
    limits::Limits,
};
use optimus_protocol::{
    Begin, CommandSpec, Exec, ExecId, Exited, FrameKind, Frames, OutputTag, Put, Ready, Sealed, StdinSource,
    Stream, VERSION, encode,
};
use optimus_sandbox::{BackendError, BoxHandle, BoxSpec, LiveBox, ResourceLimits, RootDigest, RootRef};
use serde::{Serialize, de::DeserializeOwned};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

/// Bytes under way in one direction: fewer than any large input, so that an unread pipe is noticed.
const PIPE: usize = 16 << 10;

pub(crate) const LIMIT: u64 = 1 << 20;

/// A small box that has this as its root.
pub(crate) fn box_of(language: &str, image: &str) -> BoxSpec {
    BoxSpec::new(
        RootRef {
            language: language.parse().unwrap(),
            image: image.to_owned(),
        },
        ResourceLimits {
            memory_bytes: 256 << 20,
            cpus: 1.0.into(),
            processes: 64,
            disk_bytes: 64 << 20,
            compile_disk_bytes: 64 << 20,
            open_files: 256,
        },
    )
}

/// Counts the boxes that are alive.
#[derive(Clone, Debug, Default)]
pub(crate) struct Census(Arc<AtomicUsize>);

impl Census {
    pub(crate) fn alive(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

struct Handle(Census);

#[async_trait]
impl BoxHandle for Handle {
    fn name(&self) -> &'static str {
        "in memory"
    }

    async fn grow_memory(&self, _: u64) -> Result<(), BackendError> {
        Ok(())
    }

    async fn destroy(&self) -> Result<(), BackendError> {
        Ok(())
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A box and the pipe that ends in it.
pub(crate) fn counted_box(census: &Census) -> (LiveBox, Peer) {
    census.0.fetch_add(1, Ordering::SeqCst);
    let (ours, theirs) = tokio::io::duplex(PIPE);
    let (reader, writer) = tokio::io::split(ours);
    let live = LiveBox {
        reader: Box::pin(reader),
        writer: Box::pin(writer),
        handle: Box::new(Handle(census.clone())),
        root: root(),
    };
    (live, Peer(theirs))
}

/// What boxes in memory see, unless a test says something else.
pub(crate) fn root() -> RootDigest {
    "in memory".to_owned().into()
}

pub(crate) fn new_box() -> (LiveBox, Peer) {
    counted_box(&Census::default())
}

pub(crate) struct Peer(pub(crate) DuplexStream);

impl Peer {
    pub(crate) async fn frame(&mut self, kind: FrameKind, payload: &[u8]) {
        self.0.write_all(&frame(kind, payload)).await.unwrap();
    }

    pub(crate) async fn json(&mut self, kind: FrameKind, value: &impl Serialize) {
        self.frame(kind, &serde_json::to_vec(value).unwrap()).await;
    }

    pub(crate) async fn ready(&mut self) {
        self.json(FrameKind::Ready, &ready()).await;
    }

    pub(crate) async fn receive(&mut self) -> (FrameKind, Vec<u8>) {
        let mut frames = Frames::new();
        loop {
            if let Some((kind, payload)) = frames.next_frame().unwrap() {
                return (kind, payload.to_vec());
            }
            let mut read = vec![0; frames.missing()];
            self.0.read_exact(&mut read).await.unwrap();
            frames.room(0).extend_from_slice(&read);
        }
    }

    async fn receive_json<T: DeserializeOwned>(&mut self, kind: FrameKind) -> T {
        let (got, payload) = self.receive().await;
        assert_eq!(got, kind);
        serde_json::from_slice(&payload).unwrap()
    }

    pub(crate) async fn receive_data(&mut self, kind: FrameKind, bytes: u64) -> Vec<u8> {
        let mut data = Vec::new();
        while (data.len() as u64) < bytes {
            let (got, payload) = self.receive().await;
            assert_eq!(got, kind);
            data.extend_from_slice(&payload);
        }
        assert_eq!(data.len() as u64, bytes);
        data
    }

    /// All that comes before the work directory is sealed, each file with its path.
    pub(crate) async fn receive_files(&mut self) -> (Begin, Vec<(String, Vec<u8>)>) {
        let begin = self.receive_json(FrameKind::Begin).await;
        let mut files = Vec::new();
        loop {
            let (kind, payload) = self.receive().await;
            if kind == FrameKind::Prepare {
                return (begin, files);
            }
            assert_eq!(kind, FrameKind::Put);
            let Put { path, bytes } = serde_json::from_slice(&payload).unwrap();
            files.push((path, self.receive_data(FrameKind::Data, bytes).await));
        }
    }

    /// An agent whose programs print their input, and all they read before they print anything.
    pub(crate) async fn echo(mut self) {
        self.ready().await;
        self.receive_files().await;
        loop {
            let (kind, payload) = self.receive().await;
            match kind {
                FrameKind::End => return,
                FrameKind::Seal => self.json(FrameKind::Sealed, &sealed()).await,
                FrameKind::Exec => {
                    let exec: Exec = serde_json::from_slice(&payload).unwrap();
                    let StdinSource::Bytes(bytes) = exec.stdin else {
                        panic!("{exec:?}");
                    };
                    let mut left = bytes;
                    while left > 0 {
                        let (kind, data) = self.receive().await;
                        assert_eq!(kind, FrameKind::Data);
                        left -= data.len() as u64;
                        let output = output(exec.id, Stream::Stdout, &data);
                        self.frame(FrameKind::Output, &output).await;
                    }
                    self.json(FrameKind::Exited, &exited(exec.id, bytes)).await;
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

pub(crate) fn frame(kind: FrameKind, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(&mut bytes, kind, &[payload]);
    bytes
}

pub(crate) fn output(id: ExecId, stream: Stream, data: &[u8]) -> Vec<u8> {
    [&OutputTag { id, stream }.encode()[..], data].concat()
}

pub(crate) fn sealed() -> Sealed {
    Sealed {
        program_missing: false,
        too_many_entries: false,
    }
}

pub(crate) fn ready() -> Ready {
    Ready {
        version: VERSION,
        toolchain: Some("Echo 1.0".to_owned()),
        places: 8,
    }
}

pub(crate) fn facts(end: RunEnd, stdout_bytes: u64) -> RunFacts {
    RunFacts {
        end,
        cpu_time: Duration::from_millis(1),
        cpu_time_from: MeasuredBy::Cgroup,
        wall_time: Duration::from_millis(2),
        waited_for_cpu: None,
        waited_for_io: None,
        held: Duration::ZERO,
        peak_memory_bytes: 4096,
        peak_memory_from: MeasuredBy::Cgroup,
        oom_kills: 0,
        process_limit_hits: 0,
        stdout_bytes,
        stderr_bytes: 0,
    }
}

pub(crate) fn exited(id: ExecId, stdout_bytes: u64) -> Exited {
    Exited {
        id,
        facts: facts(RunEnd::Exited { code: 0 }, stdout_bytes),
    }
}

pub(crate) fn command() -> CommandSpec {
    CommandSpec {
        argv: vec!["echo".to_owned()],
        env: BTreeMap::new(),
        limits: Limits {
            cpu_time: Duration::from_secs(1),
            wall_time: Duration::from_secs(3),
            memory_bytes: 64 << 20,
            output_bytes: LIMIT,
            processes: 8,
            open_files: 64,
            file_size_bytes: 1 << 20,
        },
    }
}
