//! Jobs whose programs are shell scripts.

use std::{collections::BTreeMap, time::Duration};

use optimus_common::{facts::RunFacts, limits::Limits};
use optimus_protocol::{CommandSpec, ExecId, Exited, Seal, Stream};
use optimus_sandbox::{
    BoxHandle,
    session::{BoxSession, Event, Input, Receiver, Sender, Session, SessionError},
};

use super::TIMEOUT;

/// A job of one file.
pub(crate) struct Job {
    source: Vec<u8>,
    compile: Option<CommandSpec>,
    run: CommandSpec,
    /// Tests at once.
    pub(crate) parallel: u32,
}

/// A job in its box.
pub(crate) struct Started {
    at_work: BoxSession,
    run: CommandSpec,
}

/// Sends tests to it.
pub(crate) struct TestSender<'a> {
    sender: Sender<'a>,
    run: &'a CommandSpec,
}

/// The number of a compile step. Those of tests follow.
const COMPILE: ExecId = ExecId(0);

/// What came of one step.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    pub(crate) facts: RunFacts,
}

impl Job {
    /// Runs this script on every test.
    pub(crate) fn shell(script: &str) -> Self {
        Self {
            source: script.into(),
            compile: None,
            run: command(&["sh", "main.sh"]),
            parallel: 1,
        }
    }

    /// With a compile step that is a script, too.
    pub(crate) fn compiled_by(mut self, script: &str) -> Self {
        self.compile = Some(command(&["sh", "-c", script]));
        self
    }

    /// Sends all that need not wait for an answer.
    pub(crate) async fn start(&self, session: Session) -> Started {
        let mut at_work = session.begin(self.parallel).await.unwrap();
        let (mut sender, _) = at_work.split();
        sender.put("main.sh", &self.source).await.unwrap();
        sender.prepare(&[]).await.unwrap();
        match &self.compile {
            Some(compile) => {
                let sent = sender.exec(COMPILE, compile, None, Input::Bytes(b"")).await;
                sent.unwrap();
            }
            None => sender.seal(&Seal::default()).await.unwrap(),
        }
        Started {
            at_work,
            run: self.run.clone(),
        }
    }

    /// Runs all tests in this box, sent ahead, and returns their results in the order of the inputs.
    pub(crate) async fn grade(&self, session: Session, inputs: &[&[u8]]) -> Vec<Run> {
        let mut job = self.start(session).await;
        let (mut sender, mut receiver) = job.split();
        let mut tally = Tally::default();
        let graded = async {
            if self.compile.is_some() {
                while tally.compile.is_none() {
                    tally.take(receiver.next().await?);
                }
                sender.seal().await?;
            }
            let send = async {
                for (run, input) in (0..).zip(inputs) {
                    sender.test(run, input).await?;
                }
                sender.end().await
            };
            let receive = async {
                while tally.runs.len() < inputs.len() {
                    tally.take(receiver.next().await?);
                }
                Ok::<_, SessionError>(())
            };
            tokio::try_join!(send, receive)
        };
        tokio::time::timeout(TIMEOUT, graded)
            .await
            .expect("the job hangs")
            .unwrap();
        tally.runs.into_values().collect()
    }
}

impl Started {
    pub(crate) fn handle(&self) -> &dyn BoxHandle {
        self.at_work.handle()
    }

    pub(crate) fn split(&mut self) -> (TestSender<'_>, Receiver<'_>) {
        let (sender, receiver) = self.at_work.split();
        let run = &self.run;
        (TestSender { sender, run }, receiver)
    }
}

impl TestSender<'_> {
    pub(crate) async fn seal(&mut self) -> Result<(), SessionError> {
        self.sender.seal(&Seal::default()).await
    }

    pub(crate) async fn test(&mut self, run: u32, input: &[u8]) -> Result<(), SessionError> {
        let id = ExecId(COMPILE.0 + 1 + run);
        self.sender.exec(id, self.run, None, Input::Bytes(input)).await
    }

    pub(crate) async fn end(&mut self) -> Result<(), SessionError> {
        self.sender.end().await
    }
}

fn command(argv: &[&str]) -> CommandSpec {
    CommandSpec {
        argv: argv.iter().map(ToString::to_string).collect(),
        env: BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]),
        limits: Limits {
            cpu_time: Duration::from_secs(20),
            wall_time: Duration::from_secs(50),
            memory_bytes: 200 << 20,
            output_bytes: 16 << 20,
            processes: 32,
            open_files: 64,
            file_size_bytes: 32 << 20,
        },
    }
}

/// The test of an execution; `None` of the compile step.
fn run_of(id: ExecId) -> Option<u32> {
    id.0.checked_sub(COMPILE.0 + 1)
}

/// Collects events.
#[derive(Default)]
pub(crate) struct Tally {
    output: BTreeMap<(Option<u32>, bool), Vec<u8>>,
    pub(crate) compile: Option<RunFacts>,
    pub(crate) runs: BTreeMap<u32, Run>,
}

impl Tally {
    pub(crate) fn take(&mut self, event: Event) {
        match event {
            Event::Output { id, stream, data } => {
                self.output
                    .entry((run_of(id), stream == Stream::Stderr))
                    .or_default()
                    .extend_from_slice(&data);
            }
            Event::Exited(Exited { id, facts }) => match run_of(id) {
                None => self.compile = Some(facts),
                Some(run) => {
                    let stdout = self.printed(Some(run), Stream::Stdout);
                    let stderr = self.printed(Some(run), Stream::Stderr);
                    self.runs.insert(
                        run,
                        Run {
                            stdout,
                            stderr,
                            facts,
                        },
                    );
                }
            },
            Event::Sealed(_) => {}
            other => panic!("{other:?}"),
        }
    }

    /// Takes what one stream of one run, or of the compile step, has printed so far.
    pub(crate) fn printed(&mut self, run: Option<u32>, stream: Stream) -> Vec<u8> {
        self.output
            .remove(&(run, stream == Stream::Stderr))
            .unwrap_or_default()
    }
}

/// Waits until a run has printed something.
pub(crate) async fn first_output(receiver: &mut Receiver<'_>) {
    let wait = async { while !matches!(receiver.next().await.unwrap(), Event::Output { .. }) {} };
    tokio::time::timeout(TIMEOUT, wait)
        .await
        .expect("it prints nothing");
}
