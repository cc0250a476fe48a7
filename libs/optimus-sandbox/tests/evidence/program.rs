//! The one program of this suite, and a job that runs it.

use std::{
    collections::{BTreeMap, HashMap},
    env, fs,
    path::Path,
    process::Command,
    sync::{Mutex, OnceLock},
    time::Duration,
};

use optimus_common::{facts::RunFacts, limits::Limits, result::Verdict};
use optimus_judge::{
    capture::Capture,
    compare::Check,
    plan::JobPlan,
    verdict::{Evidence, Runtime, judge},
};
use optimus_protocol::{CommandSpec, ExecId, Exited, Seal};
use optimus_sandbox::session::{Event, Input, Session, SessionError};
use tokio::sync::mpsc::unbounded_channel;

use crate::build::{FIRST_TEST, build};

/// The program, linked so that it runs in every box.
fn program() -> &'static [u8] {
    static PROGRAM: OnceLock<Vec<u8>> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/evidence/program.c");
        let folder = tempfile::tempdir().unwrap();
        let binary = folder.path().join("program");
        let compiler = env::var("CC").unwrap_or_else(|_| "gcc".to_owned());
        let status = Command::new(compiler)
            .args(["-O1", "-static", "-pthread", "-o"])
            .args([&binary, &source])
            .status()
            .expect("this suite needs a C compiler");
        assert!(status.success(), "the program does not compile: {status}");
        fs::read(binary).unwrap()
    })
}

/// Generous, save where a test says otherwise.
pub(crate) fn limits() -> Limits {
    Limits {
        cpu_time: Duration::from_secs(20),
        wall_time: Duration::from_secs(40),
        memory_bytes: 256 << 20,
        output_bytes: 16 << 20,
        processes: 64,
        open_files: 256,
        file_size_bytes: 256 << 20,
    }
}

/// What came of one run.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) verdict: Verdict,
    pub(crate) facts: RunFacts,
    /// Of the first try, if this is the second one.
    pub(crate) earlier: Option<RunFacts>,
}

/// Runs the program in this box, once for each command.
pub(crate) async fn run(session: Session, limits: Limits, commands: &[String]) -> Vec<Ran> {
    let program = program();
    let command = |argv: &[&str], limits| CommandSpec {
        argv: argv.iter().map(ToString::to_string).collect(),
        env: BTreeMap::new(),
        limits,
    };
    let plan = JobPlan {
        files: vec!["program".to_owned()],
        folders: Vec::new(),
        compile: Some(command(&["chmod", "755", "program"], self::limits())),
        made: Seal::default(),
        run: command(&["./program"], limits),
        parallel: 1,
        largest_input_bytes: 0,
        box_memory_bytes: 0,
    };
    let mut job = session.begin(plan.parallel).await.unwrap();
    let compiled = build(&mut job, &plan, &[program]).await.unwrap();
    assert!(compiled.sealed.is_some(), "{compiled:?}");
    let (mut sender, mut receiver) = job.split();
    let (turns, mut may_be_sent) = unbounded_channel();
    for run in (0..).take(commands.len()) {
        turns.send(run).unwrap();
    }
    // Each execution has a number of its own.
    let executed = Mutex::new(Vec::new());
    let send = async {
        while let Some(run) = may_be_sent.recv().await {
            let number = {
                let mut executed = executed.lock().unwrap();
                executed.push(run);
                u32::try_from(executed.len() - 1).unwrap()
            };
            let command: &String = &commands[run as usize];
            let (id, input) = (ExecId(FIRST_TEST + number), Input::Bytes(command.as_bytes()));
            sender.exec(id, &plan.run, None, input).await?;
        }
        sender.end().await
    };
    let executed = &executed;
    let receive = async move {
        let (mut runs, mut earlier) = (BTreeMap::new(), HashMap::new());
        while runs.len() < commands.len() {
            match receiver.next().await? {
                Event::Output { .. } => {}
                Event::Exited(Exited { id, facts }) => {
                    let run: u32 = executed.lock().unwrap()[(id.0 - FIRST_TEST) as usize];
                    // What it prints is right.
                    if facts.is_marginal_timeout(&limits) && !earlier.contains_key(&run) {
                        earlier.insert(run, facts);
                        turns.send(run).unwrap();
                        continue;
                    }
                    let ran = Ran {
                        verdict: verdict(&facts, &limits),
                        facts,
                        earlier: earlier.remove(&run),
                    };
                    runs.insert(run, ran);
                }
                other => panic!("{other:?}"),
            }
        }
        drop(turns);
        Ok::<_, SessionError>(runs.into_values().collect())
    };
    let ((), runs) = async { tokio::try_join!(send, receive) }.await.unwrap();
    job.handle().destroy().await.unwrap();
    runs
}

/// That of a program whose output is right.
fn verdict(facts: &RunFacts, limits: &Limits) -> Verdict {
    let evidence = Evidence {
        facts,
        limits,
        runtime: Runtime::default(),
        stderr: &Capture::new(0),
    };
    judge(evidence, || Check::Accepted).verdict
}
