//! Two boxes of two languages, whose programs talk to each other: what one prints is what the other reads.

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
    Backend, BoxSpec, ResourceLimits, RootRef,
    session::{BoxSession, Connection, Event, Session},
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
block = sys.stdin.read(1 << 20)
sys.stdout.write(block.replace("a", "b"))
sys.stderr.write(f"changed {len(block)}")
"#;

/// A program in a box of its own.
struct Party {
    at_work: BoxSession,
    command: CommandSpec,
}

const PROGRAM: ExecId = ExecId(FIRST_TEST);

pub(crate) async fn two_boxes_talk_to_each_other(boxes: Kind) {
    let languages = LanguagesFile::BuiltIn.load().unwrap().languages;
    let backend = backend(boxes, &languages).await;
    let language = |name: &str| languages.iter().find(|language| language.name.as_str() == name);
    let seeker = open(&*backend, language("c").unwrap(), SEEKER).await;
    let keeper = open(&*backend, language("python").unwrap(), KEEPER).await;
    let (Some(mut seeker), Some(mut keeper)) = (seeker, keeper) else {
        passed_over::because("this machine has no C or no Python");
        return;
    };
    let ends = tokio::time::timeout(PATIENCE, join(&mut seeker, &mut keeper))
        .await
        .expect("the two wait for each other");
    let told = ends.map(|(facts, stderr)| (facts.end, stderr));
    let fine = RunEnd::Exited { code: 0 };
    assert_eq!(told[0].0, fine, "{told:?}");
    assert!(told[0].1.starts_with("found after "), "{told:?}");
    assert_eq!(told[1], (fine, "changed 1048576".to_owned()));
    for party in [seeker, keeper] {
        party.at_work.handle().destroy().await.unwrap();
    }
}

/// What the programs used and wrote to their standard errors.
async fn join(one: &mut Party, other: &mut Party) -> [(RunFacts, String); 2] {
    let parties = [one, other];
    let [
        (command_0, (mut sender_0, mut receiver_0)),
        (command_1, (mut sender_1, mut receiver_1)),
    ] = parties.map(|party| (party.command.clone(), party.at_work.split()));
    sender_0.exec_joined(PROGRAM, &command_0).await.unwrap();
    sender_1.exec_joined(PROGRAM, &command_1).await.unwrap();
    // By the party that reads.
    let mut connections = [Connection::new(PROGRAM), Connection::new(PROGRAM)];
    let mut ends = [None, None];
    let mut complaints = [Vec::new(), Vec::new()];
    while ends.iter().any(Option::is_none) {
        let (from, event) = tokio::select! {
            event = receiver_0.next() => (0, event.unwrap()),
            event = receiver_1.next() => (1, event.unwrap()),
        };
        let reader = 1 - from;
        match event {
            Event::Output {
                stream: Stream::Stdout,
                data,
                ..
            } => connections[reader].push(data),
            Event::Output { data, .. } => complaints[from].extend_from_slice(&data),
            Event::Exited(exited) => {
                ends[from] = Some(exited.facts);
                connections[reader].end();
            }
            Event::InputTaken(_) => {}
            other => panic!("{other:?}"),
        }
        let [to_0, to_1] = &mut connections;
        let from_1 = to_0.carry(&mut sender_0).await.unwrap();
        let from_0 = to_1.carry(&mut sender_1).await.unwrap();
        sender_0.output_taken(PROGRAM, from_0).await.unwrap();
        sender_1.output_taken(PROGRAM, from_1).await.unwrap();
    }
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let [end_0, end_1] = ends.map(Option::unwrap);
    let [complaint_0, complaint_1] = complaints.map(text);
    [(end_0, complaint_0), (end_1, complaint_1)]
}

/// `None` where the language is missing.
async fn open(backend: &dyn Backend, language: &Language, source: &str) -> Option<Party> {
    let submission: Submission = serde_json::from_value(json!({
        "language": language.name,
        "source_code": source,
        "test_cases": [{"id": 1}],
        "timeout_ms": 20_000,
        "wall_timeout_ms": 60_000,
        "compile_timeout_ms": 300_000,
    }))
    .unwrap();
    let plan = JobPlan::new(
        &submission,
        language,
        &optimus_settings::defaults_of::<LimitSettings>("limits"),
    )
    .unwrap();
    let resources = &language.resources;
    let spec = BoxSpec::new(
        RootRef::from(language),
        ResourceLimits {
            memory_bytes: usual_box_memory_bytes(language).max(plan.box_memory_bytes),
            cpus: language.cpu_limit.into(),
            processes: resources.processes + 16,
            disk_bytes: resources.disk_mb << 20,
            compile_disk_bytes: resources.compile_disk_bytes(),
            open_files: resources.open_files,
        },
    );
    if backend.check(&spec).await.is_err() {
        return None;
    }
    let live = backend.create(&spec).await.unwrap();
    let session = Session::open(live, PATIENCE).await.unwrap();
    let mut at_work = session.begin(plan.parallel).await.unwrap();
    let files: Vec<_> = file_contents(&submission, language).collect();
    let compiled = build(&mut at_work, &plan, &files).await.unwrap();
    assert!(
        compiled.sealed.is_some(),
        "{:?} {}",
        compiled.facts,
        String::from_utf8_lossy(&compiled.stderr)
    );
    Some(Party {
        at_work,
        command: plan.run,
    })
}
