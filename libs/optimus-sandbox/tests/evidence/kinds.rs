//! Memory told for many kinds of programs in all languages: the same whatever the host has in memory of its files, and
//! whatever an earlier run has filled.
//!
//! The kinds are data: `kinds/kinds.toml`. Two of each language are tried, or all if `OPTIMUS_EVIDENCE_ROUNDS` says how often
//! each is run in each state.

use std::{
    env, fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use optimus_common::{
    WorkerId,
    facts::{RunEnd, RunFacts},
    language::{Language, LanguagesFile},
    submission::Submission,
};
use optimus_judge::{
    plan::{JobPlan, file_contents, usual_box_memory_bytes},
    settings::LimitSettings,
};
use optimus_protocol::{CommandSpec, ExecId};
use optimus_sandbox::{
    Backend, BackendError, BoxSpec, ResourceLimits, RootRef,
    docker::DockerBackend,
    native::{NativeBackend, toolchains::Toolchains},
    session::{BoxSession, Event, Input, Session},
    settings::{DockerSettings, Settings},
};
use optimus_testkit::boxes::Kind;
use serde::Deserialize;
use serde_json::json;

use crate::{
    build::{FIRST_TEST, build},
    place::{TIMEOUT, group},
};

/// What a run that fills what it may writes to files at least.
const FILLED: u64 = 90 << 20;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kinds {
    language: Vec<Programs>,
}

/// The programs of one language.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Programs {
    name: String,
    source: String,
    kinds: Vec<String>,
}

/// What was before a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The host has dropped all files that it had in memory.
    Cold,
    /// Another run has filled what it may with files.
    Filled,
    Warm,
}

const STATES: [State; 3] = [State::Cold, State::Filled, State::Warm];

/// What the medians of the states may differ by: what docs/verdicts.md says of a figure's error.
fn most_apart(boxes: Kind, language: &str) -> u64 {
    match (boxes, language) {
        (Kind::Native, _) => 512 << 10,
        // What their runtimes map while they run is told apart from what they touch by looks alone.
        (Kind::Container, "java" | "javascript" | "go") => 2 << 20,
        (Kind::Container, _) => 717 << 10,
    }
}

/// What a program waits for at its end. In a container nobody looks into it before some milliseconds have passed.
fn hold_ms(boxes: Kind) -> u64 {
    match boxes {
        Kind::Native => 0,
        Kind::Container => 50,
    }
}

/// How often each kind is run in each state, where all are tried.
fn rounds_of_all() -> Option<usize> {
    let told = env::var("OPTIMUS_EVIDENCE_ROUNDS").ok()?;
    Some(told.parse().expect("OPTIMUS_EVIDENCE_ROUNDS is a number"))
}

/// Those of every language that are tried where not all are.
const SAMPLE: [&str; 2] = ["nothing", "array"];
const ROUNDS: usize = 3;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/evidence/kinds")
}

pub(crate) async fn backend(boxes: Kind, languages: &[Language]) -> Arc<dyn Backend> {
    let worker = WorkerId::new();
    match boxes {
        Kind::Container => {
            let mut settings = optimus_settings::defaults_of::<DockerSettings>("docker");
            settings.scope = format!("test-{worker}");
            Arc::new(DockerBackend::connect(&settings, worker).await.unwrap())
        }
        Kind::Native => {
            let mut settings = optimus_settings::defaults::<Settings>();
            settings.native.cgroup = format!("/{}", group()).into();
            settings.native.start_timeout = TIMEOUT;
            let data_dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("toolchains-of-host");
            settings.data_dir = data_dir.into();
            let toolchains = Toolchains::find(languages, &settings);
            let started = NativeBackend::start(&settings.native, toolchains.roots(), worker).await;
            let backend = started.unwrap();
            toolchains
                .prepare_missing(async |language, root, folder, argv| {
                    let prepared = backend.prepare(&language, &root, &folder, &argv).await;
                    prepared.map_err(|error| format!("{error:?}"))
                })
                .await;
            Arc::new(backend)
        }
    }
}

/// In one kind of boxes, all languages that this machine has.
pub(crate) async fn memory_is_the_same_whatever_was_before(boxes: Kind) {
    let text = fs::read_to_string(folder().join("kinds.toml")).unwrap();
    let kinds: Kinds = toml::from_str(&text).unwrap();
    let languages = LanguagesFile::BuiltIn.load().unwrap().languages;
    let backend = backend(boxes, &languages).await;
    let (mut measured_any, mut wrong) = (false, Vec::new());
    for programs in &kinds.language {
        let mut languages = languages.iter();
        let language = languages.find(|language| language.name.as_str() == programs.name);
        let measured = measure(boxes, &*backend, language.unwrap(), programs);
        let found = tokio::time::timeout(TIMEOUT * 4, measured)
            .await
            .expect("a job hangs");
        measured_any |= found.is_some();
        wrong.extend(found.unwrap_or_default());
    }
    assert!(measured_any, "no language was measured");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Tells of those kinds of programs that are told different figures. Nothing where the language is missing.
async fn measure(
    boxes: Kind,
    backend: &dyn Backend,
    language: &Language,
    programs: &Programs,
) -> Option<Vec<String>> {
    let (mut job, command) = open(backend, language, programs).await?;
    let mut runs = Runs {
        job: &mut job,
        command: &command,
        hold_ms: hold_ms(boxes),
        number: 0,
    };
    let rounds = rounds_of_all().unwrap_or(ROUNDS);
    let mut wrong = Vec::new();
    let tried = programs.kinds.iter();
    for program in tried.filter(|program| rounds_of_all().is_some() || SAMPLE.contains(&program.as_str())) {
        let mut told = STATES.map(|_| Vec::new());
        for _ in 0..rounds {
            for (state, told) in STATES.into_iter().zip(&mut told) {
                match state {
                    State::Cold => fs::write("/proc/sys/vm/drop_caches", "3").expect("root may"),
                    State::Filled => {
                        let facts = runs.run("fill").await;
                        assert!(facts.peak_memory_bytes >= FILLED, "{facts:?}");
                    }
                    State::Warm => {}
                }
                told.push(runs.run(program).await.peak_memory_bytes);
            }
        }
        let medians = told.map(|mut told| {
            told.sort_unstable();
            told[told.len() / 2]
        });
        let kib = medians.map(|bytes| bytes >> 10);
        let name = format!("{} {} {program}", boxes.backend(), programs.name);
        println!("{name}: {} KiB cold, {} filled, {} warm", kib[0], kib[1], kib[2]);
        let apart = medians.iter().max().unwrap() - medians.iter().min().unwrap();
        if apart > most_apart(boxes, &programs.name) {
            wrong.push(format!("{name}: {kib:?} KiB, by {STATES:?}"));
        }
    }
    job.handle().destroy().await.unwrap();
    Some(wrong)
}

/// A box with the language's program, not compiled yet.
async fn open(
    backend: &dyn Backend,
    language: &Language,
    programs: &Programs,
) -> Option<(BoxSession, CommandSpec)> {
    let source = fs::read_to_string(folder().join(&programs.source)).unwrap();
    let submission: Submission = serde_json::from_value(json!({
        "language": programs.name,
        "source_code": source,
        "test_cases": [{"id": 1, "input": ""}],
        "timeout_ms": 120_000,
        "wall_timeout_ms": 240_000,
        "compile_timeout_ms": 300_000,
        "memory_limit_mb": 128,
        "output_limit_bytes": 16 << 20,
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
    match backend.check(&spec).await {
        Err(BackendError::Unavailable { language, reason }) => {
            optimus_testkit::passed_over::because(&format!("this machine has no {language}: {reason}"));
            return None;
        }
        checked => drop(checked.unwrap()),
    }
    let live = backend.create(&spec).await.unwrap();
    let session = Session::open(live, TIMEOUT).await.unwrap();
    let files: Vec<_> = file_contents(&submission, language).collect();
    let mut at_work = session.begin(plan.parallel).await.unwrap();
    let compiled = build(&mut at_work, &plan, &files).await.unwrap();
    assert!(
        compiled.sealed.is_some(),
        "{:?} {}",
        compiled.facts,
        String::from_utf8_lossy(&compiled.stderr)
    );
    Some((at_work, plan.run))
}

/// The runs of a job, one after another.
struct Runs<'a> {
    job: &'a mut BoxSession,
    command: &'a CommandSpec,
    hold_ms: u64,
    number: u32,
}

impl Runs<'_> {
    /// One run of a kind of program, and what it has used.
    async fn run(&mut self, program: &str) -> RunFacts {
        let mut input = format!("{program} {}\n", self.hold_ms).into_bytes();
        if program == "input" {
            input.resize(input.len() + (8 << 20), b'7');
        }
        let (mut sender, mut receiver) = self.job.split();
        let (id, input) = (ExecId(FIRST_TEST + self.number), Input::Bytes(&input));
        let send = sender.exec(id, self.command, None, input);
        self.number += 1;
        let receive = async {
            let mut printed = Vec::new();
            loop {
                match receiver.next().await? {
                    Event::Output { data, .. } => printed = data.to_vec(),
                    Event::Exited(done) => {
                        let printed = String::from_utf8_lossy(&printed);
                        assert_eq!(done.facts.end, RunEnd::Exited { code: 0 }, "{program}: {printed}");
                        return Ok(done.facts);
                    }
                    other => panic!("{other:?}"),
                }
            }
        };
        tokio::try_join!(send, receive).unwrap().1
    }
}
