//! Somebody honest, in a box of its own, all the time.

use std::{sync::Arc, time::Duration};

use optimus_common::{facts::RunEnd, submission::Submission};
use optimus_judge::plan::{JobPlan, file_contents};
use optimus_protocol::{ExecId, Stream};
use optimus_sandbox::session::{Event, Input, SessionError};
use serde_json::json;
use tokio::{
    sync::{Mutex, watch},
    task::JoinHandle,
};

use crate::{
    build::{FIRST_TEST, build},
    stage::{Stage, step_timeout, time_factor},
};

/// Keeps a secret of its own, stays for a moment, and looks whether all is as it was.
const PROGRAM: &str = include_str!("support/neighbour.sh");

/// A job whose tests follow each other until the wave is over.
pub(crate) struct Neighbour {
    /// Tests that were right so far.
    served: watch::Receiver<u32>,
    leave: watch::Sender<bool>,
    task: Mutex<JoinHandle<Result<(), String>>>,
}

impl Neighbour {
    pub(crate) fn move_in(stage: Arc<Stage>) -> Self {
        let (serve, served) = watch::channel(0);
        let (leave, leaving) = watch::channel(false);
        let live = async move {
            live(&stage, &serve, &leaving)
                .await
                .map_err(|problem| format!("the neighbour is disturbed: {problem}"))
        };
        Self {
            served,
            leave,
            task: Mutex::new(tokio::spawn(live)),
        }
    }

    pub(crate) fn served(&self) -> u32 {
        *self.served.borrow()
    }

    /// Waits for its `number`th test to be right.
    pub(crate) async fn serves(&self, number: u32) -> Result<(), String> {
        let mut served = self.served.clone();
        let wait = served.wait_for(|served| *served >= number);
        let gone = match tokio::time::timeout(step_timeout(), wait).await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(_)) => "the neighbour is gone",
            Err(_) => "the neighbour hangs",
        };
        Err(gone.to_owned())
    }

    /// Tells what it has to complain of.
    pub(crate) async fn move_out(&self) -> Result<(), String> {
        self.leave.send_replace(true);
        let mut task = self.task.lock().await;
        match tokio::time::timeout(step_timeout(), &mut *task).await {
            Ok(Ok(lived)) => lived,
            Ok(Err(error)) => Err(format!("the neighbour has died: {error}")),
            Err(_) => Err("the neighbour never leaves".to_owned()),
        }
    }
}

async fn live(
    stage: &Stage,
    serve: &watch::Sender<u32>,
    leaving: &watch::Receiver<bool>,
) -> Result<(), String> {
    let language = stage.language("shell");
    let submission: Submission = serde_json::from_value(json!({
        "language": "shell",
        "source_code": PROGRAM.replace("SECRET", &stage.canaries.secret("neighbours-source")),
        "test_cases": [{"id": 1}],
        "timeout_ms": 1000 * time_factor(),
        "wall_timeout_ms": 3000 * time_factor(),
    }))
    .map_err(|error| error.to_string())?;
    let plan =
        JobPlan::new(&submission, language, &stage.settings.limits).map_err(|error| error.to_string())?;
    let files: Vec<_> = file_contents(&submission, language).collect();
    let session = stage.open(language, plan.box_memory_bytes).await?;
    let name = session.handle().name().to_owned();
    let failed = |error: SessionError| error.to_string();
    let mut job = session.begin(plan.parallel).await.map_err(failed)?;
    let compiled = build(&mut job, &plan, &files).await.map_err(failed)?;
    compiled.is_made()?;
    let (mut sender, mut receiver) = job.split();
    for run in 0_u32.. {
        let input = format!("{run} {}\n", stage.canaries.secret("neighbours-input"));
        let test = async {
            let id = ExecId(FIRST_TEST + run);
            let input = Input::Bytes(input.as_bytes());
            sender.exec(id, &plan.run, None, input).await?;
            let mut written = (Vec::new(), Vec::new());
            loop {
                match receiver.next().await? {
                    Event::Output {
                        stream: Stream::Stdout,
                        data,
                        ..
                    } => written.0.extend_from_slice(&data),
                    Event::Output { data, .. } => written.1.extend_from_slice(&data),
                    Event::Exited(exited) => return Ok((exited.facts, written)),
                    other => panic!("{other:?}"),
                }
            }
        };
        let test = tokio::time::timeout(step_timeout(), test);
        let (facts, (stdout, stderr)) = test
            .await
            .map_err(|_| "a test of it hangs".to_owned())?
            .map_err(failed)?;
        let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
        if facts.end != (RunEnd::Exited { code: 0 }) || stdout != format!("{run}\n") || !stderr.is_empty() {
            return Err(format!("{facts:?}\nstdout: {stdout}\nstderr: {stderr}"));
        }
        serve.send_replace(run + 1);
        if *leaving.borrow() {
            break;
        }
        // It must be there, and not use up the machine.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    sender.end().await.map_err(failed)?;
    job.handle()
        .destroy()
        .await
        .map_err(|error| format!("{error:?}"))?;
    stage.outside.gone(&name).await
}
