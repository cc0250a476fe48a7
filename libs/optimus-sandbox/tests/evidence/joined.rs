//! Jobs of two boxes of two languages, which are asked for by what they must be. Their programs talk to each other: what one
//! prints is what the other reads.

use std::sync::Arc;

use futures_util::future::join_all;
use optimus_common::{
    facts::{RunEnd, RunFacts},
    language::{Language, LanguagesFile},
    submission::Submission,
};
use optimus_judge::{
    plan::{JobPlan, file_contents, usual_box_memory_bytes},
    settings::LimitSettings,
};
use optimus_protocol::{CommandSpec, ExecId, Stream};
use optimus_sandbox::{
    Backend, BoxHandle, BoxSpec, ResourceLimits, RootRef,
    provider::{BoxProvider, Places},
    session::{BoxSession, Connection, Event, Session, SessionError},
};
use optimus_testkit::passed_over;
use serde_json::json;

use crate::{
    build::{FIRST_TEST, build},
    kinds::backend,
    place::{Kind, PATIENCE},
};

/// Looks for a number, then prints more than all pipes and windows hold, and reads it again, changed.
const SEEKER: &str = r#"
#include <stdio.h>
#include <string.h>
static char block[1 << 20];
int main(void) {
    int low = 0, high = 1000000, asked = 0;
    for (char answer = 0; answer != '='; asked++) {
        int guess = (low + high) / 2;
        printf("%d\n", guess);
        fflush(stdout);
        if (scanf(" %c", &answer) != 1) return 1;
        if (answer == '<') high = guess - 1;
        if (answer == '>') low = guess + 1;
    }
    getchar();
    memset(block, 'a', sizeof block);
    if (fwrite(block, 1, sizeof block, stdout) != sizeof block) return 2;
    fclose(stdout);
    if (fread(block, 1, sizeof block, stdin) != sizeof block || getchar() != EOF) return 3;
    for (unsigned long at = 0; at < sizeof block; at++) if (block[at] != 'b') return 4;
    fprintf(stderr, "found after %d questions", asked);
    return 0;
}
"#;

const KEEPER: &str = r#"
import sys
number = 777_777
while True:
    guess = int(sys.stdin.readline())
    print("=" if guess == number else "<" if number < guess else ">", flush=True)
    if guess == number:
        break
block = sys.stdin.read()
sys.stdout.write(block.replace("a", "b"))
sys.stderr.write(f"changed {len(block)}")
"#;

/// Says nothing, and reads until nothing comes any more.
const LISTENER: &str = r"
#include <stdio.h>
int main(void) {
    while (getchar() != EOF) {}
    return 0;
}
";

/// A program that is to run in a box of its own.
struct Part {
    language: Language,
    submission: Submission,
    plan: JobPlan,
    spec: BoxSpec,
}

impl Part {
    fn new(languages: &[Language], name: &str, source: &str) -> Self {
        let language = languages.iter().find(|language| language.name.as_str() == name);
        let language = language.unwrap().clone();
        let submission: Submission = serde_json::from_value(json!({
            "language": language.name,
            "source_code": source,
            "test_cases": [{"id": 1}],
            "timeout_ms": 20_000,
            "wall_timeout_ms": 60_000,
            "compile_timeout_ms": 300_000,
        }))
        .unwrap();
        let limits = optimus_settings::defaults_of::<LimitSettings>("limits");
        let plan = JobPlan::new(&submission, &language, &limits).unwrap();
        let resources = &language.resources;
        let spec = BoxSpec::new(
            RootRef::from(&language),
            ResourceLimits {
                memory_bytes: usual_box_memory_bytes(&language).max(plan.box_memory_bytes),
                cpus: language.cpu_limit.into(),
                processes: resources.processes + 16,
                disk_bytes: resources.disk_mb << 20,
                compile_disk_bytes: resources.compile_disk_bytes(),
                open_files: resources.open_files,
            },
        );
        Self {
            language,
            submission,
            plan,
            spec,
        }
    }

    /// Makes the program in this box.
    async fn begin(&self, session: Session) -> Party {
        let handle = session.shared_handle();
        let mut at_work = session.begin(self.plan.parallel).await.unwrap();
        let files: Vec<_> = file_contents(&self.submission, &self.language).collect();
        let compiled = build(&mut at_work, &self.plan, &files).await.unwrap();
        assert!(
            compiled.sealed.is_some(),
            "{:?} {}",
            compiled.facts,
            String::from_utf8_lossy(&compiled.stderr)
        );
        Party {
            handle,
            at_work,
            command: self.plan.run.clone(),
        }
    }
}

/// A program in its box.
struct Party {
    handle: Arc<dyn BoxHandle>,
    at_work: BoxSession,
    command: CommandSpec,
}

const PROGRAM: ExecId = ExecId(FIRST_TEST);

/// Places for the boxes of as many jobs as may run at once.
const BUDGET: usize = 3;

/// C and Python, and where boxes of both come from. `None` where one of them is missing.
async fn stage(boxes: Kind) -> Option<(Vec<Language>, BoxProvider)> {
    let mut languages = LanguagesFile::BuiltIn.load().unwrap().languages;
    languages.retain(|language| ["c", "python"].contains(&language.name.as_str()));
    let backend: Arc<dyn Backend> = backend(boxes, &languages).await;
    for name in ["c", "python"] {
        let Part { spec, .. } = Part::new(&languages, name, "");
        if let Err(missing) = backend.check(&spec).await {
            passed_over::because(&format!("this machine has no {name}: {missing}"));
            return None;
        }
    }
    Some((languages, BoxProvider::new(backend, BUDGET)))
}

/// Both programs in their boxes, and the places of those.
async fn begin(provider: &BoxProvider, parts: [&Part; 2]) -> ([Party; 2], Places) {
    let specs = parts.map(|part| part.spec.clone());
    let mut places = provider.places(1).await.unwrap();
    let had = provider.acquire_all(&mut places, &specs).await.unwrap();
    let [one, other] = <[Session; 2]>::try_from(had).unwrap();
    let parties = [parts[0].begin(one).await, parts[1].begin(other).await];
    (parties, places)
}

/// Every box is gone, and every place is free.
async fn end(provider: &BoxProvider, parties: [Party; 2], places: Places) {
    for party in parties {
        party.handle.destroy().await.unwrap();
    }
    drop(places);
    let all = tokio::time::timeout(PATIENCE, provider.places(BUDGET)).await;
    assert_eq!(all.unwrap().unwrap().count(), BUDGET);
}

pub(crate) async fn two_boxes_talk_to_each_other(boxes: Kind) {
    let Some((languages, provider)) = stage(boxes).await else {
        return;
    };
    let seeker = Part::new(&languages, "c", SEEKER);
    let keeper = Part::new(&languages, "python", KEEPER);
    let (mut parties, places) = begin(&provider, [&seeker, &keeper]).await;
    let ends = tokio::time::timeout(PATIENCE, join(&mut parties))
        .await
        .expect("the two wait for each other");
    let told = ends.unwrap().map(|(facts, stderr)| (facts.end, stderr));
    let fine = RunEnd::Exited { code: 0 };
    assert_eq!(told[0].0, fine, "{told:?}");
    assert!(told[0].1.starts_with("found after "), "{told:?}");
    assert_eq!(told[1], (fine, "changed 1048576".to_owned()));
    end(&provider, parties, places).await;
}

pub(crate) async fn the_end_of_one_box_ends_the_job(boxes: Kind) {
    let Some((languages, provider)) = stage(boxes).await else {
        return;
    };
    let listener = Part::new(&languages, "c", LISTENER);
    // Asks nobody, and waits for a guess that the listener never makes.
    let keeper = Part::new(&languages, "python", KEEPER);
    for killed in [0, 1] {
        let (mut parties, places) = begin(&provider, [&listener, &keeper]).await;
        let handle = Arc::clone(&parties[killed].handle);
        let kill = async {
            handle.destroy().await.unwrap();
            std::future::pending::<()>().await;
        };
        let joined = tokio::time::timeout(PATIENCE, join(&mut parties));
        let ended = tokio::select! {
            ended = joined => ended.expect("the other one is waited for"),
            () = kill => unreachable!(),
        };
        assert!(ended.is_err(), "{ended:?}");
        end(&provider, parties, places).await;
    }
}

/// More jobs than there are places for, half of which want the two boxes the other way round.
pub(crate) async fn jobs_of_two_boxes_in_other_orders_all_end(boxes: Kind) {
    let Some((languages, provider)) = stage(boxes).await else {
        return;
    };
    let specs = ["c", "python"].map(|name| Part::new(&languages, name, "").spec);
    let jobs = (0..8).map(|number| {
        let mut wanted = specs.clone();
        wanted.rotate_left(number % 2);
        let provider = &provider;
        async move {
            let mut places = provider.places(1).await.unwrap();
            let had = provider.acquire_all(&mut places, &wanted).await.unwrap();
            assert_eq!((had.len(), places.count()), (2, 2));
            for session in had {
                session.handle().destroy().await.unwrap();
            }
        }
    });
    tokio::time::timeout(PATIENCE, join_all(jobs))
        .await
        .expect("they wait for each other");
    let all = tokio::time::timeout(PATIENCE, provider.places(BUDGET)).await;
    assert_eq!(all.unwrap().unwrap().count(), BUDGET);
}

/// What the programs used and wrote to their standard errors; or that a box has left.
async fn join(parties: &mut [Party; 2]) -> Result<[(RunFacts, String); 2], SessionError> {
    let [
        (command_0, (mut sender_0, mut receiver_0)),
        (command_1, (mut sender_1, mut receiver_1)),
    ] = parties
        .each_mut()
        .map(|party| (party.command.clone(), party.at_work.split()));
    sender_0.exec_joined(PROGRAM, &command_0).await?;
    sender_1.exec_joined(PROGRAM, &command_1).await?;
    // By the party that reads.
    let mut connections = [Connection::new(PROGRAM), Connection::new(PROGRAM)];
    let mut ends = [None, None];
    let mut complaints = [Vec::new(), Vec::new()];
    while ends.iter().any(Option::is_none) {
        let (from, event) = tokio::select! {
            event = receiver_0.next() => (0, event?),
            event = receiver_1.next() => (1, event?),
        };
        let reader = 1 - from;
        match event {
            Event::Output {
                stream: Stream::Stdout,
                data,
                ..
            } => connections[reader].push(&data),
            Event::Output { data, .. } => complaints[from].extend_from_slice(&data),
            Event::Exited(exited) => {
                ends[from] = Some(exited.facts);
                connections[reader].end();
            }
            Event::StdoutClosed(_) => connections[reader].end(),
            Event::InputTaken(_) => {}
            other => panic!("{other:?}"),
        }
        let [to_0, to_1] = &mut connections;
        let from_1 = to_0.carry(&mut sender_0).await?;
        let from_0 = to_1.carry(&mut sender_1).await?;
        sender_0.output_taken(PROGRAM, from_0).await?;
        sender_1.output_taken(PROGRAM, from_1).await?;
    }
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let [end_0, end_1] = ends.map(Option::unwrap);
    let [complaint_0, complaint_1] = complaints.map(text);
    Ok([(end_0, complaint_0), (end_1, complaint_1)])
}
