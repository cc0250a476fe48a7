//! Content is used while others remove it from an object store, each stopped before each of its requests in turn.

#![expect(clippy::unwrap_used, reason = "a panic is how a test says what is wrong")]

use std::{
    error::Error,
    fmt,
    future::Future,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    task::{Context, Poll, Waker},
    thread,
    time::Duration,
};

use async_trait::async_trait;
use futures_util::{
    FutureExt, StreamExt,
    stream::{self, BoxStream},
};
use object_store::{
    CopyOptions, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, memory::InMemory,
    path::Path,
};
use optimus_common::{JobId, content::Digest};
use optimus_content::{ContentError, ContentStore, Holders, ObjectContent, Put, Rules};
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;

const CONTENT: &[u8] = b"content";

const RULES: Rules = Rules {
    max_bytes: 1000,
    max_total_bytes: 10_000,
    retention: Duration::from_millis(1),
    min_kept: Duration::from_millis(1),
};

/// The objects of all as one process asks for them: each of its requests is let through by itself.
#[derive(Debug)]
struct Gated {
    objects: Arc<InMemory>,
    gate: Arc<Semaphore>,
    /// Whether it takes everything, whatever is there.
    overwrites: bool,
    /// Whether it deletes nothing, and says so.
    refuses_deletes: bool,
    /// How many answers of content are other bytes, on their way.
    lies: Arc<AtomicU32>,
}

impl fmt::Display for Gated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.objects.fmt(f)
    }
}

impl Gated {
    async fn pass(&self) {
        self.gate.acquire().await.unwrap().forget();
    }
}

#[async_trait]
impl ObjectStore for Gated {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        mut options: PutOptions,
    ) -> Result<PutResult> {
        self.pass().await;
        if self.overwrites {
            options.mode = PutMode::Overwrite;
        }
        self.objects.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.pass().await;
        self.objects.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.pass().await;
        let mut answer = self.objects.get_opts(location, options).await?;
        let is_content = location.as_ref().contains("/kept/");
        if is_content
            && self
                .lies
                .fetch_update(SeqCst, SeqCst, |lies| lies.checked_sub(1))
                .is_ok()
        {
            answer.payload = GetResultPayload::Stream(stream::once(async { Ok("CONTENT".into()) }).boxed());
        }
        Ok(answer)
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        if self.refuses_deletes {
            return stream::once(async {
                Err(object_store::Error::NotImplemented {
                    operation: "delete".to_owned(),
                    implementer: "this one".to_owned(),
                })
            })
            .boxed();
        }
        let (gate, objects) = (Arc::clone(&self.gate), Arc::clone(&self.objects));
        let pass = async move {
            gate.acquire().await.unwrap().forget();
            objects.delete_stream(locations)
        };
        pass.into_stream().flatten().boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let (gate, objects) = (Arc::clone(&self.gate), Arc::clone(&self.objects));
        let prefix = prefix.cloned();
        let pass = async move {
            gate.acquire().await.unwrap().forget();
            objects.list(prefix.as_ref())
        };
        pass.into_stream().flatten().boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.pass().await;
        self.objects.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.pass().await;
        self.objects.copy_opts(from, to, options).await
    }
}

/// Nothing here waits for anything but a gate.
fn poll<F: Future + ?Sized>(future: Pin<&mut F>) -> Option<F::Output> {
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

fn done<T>(future: impl Future<Output = T>) -> T {
    poll(pin!(future)).expect("nobody stops it")
}

/// What a process does, a request at a time.
struct Steps<'a, T> {
    future: Pin<Box<dyn Future<Output = T> + 'a>>,
    gate: &'a Semaphore,
    output: Option<T>,
}

impl<'a, T> Steps<'a, T> {
    fn of(process: &'a Process, future: impl Future<Output = T> + 'a) -> Self {
        let mut future: Pin<Box<dyn Future<Output = T> + 'a>> = Box::pin(future);
        let output = poll(future.as_mut());
        Self {
            future,
            gate: &process.gate,
            output,
        }
    }

    /// Whether there was one more.
    fn step(&mut self) -> bool {
        if self.output.is_some() {
            return false;
        }
        self.gate.add_permits(1);
        self.output = poll(self.future.as_mut());
        true
    }

    fn is_over(&self) -> bool {
        self.output.is_some()
    }

    fn steps(&mut self, most: u32) -> bool {
        (0..most).all(|_| self.step())
    }

    fn end(mut self) -> T {
        while self.step() {}
        self.output.unwrap()
    }
}

struct Process {
    store: ObjectContent,
    objects: Arc<InMemory>,
    gate: Arc<Semaphore>,
    lies: Arc<AtomicU32>,
}

impl Process {
    /// Whether somebody noted that something goes.
    fn has_notes(&self) -> bool {
        let mut notes = self.objects.list(Some(&Path::from("some/where/gone")));
        done(notes.next()).is_some()
    }

    fn start(objects: &Arc<InMemory>) -> Self {
        let gate = Arc::new(Semaphore::new(1000));
        let lies = Arc::default();
        let gated = Gated {
            objects: Arc::clone(objects),
            gate: Arc::clone(&gate),
            overwrites: false,
            refuses_deletes: false,
            lies: Arc::clone(&lies),
        };
        let store = done(ObjectContent::open(
            Arc::new(gated),
            Path::from("some/where"),
            RULES,
        ))
        .unwrap();
        gate.forget_permits(1000);
        Self {
            store,
            objects: Arc::clone(objects),
            gate,
            lies,
        }
    }
}

/// Jobs, none of which is over.
struct Waiting;

#[async_trait]
impl Holders for Waiting {
    async fn is_over(&self, _: JobId) -> std::result::Result<bool, Box<dyn Error + Send + Sync>> {
        Ok(false)
    }
}

fn digest() -> Digest {
    Digest::from(<[u8; 32]>::from(Sha256::digest(CONTENT)))
}

async fn put(store: &ObjectContent) -> Put {
    let mut incoming = store.begin(digest()).await.unwrap();
    incoming.write(CONTENT.into()).await.unwrap();
    incoming.finish().await.unwrap()
}

async fn read(store: &ObjectContent) -> Option<Vec<u8>> {
    let content = store.get(digest()).await.unwrap()?;
    Some(content.into_bytes(1000).await.unwrap().to_vec())
}

/// Three processes with content that nobody used for its time, so often.
struct Worlds(Vec<[Process; 3]>);

impl Worlds {
    fn of_old_content(count: usize) -> Self {
        let worlds = (0..count).map(|_| {
            let objects = Arc::new(InMemory::new());
            let processes = [0; 3].map(|_| Process::start(&objects));
            let first = &processes[0];
            assert_eq!(Steps::of(first, put(&first.store)).end(), Put::New);
            processes
        });
        let worlds = worlds.collect();
        thread::sleep(Duration::from_millis(10));
        Self(worlds)
    }
}

/// More than any of them asks.
const MOST: u32 = 24;

#[track_caller]
fn assert_whole(process: &Process, told: impl Fn() -> String) {
    let read = Steps::of(process, read(&process.store)).end();
    assert_eq!(read.as_deref(), Some(CONTENT), "{}", told());
}

/// Whatever a removal has done so far when a job begins to hold the content, and when it has: what the job was told is there
/// is there from then on, wherever the removal stops.
#[test]
fn what_a_job_was_told_is_there_is_there_at_every_moment() {
    let mut jobs = 0;
    let mut refused = 0;
    for before in 0..MOST {
        let mut is_past = false;
        let worlds = Worlds::of_old_content((MOST * MOST) as usize);
        for (index, [removing, using, reading]) in (0..).zip(&worlds.0) {
            let (during, until) = (index / MOST, index % MOST);
            let mut removal = Steps::of(removing, removing.store.upkeep(&Waiting));
            if !removal.steps(before) {
                is_past = true;
                break;
            }
            let digests = [digest()];
            let mut hold = Steps::of(using, using.store.hold(JobId::new(), &digests, u64::MAX));
            if !hold.steps(during) || !removal.steps(until) {
                continue;
            }
            let told = || {
                format!("removal stopped before {before}, hold before {during}, removal before {until} more")
            };
            if let [Some(size)] = hold.end().unwrap()[..] {
                assert_eq!(size, CONTENT.len() as u64, "{}", told());
            } else {
                // It is put again, as whoever was refused does.
                refused += 1;
                let putting = Steps::of(using, put(&using.store)).end();
                assert_eq!(putting, Put::New, "{}", told());
                let again = Steps::of(using, using.store.hold(JobId::new(), &digests, u64::MAX)).end();
                assert_eq!(again.unwrap(), [Some(CONTENT.len() as u64)], "{}", told());
            }
            jobs += 1;
            assert_whole(reading, told);
            // It ends here, or goes on, and is finished by another.
            for _ in 0..index % 5 {
                removal.step();
                assert_whole(reading, told);
            }
            if index % 3 > 0 {
                while removal.step() {
                    assert_whole(reading, told);
                }
            }
            drop(removal);
            let mut finishing = Steps::of(using, using.store.upkeep(&Waiting));
            while finishing.step() {
                assert_whole(reading, told);
            }
            finishing.end().unwrap();
            assert_whole(reading, told);
        }
        if is_past {
            break;
        }
        assert!(before + 1 < MOST, "it has more requests than are tried");
    }
    assert!(jobs > 500 && refused > 0 && refused < jobs, "{refused} of {jobs}");
}

/// From the moment when the removal knows what it will remove, in every order of the requests of both.
#[test]
fn no_order_of_requests_takes_content_from_a_job() {
    let mut known = 0;
    let [removing, ..] = &Worlds::of_old_content(1).0[0];
    let mut removal = Steps::of(removing, removing.store.upkeep(&Waiting));
    while !removing.has_notes() {
        assert!(removal.step());
        known += 1;
    }
    drop(removal);
    let (mut orders, mut jobs) = (0, 0);
    // In each order: whether the removal goes next, where both can.
    let mut order: Vec<bool> = Vec::new();
    'all: loop {
        for [removing, using, reading] in &Worlds::of_old_content(256).0 {
            let mut removal = Steps::of(removing, removing.store.upkeep(&Waiting));
            assert!(removal.steps(known - 1));
            let digests = [digest()];
            let mut hold = Steps::of(using, using.store.hold(JobId::new(), &digests, u64::MAX));
            let mut choices = 0;
            while !removal.is_over() && !hold.is_over() {
                if choices == order.len() {
                    order.push(false);
                }
                if order[choices] {
                    removal.step();
                } else {
                    hold.step();
                }
                choices += 1;
            }
            let is_held = hold.end().unwrap() != [None];
            if is_held {
                assert_whole(reading, || format!("before the end: {order:?}"));
            }
            removal.end().unwrap();
            if is_held {
                jobs += 1;
                assert_whole(reading, || format!("{order:?}"));
            }
            orders += 1;
            while order.pop_if(|removes| *removes).is_some() {}
            match order.last_mut() {
                Some(last) => *last = true,
                None => break 'all,
            }
        }
    }
    assert!(orders > 400 && jobs > 0 && jobs < orders, "{jobs} of {orders}");
}

/// Whoever reads what a job holds is not told that it is gone, because it was copied meanwhile.
#[test]
fn what_is_held_is_read_whatever_is_done_meanwhile() {
    let mut reads = 0;
    for before in 0..MOST {
        let worlds = Worlds::of_old_content((MOST * MOST) as usize);
        for (index, [removing, using, reading]) in (0..).zip(&worlds.0) {
            let (during, until) = (index / MOST, index % MOST);
            let mut removal = Steps::of(removing, removing.store.upkeep(&Waiting));
            if !removal.steps(before) {
                break;
            }
            let digests = [digest()];
            let hold = Steps::of(using, using.store.hold(JobId::new(), &digests, u64::MAX)).end();
            let mut read = Steps::of(reading, read(&reading.store));
            if hold.unwrap() == [None] || !read.steps(during) || !removal.steps(until) {
                continue;
            }
            let read = read.end();
            assert_eq!(
                read.as_deref(),
                Some(CONTENT),
                "removal stopped before {before}, read before {during}, removal before {until} more"
            );
            reads += 1;
        }
    }
    assert!(reads > 100, "{reads}");
}

/// Without such a refusal a process would take the notes of others for its own.
#[test]
fn a_store_that_overwrites_what_is_there_or_deletes_nothing_is_none() {
    let open = |overwrites, refuses_deletes| {
        let store = Gated {
            objects: Arc::default(),
            gate: Arc::new(Semaphore::new(1000)),
            overwrites,
            refuses_deletes,
            lies: Arc::default(),
        };
        done(ObjectContent::open(Arc::new(store), Path::default(), RULES))
    };
    open(false, false).unwrap();
    let refused = open(false, true).unwrap_err();
    let why = optimus_common::causes(&refused);
    assert!(why.contains("DeleteObjects"), "{why}");
    let refused = open(true, false).unwrap_err();
    assert!(
        matches!(&refused, ContentError::Misconfigured(why) if why.contains("If-None-Match")),
        "{refused}"
    );
}

/// A bit that fell over on the way, or a page of somebody in between, is not what is stored.
#[test]
fn a_wrong_answer_removes_no_content() {
    let [misled, putting, reading] = &Worlds::of_old_content(1).0[0];
    let read_misled = || {
        misled.lies.store(1, SeqCst);
        let read = async {
            let content = misled.store.get(digest()).await.unwrap().unwrap();
            content.into_bytes(1000).await
        };
        Steps::of(misled, read).end()
    };
    for _ in 0..2 {
        let error = read_misled().unwrap_err();
        assert!(matches!(error, ContentError::Unavailable(_)), "{error:?}");
        assert_whole(reading, String::new);
    }
    // Whoever puts it again puts it beside what is there, which goes only then.
    putting.lies.store(1, SeqCst);
    let mut again = Steps::of(putting, put(&putting.store));
    while again.step() {
        assert_whole(reading, String::new);
    }
    assert_eq!(again.end(), Put::New);
    assert_whole(reading, String::new);
}
