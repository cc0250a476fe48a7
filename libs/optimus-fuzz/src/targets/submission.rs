//! The body of `POST /jobs`, up to the moment a store would take it.

use std::sync::LazyLock;

use optimus_common::{language::Languages, submission::Submission};
use optimus_judge::plan::JobPlan;
use optimus_protocol::{Exec, ExecId, FrameKind, Put, StdinSource, StdoutFlow, encode_json};
use optimus_worker::Settings;
use serde_json::Value;

use crate::memory::bounded;

/// What is there for the smallest body: the languages named in an answer, a plan with its environment.
const MEMORY: usize = 256 << 10;

/// A value of two bytes takes up to a hundred in memory; it is there as read, as written, and as read again.
const MEMORY_PER_BYTE: usize = 400;

/// An answer names a field and what is wrong with it: neither is repeated whole. Both stand there twice, escaped.
const LONGEST_ANSWER: usize = 16 << 10;

static SETTINGS: LazyLock<Settings> = LazyLock::new(Settings::defaults);

static LANGUAGES: LazyLock<Languages> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../../../config/languages.json"))
        .expect("the shipped file is valid")
});

pub fn submission(body: &[u8]) {
    let (languages, limits) = (&*LANGUAGES, &SETTINGS.limits);
    bounded(
        MEMORY + MEMORY_PER_BYTE * body.len(),
        || match optimus_api::fuzzing::submission(body, languages, limits) {
            Ok(submission) => check_accepted(&submission),
            Err(answer) => check_refusal(&answer),
        },
    );
}

/// What is stored is what was sent, and a job can be made of it.
pub(crate) fn check_accepted(submission: &Submission) {
    let limits = &SETTINGS.limits;
    let json = serde_json::to_vec(submission).expect("a submission is JSON");
    let mut again: Submission = serde_json::from_slice(&json).expect("what was stored can be read");
    assert_eq!(*submission, again, "it is stored as another one");
    again.validate(&limits.max).expect("what was valid still is");

    let language = LANGUAGES
        .get(&submission.language)
        .expect("the language is known");
    // A job is made of it once the content that it names is measured.
    let mut submission = submission.clone();
    for named in submission.named_content_mut().chain(again.named_content_mut()) {
        named.set_size(0);
    }
    // What depends on how many files there are is looked at only then.
    let names_content = submission.named_content().next().is_some();
    let plan = match JobPlan::new(&submission, language, limits) {
        Err(_) if names_content => return,
        plan => plan.expect("what was accepted can be planned"),
    };
    assert_eq!(Ok(&plan), JobPlan::new(&again, language, limits).as_ref());
    for command in plan.compile.iter().chain([&plan.run]) {
        let exec = Exec {
            id: ExecId(u32::MAX),
            command: command.clone(),
            sent_bytes: Some(u64::MAX),
            stdin: StdinSource::Bytes(u64::MAX),
            stdout: StdoutFlow::Windowed,
        };
        let fits = encode_json(&mut Vec::<u8>::new(), FrameKind::Exec, &exec);
        assert!(fits.is_ok(), "no box takes this command: {fits:?}");
    }
    for path in &plan.files {
        let put = Put {
            path: path.clone(),
            bytes: u64::MAX,
        };
        let fits = encode_json(&mut Vec::<u8>::new(), FrameKind::Put, &put);
        assert!(fits.is_ok(), "no box takes this file: {fits:?}");
    }
    assert!(!plan.run.limits.cpu_time.is_zero() && !plan.run.limits.wall_time.is_zero());
    assert!(plan.box_memory_bytes >= plan.run.limits.memory_bytes);
}

fn check_refusal(answer: &[u8]) {
    assert!(answer.len() <= LONGEST_ANSWER, "{} bytes", answer.len());
    let problem: Value = serde_json::from_slice(answer).expect("an answer is JSON");
    let status = problem["status"].as_u64().expect("an answer has its status");
    assert!((400..500).contains(&status), "{problem}");
    assert!(
        problem["detail"]
            .as_str()
            .is_some_and(|detail| !detail.is_empty()),
        "{problem}"
    );
}
