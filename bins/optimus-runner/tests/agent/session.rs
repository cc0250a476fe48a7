//! The worker's side of the protocol, as simple as can be.

use std::{
    collections::{BTreeMap, HashMap},
    io::{self, Read, Write},
    process::{ChildStdin, ChildStdout},
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, RecvTimeoutError, channel},
    },
    thread,
    time::Duration,
};

use optimus_common::{facts::RunFacts, limits::Limits};
use optimus_protocol::{
    CHUNK, COMPILE_OUTPUT_KEPT, CommandSpec, CompileDone, FileHeader, FrameKind, Frames, JobHeader, JobStep,
    OutputTag, Product, Ready, RunDone, Stream, TestHeader, VERSION, encode,
};
use serde::Serialize;

use crate::suite::boxes::TestBox;

/// No answer takes that long; a box that hangs fails its test instead of blocking the suite.
const PATIENCE: Duration = Duration::from_mins(5);

/// What a box says.
#[derive(Debug)]
pub(crate) enum Message {
    Ready(Ready),
    CompileDone(CompileDone),
    RunDone(RunDone),
    Fault(String),
    Output(JobStep, Stream, Vec<u8>),
}

/// A conversation with one box.
pub(crate) struct Session {
    /// Taken to hang up.
    pub(crate) input: Option<ChildStdin>,
    messages: Receiver<Message>,
    /// Output that has come so far.
    output: HashMap<(JobStep, Stream), Vec<u8>>,
    /// Whoever has it keeps the box from being listened to.
    reading: Arc<Mutex<()>>,
    pub(crate) test_box: TestBox,
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

/// A job as the tests describe it.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    pub(crate) files: Vec<(String, Vec<u8>)>,
    pub(crate) compile: Option<Vec<String>>,
    pub(crate) program: Option<String>,
    pub(crate) product: Product,
    pub(crate) run: Vec<String>,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) compile_limits: Limits,
    pub(crate) limits: Limits,
    pub(crate) slots: u32,
}

fn strings(argv: &[&str]) -> Vec<String> {
    argv.iter().map(ToString::to_string).collect()
}

/// Generous, also on a machine that is emulated, save where a test says otherwise.
pub(crate) fn limits() -> Limits {
    Limits {
        cpu_time: Duration::from_mins(2),
        wall_time: Duration::from_mins(4),
        memory_bytes: 256 << 20,
        output_bytes: 32 << 20,
        processes: 64,
        open_files: 256,
        file_size_bytes: 80 << 20,
    }
}

impl Job {
    pub(crate) fn command(argv: &[&str]) -> Self {
        Self {
            files: Vec::new(),
            compile: None,
            program: None,
            product: Product::Unknown,
            run: strings(argv),
            env: BTreeMap::new(),
            compile_limits: limits(),
            limits: limits(),
            slots: 1,
        }
    }

    /// A shell script.
    pub(crate) fn sh(script: &str) -> Self {
        Self::command(&["sh", "-c", script])
    }

    /// A C program; the headers most programs need are there already.
    pub(crate) fn c(source: &str) -> Self {
        let mut job = Self::command(&["./program"]);
        let source = [include_str!("prelude.h"), source].concat();
        job.files.push(("program.c".to_owned(), source.into_bytes()));
        job.compile(&["gcc", "-O1", "-pthread", "-o", "program", "program.c"])
    }

    pub(crate) fn file(mut self, name: &str, bytes: &[u8]) -> Self {
        self.files.push((name.to_owned(), bytes.to_owned()));
        self
    }

    pub(crate) fn compile(mut self, argv: &[&str]) -> Self {
        self.compile = Some(strings(argv));
        self
    }

    /// What the compile step has to make.
    pub(crate) fn program(mut self, name: &str) -> Self {
        self.program = Some(name.to_owned());
        self
    }

    /// What the compile step has to make for another program.
    pub(crate) fn product(mut self, product: Product) -> Self {
        self.product = product;
        self
    }

    pub(crate) fn slots(mut self, slots: u32) -> Self {
        self.slots = slots;
        self
    }

    pub(crate) fn limit(mut self, change: impl FnOnce(&mut Limits)) -> Self {
        change(&mut self.limits);
        self
    }

    pub(crate) fn header(&self) -> JobHeader {
        let command = |argv: &Vec<String>, limits| CommandSpec {
            argv: argv.clone(),
            env: self.env.clone(),
            limits,
        };
        JobHeader {
            version: VERSION,
            files: self
                .files
                .iter()
                .map(|(name, bytes)| FileHeader {
                    name: name.clone(),
                    bytes: bytes.len() as u64,
                })
                .collect(),
            compile: self
                .compile
                .as_ref()
                .map(|argv| command(argv, self.compile_limits)),
            program: self.program.clone(),
            product: self.product.clone(),
            run: command(&self.run, self.limits),
            max_parallel_tests: self.slots,
        }
    }

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
            FrameKind::CompileDone => Message::CompileDone(serde_json::from_slice(&payload).expect(json)),
            FrameKind::RunDone => Message::RunDone(serde_json::from_slice(&payload).expect(json)),
            FrameKind::Fault => Message::Fault(String::from_utf8(payload.to_vec()).expect(json)),
            FrameKind::Output => {
                let (tag, data) = OutputTag::decode(&payload).expect(json);
                Message::Output(tag.step, tag.stream, data.to_owned())
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
            reading,
            test_box,
        };
        match session.next() {
            Some(Message::Ready(ready)) => {
                assert_eq!(
                    ready,
                    Ready {
                        version: VERSION,
                        toolchain: Some("box 1.0".to_owned())
                    }
                );
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
        match self.messages.recv_timeout(PATIENCE) {
            Ok(message) => Some(message),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("the box says nothing"),
        }
    }

    pub(crate) fn send(&mut self, kind: FrameKind, payload: &[u8]) {
        let input = self.input.as_mut().expect("the session has not hung up");
        write_frame(input, kind, payload).expect("the box reads what it is sent");
    }

    pub(crate) fn send_message<T: Serialize>(&mut self, kind: FrameKind, message: &T) {
        self.send(kind, &serde_json::to_vec(message).expect("a message"));
    }

    pub(crate) fn send_job(&mut self, job: &Job) {
        self.send_message(FrameKind::Job, &job.header());
        for (_, bytes) in &job.files {
            for chunk in bytes.chunks(CHUNK) {
                self.send(FrameKind::FileData, chunk);
            }
        }
    }

    pub(crate) fn send_test(&mut self, run: u32, input: &[u8]) {
        self.send_message(
            FrameKind::Test,
            &TestHeader {
                run,
                input_bytes: input.len() as u64,
            },
        );
        for chunk in input.chunks(CHUNK) {
            self.send(FrameKind::InputData, chunk);
        }
    }

    /// Waits for the compile step; `None` where there is none.
    pub(crate) fn compiled(&mut self) -> Option<Ran> {
        self.compile_done().0
    }

    /// How the compile step ended, and whether it made no program.
    pub(crate) fn compile_done(&mut self) -> (Option<Ran>, bool) {
        let (compiled, done) = self.compile_step_done();
        (compiled, done.program_missing)
    }

    /// How the compile step ended, and all that was said of it.
    pub(crate) fn compile_step_done(&mut self) -> (Option<Ran>, CompileDone) {
        loop {
            match self.next() {
                Some(Message::CompileDone(done)) => {
                    let compiled = done.facts.clone();
                    return (compiled.map(|facts| self.ran(JobStep::Compile, facts)), done);
                }
                Some(Message::Output(step, stream, data)) => self.keep(step, stream, &data),
                other => panic!("{other:?} instead of CompileDone; {}", self.diagnostics()),
            }
        }
    }

    pub(crate) fn expect_compiled(&mut self) {
        if let Some(compiled) = self.compiled() {
            let messages = String::from_utf8_lossy(&compiled.stderr);
            assert_eq!(
                compiled.facts.end,
                optimus_common::facts::RunEnd::Exited { code: 0 },
                "{messages}"
            );
        }
    }

    /// Waits until one run is over.
    pub(crate) fn next_run(&mut self) -> (u32, Ran) {
        loop {
            match self.next() {
                Some(Message::RunDone(done)) => {
                    return (done.run, self.ran(JobStep::Run(done.run), done.facts));
                }
                Some(Message::Output(step, stream, data)) => self.keep(step, stream, &data),
                other => panic!("{other:?} instead of RunDone; {}", self.diagnostics()),
            }
        }
    }

    /// Sends one test after the other while it reads the results, and sorts those by test.
    pub(crate) fn run_all(&mut self, inputs: &[&[u8]]) -> Vec<Ran> {
        let mut input = self.input.take().expect("the session has not hung up");
        let mut runs: Vec<_> = thread::scope(|scope| {
            let sender = scope.spawn(move || {
                for (run, bytes) in (0..).zip(inputs) {
                    let header = TestHeader {
                        run,
                        input_bytes: bytes.len() as u64,
                    };
                    write_frame(&mut input, FrameKind::Test, &serde_json::to_vec(&header)?)?;
                    for chunk in bytes.chunks(CHUNK) {
                        write_frame(&mut input, FrameKind::InputData, chunk)?;
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
                Message::Output(..) => {}
                other => panic!("{other:?} from a box that should have failed"),
            }
        }
        let status = self.test_box.child.wait().expect("the box ends");
        assert!(!status.success(), "the box ends with an error");
        reason
    }

    #[allow(dead_code, reason = "not every suite takes output apart")]
    pub(crate) fn keep(&mut self, step: JobStep, stream: Stream, data: &[u8]) {
        self.output
            .entry((step, stream))
            .or_default()
            .extend_from_slice(data);
    }

    fn ran(&mut self, step: JobStep, facts: RunFacts) -> Ran {
        let mut take = |stream| self.output.remove(&(step, stream)).unwrap_or_default();
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
            let cut = step == JobStep::Compile && seen == COMPILE_OUTPUT_KEPT && seen < told;
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
