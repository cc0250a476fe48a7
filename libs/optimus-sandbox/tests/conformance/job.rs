//! Jobs whose programs are shell scripts.

use std::{collections::BTreeMap, time::Duration};

use optimus_common::{facts::RunFacts, limits::Limits};
use optimus_protocol::{CommandSpec, CompileDone, FileHeader, JobHeader, JobStep, Stream, VERSION};
use optimus_sandbox::session::{Event, Receiver, Session, SessionError};

use super::PATIENCE;

/// A job and its one file.
pub(crate) struct Job {
    pub(crate) header: JobHeader,
    source: Vec<u8>,
}

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
        let header = JobHeader {
            program: None,
            product: optimus_protocol::Product::Unknown,
            version: VERSION,
            files: vec![FileHeader {
                name: "main.sh".to_owned(),
                bytes: script.len() as u64,
            }],
            compile: None,
            run: command(&["sh", "main.sh"]),
            max_parallel_tests: 1,
        };
        Self {
            header,
            source: script.into(),
        }
    }

    /// With a compile step that is a script, too.
    pub(crate) fn compiled_by(mut self, script: &str) -> Self {
        self.header.compile = Some(command(&["sh", "-c", script]));
        self
    }

    pub(crate) async fn start(&self, session: Session) -> optimus_sandbox::session::JobSession {
        session.start_job(&self.header, &[&self.source]).await.unwrap()
    }

    /// Runs all tests in this box, sent ahead, and returns their results in the order of the inputs.
    pub(crate) async fn grade(&self, session: Session, inputs: &[&[u8]]) -> Vec<Run> {
        let mut job = self.start(session).await;
        let (mut sender, mut receiver) = job.split();
        let send = async {
            for (run, input) in (0..).zip(inputs) {
                sender.test(run, input).await?;
            }
            sender.end().await
        };
        let receive = async {
            let mut tally = Tally::default();
            while tally.runs.len() < inputs.len() {
                tally.take(receiver.next().await?);
            }
            Ok::<_, SessionError>(tally)
        };
        let graded = async { tokio::try_join!(send, receive) };
        let ((), tally) = tokio::time::timeout(PATIENCE, graded)
            .await
            .expect("the job hangs")
            .unwrap();
        tally.runs.into_values().collect()
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

/// Collects events.
#[derive(Default)]
pub(crate) struct Tally {
    output: BTreeMap<(Option<u32>, bool), Vec<u8>>,
    pub(crate) compile: Option<CompileDone>,
    pub(crate) runs: BTreeMap<u32, Run>,
}

impl Tally {
    pub(crate) fn take(&mut self, event: Event) {
        match event {
            Event::Output { step, stream, data } => {
                let run = match step {
                    JobStep::Compile => None,
                    JobStep::Run(run) => Some(run),
                };
                self.output
                    .entry((run, stream == Stream::Stderr))
                    .or_default()
                    .extend_from_slice(&data);
            }
            Event::CompileDone(done) => self.compile = Some(done),
            Event::RunDone(done) => {
                let stdout = self.printed(Some(done.run), Stream::Stdout);
                let stderr = self.printed(Some(done.run), Stream::Stderr);
                self.runs.insert(
                    done.run,
                    Run {
                        stdout,
                        stderr,
                        facts: done.facts,
                    },
                );
            }
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
    tokio::time::timeout(PATIENCE, wait)
        .await
        .expect("it prints nothing");
}
