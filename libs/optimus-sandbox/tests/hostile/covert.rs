//! Channels by which a job might tell another one a bit: a sender in one box and a receiver in another, at the same time.
//!
//! The same program is then sender and receiver in one box, where the receiver must notice the sender, unless nobody can
//! use the channel at all. So a test that finds nothing would have found something.

use std::sync::Arc;

use libtest_mimic::Trial;
use optimus_common::submission::Submission;
use optimus_judge::plan::{JobPlan, file_contents};
use optimus_protocol::{CommandSpec, ExecId, Stream};
use optimus_sandbox::{
    BoxHandle,
    session::{BoxSession, Event, Input, SessionError},
};
use serde_json::json;

use crate::{
    Suite,
    build::{FIRST_TEST, build},
    case::Case,
    stage::{Kind, Stage, step_timeout, time_factor},
};

pub(crate) const GROUP: &str = "covert";

const HELPER: &str = include_str!("support/covert.py");

/// What a program says where the kernel or the filter does not let it use the channel.
const REFUSED: &str = "refused";

pub(crate) fn trials(suite: &Arc<Suite>, kind: Kind, cases: &[Case]) -> Vec<Trial> {
    let trial = |case: &Case| {
        let (suite, case) = (Arc::clone(suite), case.clone());
        let name = format!("{}::{}", kind.as_str(), case.full_name());
        Trial::test(name, move || {
            let attempt = async { attempt(suite.stage(kind).await, &case).await };
            Ok(suite.runtime.block_on(attempt)?)
        })
    };
    cases.iter().filter(|case| case.is_for(kind)).map(trial).collect()
}

/// Tries to pass a bit. Fails where it passes, and where nobody would have noticed.
pub(crate) async fn attempt(stage: &Arc<Stage>, case: &Case) -> Result<(), String> {
    let entry = stage.enter(case).await;
    let passed = tokio::time::timeout(step_timeout(), pass(stage, case)).await;
    drop(entry);
    stage.settle_sometimes().await?;
    passed.map_err(|_| "a program hangs".to_owned())?
}

async fn pass(stage: &Stage, case: &Case) -> Result<(), String> {
    let (mut sender, mut receiver) = tokio::try_join!(open(stage, case), open(stage, case))?;
    let held = ask(&mut sender, 0, "hold").await?;
    let sought = ask(&mut receiver, 0, "seek").await?;
    let both = ask(&mut receiver, 1, "both").await?;
    for party in [sender, receiver] {
        let name = party.handle().name().to_owned();
        let destroyed = party.handle().destroy().await;
        destroyed.map_err(|error| format!("{error:?}"))?;
        stage.outside.gone(&name).await?;
    }
    let usable = both == "seen";
    if !usable && !both.starts_with(REFUSED) {
        return Err(format!(
            "nobody would notice: in one box the program says {both:?}"
        ));
    }
    if usable && held != "holding" {
        return Err(format!("the sender does not send: {held:?}"));
    }
    if sought == "nothing" || sought.starts_with(REFUSED) {
        Ok(())
    } else {
        Err(format!("a bit has passed: the receiver says {sought:?}"))
    }
}

/// The program in a box of its own.
struct Party {
    at_work: BoxSession,
    program: CommandSpec,
}

impl Party {
    fn handle(&self) -> &dyn BoxHandle {
        self.at_work.handle()
    }
}

async fn open(stage: &Stage, case: &Case) -> Result<Party, String> {
    let language = stage.language("python");
    let submission: Submission = serde_json::from_value(json!({
        "language": "python",
        "files": [
            {"name": "main.py", "content": case.read(&case.program)},
            {"name": "covert.py", "content": HELPER},
        ],
        "test_cases": [{"id": 1}],
        "timeout_ms": 10_000 * time_factor(),
        "wall_timeout_ms": 60_000 * time_factor(),
    }))
    .map_err(|error| error.to_string())?;
    let plan =
        JobPlan::new(&submission, language, &stage.settings.limits).map_err(|error| error.to_string())?;
    let files: Vec<_> = file_contents(&submission, language).collect();
    let session = stage.open(language, plan.box_memory_bytes).await?;
    let failed = |error: SessionError| error.to_string();
    let mut at_work = session.begin(plan.parallel).await.map_err(failed)?;
    let compiled = build(&mut at_work, &plan, &files).await.map_err(failed)?;
    compiled.is_made()?;
    Ok(Party {
        at_work,
        program: plan.run,
    })
}

/// Starts the program's next run, and returns the first line it prints.
async fn ask(party: &mut Party, run: u32, word: &str) -> Result<String, String> {
    let (mut sender, mut receiver) = party.at_work.split();
    let failed = |error: SessionError| error.to_string();
    let (id, input) = (ExecId(FIRST_TEST + run), format!("{word}\n"));
    sender
        .exec(id, &party.program, None, Input::Bytes(input.as_bytes()))
        .await
        .map_err(failed)?;
    let (mut printed, mut complaint) = (Vec::new(), Vec::new());
    loop {
        match receiver.next().await.map_err(failed)? {
            Event::Output {
                stream: Stream::Stdout,
                data,
                ..
            } => printed.extend_from_slice(&data),
            Event::Output { data, .. } => complaint.extend_from_slice(&data),
            Event::Exited(exited) if printed.is_empty() => {
                let complaint = String::from_utf8_lossy(&complaint);
                return Err(format!("{word} ended with {:?}: {complaint}", exited.facts.end));
            }
            Event::Exited(_) => return Ok(first_line(&printed)),
            other => panic!("{other:?}"),
        }
        // Who holds something does not end.
        if word == "hold" && printed.contains(&b'\n') {
            return Ok(first_line(&printed));
        }
    }
}

fn first_line(printed: &[u8]) -> String {
    let text = String::from_utf8_lossy(printed);
    text.lines().next().unwrap_or_default().to_owned()
}
