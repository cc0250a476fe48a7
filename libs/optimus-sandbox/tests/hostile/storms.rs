//! Honest programs beside attacks that go on and on: every one of them is accepted at its first try, and what the kernel has
//! of its own is afterwards what it was.
//!
//! A storm is a case with `storm = true` in its data. Two boxes run its attack, one job after another, until the neighbours
//! are done. They are trials of their own, one after another, when all others are over: each uses the whole machine. Without
//! [`TESTS`] every second one is on containers, and the others on native boxes.

use std::{
    env,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use futures_util::{
    future::{join_all, try_join_all},
    join,
};
use libtest_mimic::{Completion, Failed, Trial};
use optimus_common::{
    result::{JobResult, Verdict},
    submission::Submission,
};
use optimus_judge::plan::JobPlan;
use serde_json::json;
use tokio::sync::watch;

use crate::{
    Suite,
    attempt::{submission, told},
    case::{Case, Group, Test},
    grading::{Graded, grade},
    languages::Dialect,
    outside::kernel_memory,
    stage::{Kind, Stage, time_factor},
};

/// Tests of each neighbour under each storm, where this is set.
const TESTS: &str = "OPTIMUS_STORM_TESTS";
const USUAL_TESTS: usize = 4;

/// Of one job. A neighbour is compiled and boxed anew while the storm goes on.
const TESTS_OF_A_JOB: usize = 25;

/// Attacks of one job of a storm, between which nothing is compiled. A storm ends only when its job does.
const MOST_ATTACKS: usize = 8;

/// Boxes that storm at once.
const STORMS: usize = 2;

/// CPU time of a neighbour. It needs some tens of milliseconds.
const TIMEOUT_MS: u64 = 1000;

/// Programs that greet whoever is told to them.
const NEIGHBOURS: [(&str, &str); 3] = [
    (
        "c",
        "#include <stdio.h>\nint main(void) { char name[64]; return scanf(\"%63s\", name) != 1 || printf(\"hello %s\\n\", name) < 0; }\n",
    ),
    ("python", "print('hello', input())\n"),
    (
        "javascript",
        "console.log('hello ' + require('fs').readFileSync(0, 'utf8').trim());\n",
    ),
];

pub(crate) fn trials(suite: &Arc<Suite>, groups: &[Group]) -> Vec<Trial> {
    let cases = groups.iter().flat_map(|group| &group.cases);
    let storms = cases.filter(|case| case.storm);
    let trial = |kind: Kind, case: &Case| {
        let (suite, case) = (Arc::clone(suite), case.clone());
        let name = format!("storms::{}::{}", kind.as_str(), case.full_name());
        Trial::ignorable_test(name, move || run(&suite, kind, &case))
    };
    let all = env::var_os(TESTS).is_some();
    storms
        .enumerate()
        .flat_map(|storm| Kind::ALL.into_iter().enumerate().map(move |kind| (storm, kind)))
        .filter(|((number, _), (turn, _))| all || number % Kind::ALL.len() == *turn)
        .map(|((_, case), (_, kind))| trial(kind, case))
        .collect()
}

fn run(suite: &Suite, kind: Kind, case: &Case) -> Result<Completion, Failed> {
    suite.runtime.block_on(async {
        let stage = suite.stage(kind).await;
        if let Some(reason) = stage.lacks(Dialect::of(&case.program).name()).await {
            return suite.passed_over(format!("storms::{}::{}", kind.as_str(), case.full_name()), reason);
        }
        let mut neighbours = Vec::new();
        for (language, source) in NEIGHBOURS {
            match stage.lacks(language).await {
                None => neighbours.push((language, source)),
                Some(reason) => drop(suite.passed_over(format!("a neighbour in {language}"), reason)?),
            }
        }
        if neighbours.is_empty() {
            return Err("there is no neighbour".into());
        }
        weather(stage, case, &neighbours).await?;
        Ok(Completion::Completed)
    })
}

/// Has the neighbours live through a storm.
async fn weather(stage: &Arc<Stage>, case: &Case, neighbours: &[(&str, &str)]) -> Result<(), String> {
    let tests = env::var(TESTS).map_or(Ok(USUAL_TESTS), |tests| tests.parse());
    let tests = tests.map_err(|error| format!("{TESTS}: {error}"))?;
    stage.settle().await?;
    let live = async |tests| {
        let lives = neighbours.iter().map(|neighbour| live(stage, neighbour, tests));
        try_join_all(lives).await
    };
    // Before it, and so that what their languages need is there.
    let quiet = live(1).await?;
    stage.prepare(Dialect::of(&case.program).name()).await?;
    let before = kernel_memory::used_by_all();

    let over = AtomicBool::new(false);
    let (raging, mut raged) = watch::channel(0_usize);
    let storms = (0..STORMS).map(async |_| {
        let raged = storm(stage, case, tests, &over, &raging).await;
        // Whoever waits for it is not to wait in vain.
        raging.send_modify(|times| *times += STORMS);
        raged
    });
    let neighbours = async {
        // Of what is seen nothing is kept: nobody could change it meanwhile.
        let begun = raged.wait_for(|times| *times >= STORMS).await.map(drop);
        let lived = match begun {
            Ok(()) => live(tests).await,
            Err(_) => Err("there is no storm".to_owned()),
        };
        over.store(true, Ordering::Relaxed);
        lived
    };
    let (storms, told) = join!(join_all(storms), neighbours);
    let attacks: usize = storms.into_iter().sum::<Result<_, _>>()?;
    let lived = told?;
    println!(
        "{} attacks beside {} neighbours; CPU in ms before {:?}, beside it {:?} (least, median, most)",
        attacks,
        lived.iter().map(Vec::len).sum::<usize>(),
        quiet.iter().flatten().collect::<Vec<_>>(),
        lived.iter().map(|times| spread(times)).collect::<Vec<_>>(),
    );
    stage.settle().await?;
    kernel_memory::falls_to(before).await
}

/// Storms until it is over, and tells how many attacks there were.
async fn storm(
    stage: &Stage,
    case: &Case,
    tests: usize,
    over: &AtomicBool,
    raging: &watch::Sender<usize>,
) -> Result<usize, String> {
    let mut case = case.clone();
    case.tests = vec![Test::Attack; tests.div_ceil(4).min(MOST_ATTACKS)];
    let submission = submission(&case, stage.kind, Dialect::of(&case.program), &stage.canaries);
    let mut attacks = 0;
    while !over.load(Ordering::Relaxed) {
        let begin = || raging.send_modify(|times| *times += 1);
        let result = job(stage, &submission, begin).await?;
        attacks += result.test_results.len();
    }
    Ok(attacks)
}

/// Runs tests of an honest program, and tells the CPU time of each.
async fn live(stage: &Stage, neighbour: &(&str, &str), tests: usize) -> Result<Vec<u64>, String> {
    let (language, source) = neighbour;
    let mut times = Vec::new();
    while times.len() < tests {
        let cases: Vec<_> = (times.len()..tests.min(times.len() + TESTS_OF_A_JOB))
            .map(|number| {
                json!({
                    "id": number + 1,
                    "input": format!("number-{number}\n"),
                    "expected_output": format!("hello number-{number}\n"),
                })
            })
            .collect();
        let submission = json!({
            "language": language,
            "source_code": source,
            "test_cases": cases,
            "timeout_ms": TIMEOUT_MS * time_factor(),
        });
        let submission = serde_json::from_value(submission).map_err(|error| error.to_string())?;
        let result = job(stage, &submission, || {}).await?;
        for test in &result.test_results {
            let tried_again = test
                .evidence
                .as_ref()
                .is_none_or(|evidence| evidence.earlier.is_some());
            if test.verdict != Verdict::Accepted || tried_again {
                let number = times.len();
                return Err(format!(
                    "{language}, test {number}, tried again {tried_again}: {}",
                    told(test)
                ));
            }
            times.push(test.cpu_time_ms);
        }
    }
    Ok(times)
}

/// Grades a job as a worker does. That its box fails is always wrong.
async fn job(stage: &Stage, submission: &Submission, compiled: impl FnMut()) -> Result<JobResult, String> {
    let language = stage.language(submission.language.as_str());
    let plan =
        JobPlan::new(submission, language, &stage.settings.limits).map_err(|error| error.to_string())?;
    let session = stage.open(language, plan.box_memory_bytes).await?;
    let name = session.handle().name().to_owned();
    let results = &stage.settings.results;
    let Graded { result, .. } = grade(session, submission, language, &plan, results, compiled).await;
    let result =
        result.map_err(|fault| format!("{language:?}: the box failed: {fault}", language = language.name))?;
    stage.outside.gone(&name).await?;
    Ok(result)
}

fn spread(times: &[u64]) -> [u64; 3] {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let last = sorted.len().saturating_sub(1);
    [0, last / 2, last].map(|at| sorted.get(at).copied().unwrap_or_default())
}
