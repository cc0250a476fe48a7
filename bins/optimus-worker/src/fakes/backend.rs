//! A backend whose boxes are tasks that play the agent. What a box does is said by the program it gets.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use optimus_common::{
    WorkerId,
    facts::{MeasuredBy, RunEnd, RunFacts},
};
use optimus_protocol::{
    CHUNK, Exec, Exited, FrameKind, Frames, OutputTag, Ready, Sealed, StdinSource, Stream, VERSION, encode,
    encode_json,
};
use optimus_sandbox::{Backend, BackendError, BoxHandle, BoxSpec, LiveBox, RootDigest};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    sync::watch,
    task::AbortHandle,
};

/// Unlike that of any backend's settings.
pub(crate) const READY_TIMEOUT: Duration = Duration::from_secs(7);

/// Makes boxes that know these programs: `echo` prints its input, `hold` does so after [`FakeBackend::go_on`], `late` does
/// so too late when it first reads an input, `later` does so too and hangs when it reads that again, `hush` prints nothing, `hang` never ends,
/// `die` breaks the box, `fault` makes the agent give up.
/// After a `,` stands what later boxes do.
#[derive(Clone, Default)]
pub(crate) struct FakeBackend(Arc<Shared>);

#[derive(Default)]
struct Shared {
    broken: AtomicBool,
    /// Jobs that boxes have begun.
    begun: watch::Sender<usize>,
    tests_begun: AtomicUsize,
    tried_again: watch::Sender<bool>,
    go_on: watch::Sender<bool>,
    made: AtomicU64,
    alive: watch::Sender<usize>,
    grown: Mutex<Vec<u64>>,
    panic: AtomicBool,
    /// The next box that is begun breaks the task that keeps the pool.
    panic_of_the_pool: AtomicBool,
    /// Boxes are never ready.
    mute: AtomicBool,
    toolchain: Mutex<Option<String>>,
    /// How often what boxes see has changed.
    root: AtomicUsize,
    /// Boxes dropped while they were alive, which are destroyed while nobody waits for it.
    abandoned: AtomicUsize,
    orphans_of_others_than: watch::Sender<Option<Vec<WorkerId>>>,
}

impl FakeBackend {
    /// From now on no box can be made, or one can again.
    pub(crate) fn set_broken(&self, broken: bool) {
        self.0.broken.store(broken, Ordering::SeqCst);
    }

    pub(crate) async fn until_begun(&self, jobs: usize) {
        self.0
            .begun
            .subscribe()
            .wait_for(|begun| *begun >= jobs)
            .await
            .unwrap();
    }

    /// A second try goes on.
    pub(crate) async fn until_tried_again(&self) {
        let mut tried = self.0.tried_again.subscribe();
        tried.wait_for(|tried| *tried).await.unwrap();
    }

    pub(crate) fn begun(&self) -> usize {
        *self.0.begun.borrow()
    }

    pub(crate) fn tests_begun(&self) -> usize {
        self.0.tests_begun.load(Ordering::SeqCst)
    }

    /// Programs on hold continue, now and later.
    pub(crate) fn go_on(&self) {
        self.0.go_on.send_replace(true);
    }

    pub(crate) fn alive(&self) -> usize {
        *self.0.alive.borrow()
    }

    /// Whose boxes were spared when orphans were removed last; `None` where none ever were.
    pub(crate) fn spared(&self) -> watch::Receiver<Option<Vec<WorkerId>>> {
        self.0.orphans_of_others_than.subscribe()
    }

    /// The next box that is to grow panics instead.
    pub(crate) fn panic_when_growing(&self) {
        self.0.panic.store(true, Ordering::SeqCst);
    }

    pub(crate) fn panic_when_making_boxes(&self) {
        self.0.panic_of_the_pool.store(true, Ordering::SeqCst);
    }

    pub(crate) fn set_mute(&self, mute: bool) {
        self.0.mute.store(mute, Ordering::SeqCst);
    }

    /// That of boxes made from now on.
    pub(crate) fn set_toolchain(&self, toolchain: &str) {
        *self.0.toolchain.lock().unwrap() = Some(toolchain.to_owned());
    }

    /// Boxes made from now on see something else, of which the toolchain says nothing.
    pub(crate) fn change_root(&self) {
        self.0.root.fetch_add(1, Ordering::SeqCst);
    }

    fn root(&self) -> RootDigest {
        RootDigest::from(self.0.root.load(Ordering::SeqCst).to_string())
    }

    /// How many boxes were left alone while they lived.
    pub(crate) fn abandoned(&self) -> usize {
        self.0.abandoned.load(Ordering::SeqCst)
    }

    pub(crate) fn grown(&self) -> Vec<u64> {
        self.0.grown.lock().unwrap().clone()
    }
}

#[async_trait]
impl Backend for FakeBackend {
    async fn create(&self, _spec: &BoxSpec) -> Result<LiveBox, BackendError> {
        if self.0.broken.load(Ordering::SeqCst) {
            return Err(BackendError::TimedOut {
                operation: "make a box",
                seconds: 1,
            });
        }
        let number = self.0.made.fetch_add(1, Ordering::SeqCst);
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        let (reader, writer) = tokio::io::split(ours);
        let shared = Arc::clone(&self.0);
        let agent = tokio::spawn(async move { play(&shared, theirs).await.unwrap_or(()) });
        self.0.alive.send_modify(|alive| *alive += 1);
        let handle = Handle {
            name: format!("box-{number}"),
            shared: Arc::clone(&self.0),
            agent: agent.abort_handle(),
            gone: AtomicBool::new(false),
        };
        Ok(LiveBox {
            reader: Box::pin(reader),
            writer: Box::pin(writer),
            handle: Box::new(handle),
            root: self.root(),
        })
    }

    async fn remove_orphans(&self, alive: &[WorkerId]) -> Result<u64, BackendError> {
        self.0.orphans_of_others_than.send_replace(Some(alive.to_vec()));
        Ok(0)
    }

    async fn check(&self, _spec: &BoxSpec) -> Result<RootDigest, BackendError> {
        Ok(self.root())
    }

    fn ready_timeout(&self) -> Duration {
        let panics = self.0.panic_of_the_pool.swap(false, Ordering::SeqCst);
        assert!(!panics, "as asked for");
        READY_TIMEOUT
    }
}

struct Handle {
    name: String,
    shared: Arc<Shared>,
    agent: AbortHandle,
    gone: AtomicBool,
}

impl Handle {
    fn end(&self) {
        if !self.gone.swap(true, Ordering::SeqCst) {
            self.agent.abort();
            self.shared.alive.send_modify(|alive| *alive -= 1);
        }
    }
}

#[async_trait]
impl BoxHandle for Handle {
    fn name(&self) -> &str {
        &self.name
    }

    async fn grow_memory(&self, bytes: u64) -> Result<(), BackendError> {
        assert!(!self.shared.panic.swap(false, Ordering::SeqCst), "as asked for");
        self.shared.grown.lock().unwrap().push(bytes);
        Ok(())
    }

    async fn destroy(&self) -> Result<(), BackendError> {
        // As long as an engine takes.
        tokio::time::sleep(Duration::from_millis(100)).await;
        self.end();
        Ok(())
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if !self.gone.load(Ordering::SeqCst) {
            self.shared.abandoned.fetch_add(1, Ordering::SeqCst);
        }
        self.end();
    }
}

async fn play(shared: &Shared, mut stream: DuplexStream) -> std::io::Result<()> {
    if shared.mute.load(Ordering::SeqCst) {
        std::future::pending::<()>().await;
    }
    let toolchain = shared.toolchain.lock().unwrap().clone();
    send(
        &mut stream,
        FrameKind::Ready,
        &Ready {
            version: VERSION,
            toolchain: toolchain.or(Some("Fake 1.0".to_owned())),
            places: 64,
        },
    )
    .await?;
    receive(&mut stream).await?;
    let mut program = Vec::new();
    loop {
        match receive(&mut stream).await? {
            (FrameKind::Data, data) => program.extend(data),
            (FrameKind::Seal, _) => break,
            _ => {}
        }
    }
    let begun = shared.begun.borrow().to_owned();
    shared.begun.send_replace(begun + 1);
    let program = String::from_utf8(program).unwrap();
    let parts: Vec<_> = program.split(',').collect();
    let part = parts[begun.min(parts.len() - 1)];
    let sealed = Sealed {
        program_missing: false,
        too_many_entries: false,
    };
    send(&mut stream, FrameKind::Sealed, &sealed).await?;
    let mut tried = HashSet::new();
    while let (FrameKind::Exec, exec) = receive(&mut stream).await? {
        let Exec {
            id, command, stdin, ..
        } = serde_json::from_slice(&exec)?;
        let StdinSource::Bytes(input_bytes) = stdin else {
            panic!("a worker sends its inputs ahead");
        };
        let mut input = Vec::new();
        while (input.len() as u64) < input_bytes {
            input.extend(receive(&mut stream).await?.1);
        }
        shared.tests_begun.fetch_add(1, Ordering::SeqCst);
        // The number is another one.
        let is_first = tried.insert(input.clone());
        match part {
            "echo" | "hold" | "late" | "later" | "hush" => {
                if part == "hush" {
                    input.clear();
                }
                if part == "hold" {
                    shared.go_on.subscribe().wait_for(|go_on| *go_on).await.unwrap();
                }
                let mut facts = facts(input.len());
                if is_first && part.starts_with("late") {
                    facts.cpu_time = command.limits.cpu_time + Duration::from_micros(1);
                }
                if !is_first && part == "later" {
                    shared.tried_again.send_replace(true);
                    std::future::pending::<()>().await;
                }
                let tag = OutputTag {
                    id,
                    stream: Stream::Stdout,
                };
                for chunk in input.chunks(CHUNK) {
                    send_bytes(&mut stream, FrameKind::Output, &[&tag.encode(), chunk]).await?;
                }
                send(&mut stream, FrameKind::Exited, &Exited { id, facts }).await?;
            }
            "hang" => std::future::pending().await,
            "die" => return Ok(()),
            "fault" => send_bytes(&mut stream, FrameKind::Fault, &[b"no space for the fake"]).await?,
            other => panic!("no fake plays {other:?}"),
        }
    }
    Ok(())
}

fn facts(stdout: usize) -> RunFacts {
    RunFacts {
        end: RunEnd::Exited { code: 0 },
        cpu_time: Duration::from_millis(1),
        cpu_time_from: MeasuredBy::Cgroup,
        wall_time: Duration::from_millis(1),
        waited_for_cpu: None,
        waited_for_io: None,
        held: Duration::ZERO,
        peak_memory_bytes: 1 << 20,
        peak_memory_from: MeasuredBy::Cgroup,
        oom_kills: 0,
        process_limit_hits: 0,
        stdout_bytes: stdout as u64,
        stderr_bytes: 0,
    }
}

async fn send<T: serde::Serialize>(
    stream: &mut DuplexStream,
    kind: FrameKind,
    value: &T,
) -> std::io::Result<()> {
    let mut frame = Vec::new();
    encode_json(&mut frame, kind, value).unwrap();
    stream.write_all(&frame).await
}

async fn send_bytes(stream: &mut DuplexStream, kind: FrameKind, parts: &[&[u8]]) -> std::io::Result<()> {
    let mut frame = Vec::new();
    encode(&mut frame, kind, parts);
    stream.write_all(&frame).await
}

async fn receive(stream: &mut DuplexStream) -> std::io::Result<(FrameKind, Vec<u8>)> {
    let mut frames = Frames::new();
    loop {
        if let Some((kind, payload)) = frames.next_frame().unwrap() {
            return Ok((kind, payload.to_vec()));
        }
        let mut read = vec![0; frames.missing()];
        stream.read_exact(&mut read).await?;
        frames.room(0).extend_from_slice(&read);
    }
}
