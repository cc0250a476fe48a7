//! The worker's side of the protocol, as simple as can be.

use std::{
    collections::HashMap,
    io::{self, Read, Write},
    process::{ChildStdin, ChildStdout},
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, RecvTimeoutError, channel},
    },
    thread,
    time::Duration,
};

use optimus_common::facts::{RunEnd, RunFacts};
use optimus_protocol::{
    CHUNK, COMPILE_OUTPUT_KEPT, Exec, ExecId, Exited, FileFound, FrameKind, Frames, Get, OutputTag, Put,
    Ready, Sealed, StdinSource, StdoutFlow, Stream, Taken, VERSION, encode,
};
use serde::Serialize;

use crate::suite::{
    boxes::TestBox,
    job::{COMPILE, Job},
};

/// No answer takes that long; a box that hangs fails its test instead of blocking the suite.
const TIMEOUT: Duration = Duration::from_mins(5);

/// What a box says.
#[derive(Debug)]
pub(crate) enum Message {
    Ready(Ready),
    Sealed(Sealed),
    Exited(Exited),
    Fault(String),
    Output(ExecId, Stream, Vec<u8>),
    InputTaken(Taken),
    StdoutClosed(ExecId),
    File(FileFound),
    Data(Vec<u8>),
}

/// A conversation with one box.
pub(crate) struct Session {
    /// Taken to hang up.
    pub(crate) input: Option<ChildStdin>,
    messages: Receiver<Message>,
    /// Output that has come so far.
    output: HashMap<(ExecId, Stream), Vec<u8>>,
    /// What is sent as a test's command, once there is a job.
    job: Option<Job>,
    /// The number of the next execution.
    next_id: u32,
    /// What the tests call each execution.
    runs: HashMap<ExecId, u32>,
    /// Whoever has it keeps the box from being listened to.
    reading: Arc<Mutex<()>>,
    pub(crate) test_box: TestBox,
    /// The most executions that it has told it can have at once.
    pub(crate) places: u32,
}

/// Everything known of one run, or of the compile step.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) facts: RunFacts,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
}

impl Ran {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).expect("the program writes text")
    }
}

impl Job {
    /// Sends the job, checks that it compiles, and returns what comes of one run with each input.
    pub(crate) fn run(&self, inputs: &[&[u8]]) -> Vec<Ran> {
        let mut session = Session::start();
        session.send_job(self);
        session.expect_compiled();
        let runs = session.run_all(inputs);
        session.expect_end();
        runs
    }

    /// One run without input.
    pub(crate) fn run_once(&self) -> Ran {
        self.run(&[b""]).remove(0)
    }
}

pub(crate) fn write_frame(to: &mut impl Write, kind: FrameKind, payload: &[u8]) -> io::Result<()> {
    let mut frame = Vec::new();
    encode(&mut frame, kind, &[payload]);
    // At once: a box that refuses the header may be gone before the payload follows.
    to.write_all(&frame)
}

fn read_messages(mut from: ChildStdout, mut found: impl FnMut(Message)) {
    let mut frames = Frames::new();
    loop {
        let Some((kind, payload)) = frames.next_frame().expect("the box sends frames") else {
            let mut read = vec![0; frames.missing()];
            if from.read_exact(&mut read).is_err() {
                assert!(frames.is_empty(), "the box sends whole frames");
                return;
            }
            frames.room(0).extend_from_slice(&read);
            continue;
        };
        let json = "the box sends valid messages";
        found(match kind {
            FrameKind::Ready => Message::Ready(serde_json::from_slice(&payload).expect(json)),
            FrameKind::Sealed => Message::Sealed(serde_json::from_slice(&payload).expect(json)),
            FrameKind::Exited => Message::Exited(serde_json::from_slice(&payload).expect(json)),
            FrameKind::File => Message::File(serde_json::from_slice(&payload).expect(json)),
            FrameKind::Data => Message::Data(payload.to_vec()),
            FrameKind::InputTaken => Message::InputTaken(Taken::decode(&payload).expect(json)),
            FrameKind::StdoutClosed => Message::StdoutClosed(ExecId::decode(&payload).expect(json)),
            FrameKind::Fault => Message::Fault(String::from_utf8(payload.to_vec()).expect(json)),
            FrameKind::Output => {
                let (tag, data) = OutputTag::decode(&payload).expect(json);
                Message::Output(tag.id, tag.stream, data.to_owned())
            }
            other => panic!("a box does not send {other:?}"),
        });
    }
}

impl Session {
    /// Starts a box and waits until it is ready.
    pub(crate) fn start() -> Self {
        let mut test_box = TestBox::start();
        let input = test_box.child.stdin.take();
        let output = test_box.child.stdout.take().expect("a pipe");
        let (sender, messages) = channel();
        let reading = Arc::new(Mutex::new(()));
        let allowed = Arc::clone(&reading);
        thread::spawn(move || {
            read_messages(output, |message| {
                drop(allowed.lock());
                // The test may have seen enough.
                let _ = sender.send(message);
            });
        });
        let mut session = Self {
            input,
            messages,
            output: HashMap::new(),
            job: None,
            next_id: COMPILE.0 + 1,
            runs: HashMap::new(),
            reading,
            test_box,
            places: 0,
        };
        match session.next() {
            Some(Message::Ready(ready)) => {
                assert_eq!(
                    (ready.version, ready.toolchain.as_deref()),
                    (VERSION, Some("box 1.0"))
                );
                session.places = ready.places;
            }
            other => panic!("{other:?} instead of Ready; {}", session.diagnostics()),
        }
        session
    }

    /// Does something while the box is not listened to.
    #[allow(dead_code, reason = "not every suite is deaf")]
    pub(crate) fn deaf_while<T>(&mut self, act: impl FnOnce(&mut Self) -> T) -> T {
        let reading = Arc::clone(&self.reading);
        let _deaf = reading.lock().expect("no panic");
        act(self)
    }

    /// The next message; `None` when the box has closed its end.
    pub(crate) fn next(&mut self) -> Option<Message> {
        match self.messages.recv_timeout(TIMEOUT) {
            Ok(message) => Some(message),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("the box says nothing"),
        }
    }

    pub(crate) fn send(&mut self, kind: FrameKind, payload: &[u8]) {
        let input = self.input.as_mut().expect("the session has not hung up");
        write_frame(input, kind, payload).expect("the box reads what it is sent");
    }

    /// To a box that may be gone already for what it was sent before.
    #[allow(dead_code, reason = "not every suite sends too much")]
    pub(crate) fn try_send(&mut self, kind: FrameKind, payload: &[u8]) {
        let input = self.input.as_mut().expect("the session has not hung up");
        let _ = write_frame(input, kind, payload);
    }

    pub(crate) fn send_message<T: Serialize>(&mut self, kind: FrameKind, message: &T) {
        self.send(kind, &serde_json::to_vec(message).expect("a message"));
    }

    /// Sends all that need not wait for an answer.
    pub(crate) fn send_job(&mut self, job: &Job) {
        self.send_message(FrameKind::Begin, &job.begin());
        for (path, bytes) in &job.files {
            let put = Put {
                path: path.clone(),
                bytes: bytes.len() as u64,
            };
            self.send_message(FrameKind::Put, &put);
            for chunk in bytes.chunks(CHUNK) {
                self.send(FrameKind::Data, chunk);
            }
        }
        self.send_message(FrameKind::Prepare, &job.prepare());
        match job.compile_exec() {
            Some(compile) => self.send_message(FrameKind::Exec, &compile),
            None => self.send_message(FrameKind::Seal, &job.seal()),
        }
        self.job = Some(job.clone());
    }

    /// A number for an execution that the tests call so.
    fn new_id(&mut self, run: u32) -> ExecId {
        let id = ExecId(self.next_id);
        self.next_id += 1;
        self.runs.insert(id, run);
        id
    }

    /// Says what the tests call an execution that they send themselves.
    pub(crate) fn expect_run(&mut self, id: ExecId, run: u32) {
        self.runs.insert(id, run);
    }

    fn exec(&mut self, run: u32, stdin: StdinSource) -> Exec {
        let id = self.new_id(run);
        self.job.as_ref().expect("a job was sent").exec(id, stdin)
    }

    pub(crate) fn send_test(&mut self, run: u32, input: &[u8]) {
        let exec = self.exec(run, StdinSource::Bytes(input.len() as u64));
        self.send_message(FrameKind::Exec, &exec);
        for chunk in input.chunks(CHUNK) {
            self.send(FrameKind::Data, chunk);
        }
    }

    /// A test that reads what is sent while it runs.
    #[allow(dead_code, reason = "not every suite feeds programs")]
    pub(crate) fn send_live(&mut self, run: u32) -> ExecId {
        let exec = self.exec(run, StdinSource::Live);
        self.send_message(FrameKind::Exec, &exec);
        exec.id
    }

    /// The same, which prints through a window.
    #[allow(dead_code, reason = "not every suite feeds programs")]
    pub(crate) fn send_windowed(&mut self, run: u32) -> ExecId {
        let exec = Exec {
            stdout: StdoutFlow::Windowed,
            ..self.exec(run, StdinSource::Live)
        };
        self.send_message(FrameKind::Exec, &exec);
        exec.id
    }

    #[allow(dead_code, reason = "not every suite feeds programs")]
    pub(crate) fn send_taken(&mut self, id: ExecId, bytes: usize) {
        let bytes = bytes.try_into().expect("few bytes");
        self.send(FrameKind::OutputTaken, &Taken { id, bytes }.encode());
    }

    #[allow(dead_code, reason = "not every suite feeds programs")]
    pub(crate) fn send_input(&mut self, id: ExecId, bytes: &[u8]) {
        self.send(FrameKind::Input, &[&id.encode(), bytes].concat());
    }

    /// Whether what was asked for is there, and its bytes.
    #[allow(dead_code, reason = "not every suite asks for files")]
    pub(crate) fn get(&mut self, path: &str, most_bytes: u64) -> (FileFound, Vec<u8>) {
        let path = path.to_owned();
        self.send_message(FrameKind::Get, &Get { path, most_bytes });
        let mut bytes = Vec::new();
        let found = match self.next() {
            Some(Message::File(found)) => found,
            other => panic!("{other:?} instead of File; {}", self.diagnostics()),
        };
        while matches!(found, FileFound::Bytes(all) if (bytes.len() as u64) < all) {
            match self.next() {
                Some(Message::Data(data)) => bytes.extend(data),
                other => panic!("{other:?} instead of Data; {}", self.diagnostics()),
            }
        }
        (found, bytes)
    }

    /// Waits for the compile step; `None` where there is none.
    pub(crate) fn compiled(&mut self) -> Option<Ran> {
        self.compile_done().0
    }

    /// How the compile step ended, and whether it made no program.
    pub(crate) fn compile_done(&mut self) -> (Option<Ran>, bool) {
        let (compiled, sealed) = self.compile_step_done();
        (compiled, sealed.is_some_and(|sealed| sealed.program_missing))
    }

    /// How the compile step ended, and all that was said of what it left. Where no test is to be run then, the box is told that
    /// nothing follows.
    pub(crate) fn compile_step_done(&mut self) -> (Option<Ran>, Option<Sealed>) {
        let job = self.job.clone().expect("a job was sent");
        let mut compiled = None;
        if job.compile.is_some() {
            let ran = self.exited(COMPILE);
            if ran.facts.end != (RunEnd::Exited { code: 0 }) {
                self.send(FrameKind::End, &[]);
                return (Some(ran), None);
            }
            compiled = Some(ran);
            self.send_message(FrameKind::Seal, &job.seal());
        }
        let sealed = match self.next() {
            Some(Message::Sealed(sealed)) => sealed,
            other => panic!("{other:?} instead of Sealed; {}", self.diagnostics()),
        };
        if sealed.program_missing || sealed.too_many_entries {
            self.send(FrameKind::End, &[]);
        }
        (compiled, Some(sealed))
    }

    fn exited(&mut self, expected: ExecId) -> Ran {
        let (id, ran) = self.next_exited();
        assert_eq!(id, expected);
        ran
    }

    pub(crate) fn expect_compiled(&mut self) {
        if let Some(compiled) = self.compiled() {
            let messages = String::from_utf8_lossy(&compiled.stderr);
            assert_eq!(compiled.facts.end, RunEnd::Exited { code: 0 }, "{messages}");
        }
    }

    /// Waits until one run is over.
    pub(crate) fn next_run(&mut self) -> (u32, Ran) {
        let (id, ran) = self.next_exited();
        (self.runs[&id], ran)
    }

    fn next_exited(&mut self) -> (ExecId, Ran) {
        loop {
            match self.next() {
                Some(Message::Exited(Exited { id, facts })) => return (id, self.ran(id, facts)),
                Some(Message::Output(id, stream, data)) => self.keep(id, stream, &data),
                Some(Message::InputTaken(_) | Message::StdoutClosed(_)) => {}
                other => panic!("{other:?} instead of Exited; {}", self.diagnostics()),
            }
        }
    }

    /// Sends one test after the other while it reads the results, and sorts those by test.
    pub(crate) fn run_all(&mut self, inputs: &[&[u8]]) -> Vec<Ran> {
        let execs: Vec<_> = (0..)
            .zip(inputs)
            .map(|(run, bytes)| self.exec(run, StdinSource::Bytes(bytes.len() as u64)))
            .collect();
        let mut input = self.input.take().expect("the session has not hung up");
        let mut runs: Vec<_> = thread::scope(|scope| {
            let sender = scope.spawn(move || {
                for (exec, bytes) in execs.iter().zip(inputs) {
                    write_frame(&mut input, FrameKind::Exec, &serde_json::to_vec(exec)?)?;
                    for chunk in bytes.chunks(CHUNK) {
                        write_frame(&mut input, FrameKind::Data, chunk)?;
                    }
                }
                write_frame(&mut input, FrameKind::End, &[])?;
                // Kept open: a worker that hangs up is gone.
                io::Result::Ok(input)
            });
            let runs = inputs.iter().map(|_| self.next_run()).collect();
            self.input = Some(
                sender
                    .join()
                    .expect("no panic")
                    .expect("the box reads what it is sent"),
            );
            runs
        });
        runs.sort_by_key(|(run, _)| *run);
        runs.into_iter().map(|(_, ran)| ran).collect()
    }

    /// Checks that the box leaves without an error and says no more.
    pub(crate) fn expect_end(mut self) {
        if let Some(message) = self.next() {
            panic!("{message:?} after the end; {}", self.diagnostics());
        }
        let status = self.test_box.child.wait().expect("the box ends");
        assert!(status.success(), "{status}; {}", self.diagnostics());
    }

    /// Waits until the box is gone and returns its reason, if it gave one.
    pub(crate) fn expect_failure(mut self) -> Option<String> {
        let mut reason = None;
        while let Some(message) = self.next() {
            match message {
                Message::Fault(text) => reason = Some(text),
                Message::Output(..) | Message::InputTaken(_) | Message::StdoutClosed(_) => {}
                other => panic!("{other:?} from a box that should have failed"),
            }
        }
        let status = self.test_box.child.wait().expect("the box ends");
        assert!(!status.success(), "the box ends with an error");
        reason
    }

    #[allow(dead_code, reason = "not every suite takes output apart")]
    pub(crate) fn keep(&mut self, id: ExecId, stream: Stream, data: &[u8]) {
        self.output
            .entry((id, stream))
            .or_default()
            .extend_from_slice(data);
    }

    /// Bytes of standard output that came of an execution that goes on while something else was waited for.
    #[allow(dead_code, reason = "not every suite feeds programs")]
    pub(crate) fn kept(&self, id: ExecId) -> usize {
        self.output.get(&(id, Stream::Stdout)).map_or(0, Vec::len)
    }

    fn ran(&mut self, id: ExecId, facts: RunFacts) -> Ran {
        let mut take = |stream| self.output.remove(&(id, stream)).unwrap_or_default();
        let ran = Ran {
            stdout: take(Stream::Stdout),
            stderr: take(Stream::Stderr),
            facts,
        };
        // What is reported and what has come must agree, up to the one byte that was too much, and up to what travels of a
        // compiler's words.
        for (seen, told) in [
            (&ran.stdout, ran.facts.stdout_bytes),
            (&ran.stderr, ran.facts.stderr_bytes),
        ] {
            let seen = seen.len() as u64;
            let cut = id == COMPILE && seen == COMPILE_OUTPUT_KEPT && seen < told;
            assert!(
                seen == told || seen + 1 == told || cut,
                "{seen} bytes came, {told} were reported"
            );
        }
        ran
    }

    /// What the box wrote to its standard error; ends the box.
    fn diagnostics(&mut self) -> String {
        let _ = self.test_box.child.kill();
        let mut text = String::new();
        if let Some(mut stderr) = self.test_box.child.stderr.take() {
            let _ = stderr.read_to_string(&mut text);
        }
        format!("its diagnostics: {text}")
    }
}
