//! The toolchains of this host serve their languages in native boxes, by the recipes of `config/languages.json`.
//!
//! Needs what native boxes need, and at least Python, C and C++. The process that makes boxes is this very program,
//! started again with an argument, so it brings its own `main`.

#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it does"
)]

#[path = "support/build.rs"]
mod build;

use std::{
    path::Path,
    process::ExitCode,
    time::{Duration, Instant},
};

use optimus_common::{
    WorkerId,
    facts::{RunEnd, RunFacts},
    language::{Language, LanguagesFile},
    submission::Submission,
};
use optimus_judge::{
    plan::{self, JobPlan},
    settings::LimitSettings,
};
use optimus_protocol::{ExecId, Stream};
use optimus_sandbox::{
    Backend, BoxSpec, ResourceLimits, RootRef,
    native::{self, NativeBackend, toolchains::Toolchains},
    session::{Event, Input, Session},
    settings::Settings,
};

use build::{FIRST_TEST, build};

/// Longer than any one job takes on a busy machine.
const TIMEOUT: Duration = Duration::from_mins(2);

/// A program that prints twice the number it reads, and one that is none, for each language.
const PROGRAMS: [(&str, &str, &str); 7] = [
    ("python", "print(2 * int(input()))", "print(2 *"),
    (
        "java",
        "public class Twice { public static void main(String[] args) {
            System.out.println(2 * new java.util.Scanner(System.in).nextInt()); } }",
        "class Twice {",
    ),
    (
        "rust",
        "fn main() { let mut line = String::new(); std::io::stdin().read_line(&mut line).unwrap();
            println!(\"{}\", 2 * line.trim().parse::<i32>().unwrap()); }",
        "fn main() { let x: i32 = \"x\"; }",
    ),
    (
        "cpp",
        "#include <bits/stdc++.h>\nint main() { int n; std::cin >> n; std::cout << 2 * n << std::endl; }",
        "int main() { return x; }",
    ),
    (
        "c",
        "#include <stdio.h>\nint main(void) { int n; scanf(\"%d\", &n); printf(\"%d\\n\", 2 * n); }",
        "int main(void) { return x; }",
    ),
    (
        "go",
        "package main\nimport \"fmt\"\nfunc main() { var n int; fmt.Scan(&n); fmt.Println(2 * n) }",
        "package main\nfunc main() { x }",
    ),
    (
        "javascript",
        "console.log(2 * Number(require('fs').readFileSync(0, 'utf8')))",
        "console.log(2 *",
    ),
];

fn main() -> ExitCode {
    if let Some(code) = native::divert(optimus_runner::in_box) {
        return code;
    }
    tokio::runtime::Runtime::new()
        .unwrap()
        .block_on(every_language_found_works());
    ExitCode::SUCCESS
}

async fn every_language_found_works() {
    let languages = LanguagesFile::BuiltIn.load().unwrap().languages;
    let mut settings = optimus_settings::defaults::<Settings>();
    // What was prepared is found again by the next run, as in production.
    let data_dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("toolchains-of-host");
    settings.data_dir = data_dir.into();
    let began = Instant::now();
    let toolchains = Toolchains::find(&languages, &settings);
    println!("looked for in {:.1?}", began.elapsed());
    let limits = optimus_settings::defaults_of::<LimitSettings>("limits");
    let backend = NativeBackend::start(&settings.native, toolchains.roots(), WorkerId::new())
        .await
        .unwrap();
    toolchains
        .prepare_missing(async |language, root, folder, argv| {
            let began = Instant::now();
            let prepared = backend.prepare(&language, &root, &folder, &argv).await;
            println!("{language}: prepared in {:.1?}", began.elapsed());
            prepared.map_err(|error| format!("{error:?}"))
        })
        .await;

    let mut served = Vec::new();
    for (language, found) in languages.iter().zip(toolchains.list()) {
        assert_eq!(language.name, found.language);
        match found.outcome {
            Ok(toolchain) => {
                works(language, &toolchain.version, &backend, &limits).await;
                println!("{}: {}", language.name, toolchain.version);
                served.push(language.name.as_str());
            }
            Err(why) => {
                assert!(!why.contains("cannot be prepared"), "{}: {why}", language.name);
                optimus_testkit::passed_over::because(&format!("{} is not here: {why}", language.name));
            }
        }
    }
    for needed in ["python", "c", "cpp"] {
        assert!(served.contains(&needed), "{needed} is needed for this test");
    }
}

async fn works(language: &Language, version: &str, backend: &NativeBackend, limits: &LimitSettings) {
    let name = language.name.as_str();
    let (_, good, bad) = *PROGRAMS.iter().find(|(program, ..)| *program == name).unwrap();

    let done = grade(language, good, version, backend, limits).await;
    assert_eq!(done.end(), RunEnd::Exited { code: 0 }, "{name}: {done:?}");
    assert_eq!(done.stdout.trim(), "42", "{name}: {done:?}");

    let failed = grade(language, bad, version, backend, limits).await;
    let refused = matches!(failed.end(), RunEnd::Exited { code } if code != 0);
    assert!(refused, "{name}: {failed:?}");
    assert_eq!(
        failed.run.is_none(),
        !language.execution.compile.is_empty(),
        "{name}"
    );
    // Go complains on standard output.
    assert!(!(failed.stdout + &failed.stderr).is_empty(), "{name} says why");
}

/// What came of a job of one test.
#[derive(Debug, Default)]
struct Done {
    compile: Option<RunFacts>,
    run: Option<RunFacts>,
    /// Of the last step.
    stdout: String,
    stderr: String,
}

impl Done {
    /// How its last step ended.
    fn end(&self) -> RunEnd {
        self.run.as_ref().or(self.compile.as_ref()).unwrap().end.clone()
    }
}

async fn grade(
    language: &Language,
    source: &str,
    version: &str,
    backend: &NativeBackend,
    limits: &LimitSettings,
) -> Done {
    let submission: Submission = serde_json::from_value(serde_json::json!({
        "language": language.name,
        "source_code": source,
        "test_cases": [{"id": 1, "input": "21\n", "expected_output": "42\n"}],
    }))
    .unwrap();
    let plan = JobPlan::new(&submission, language, limits).unwrap();
    let spec = BoxSpec::new(
        RootRef::from(language),
        ResourceLimits {
            memory_bytes: plan.box_memory_bytes,
            cpus: language.cpu_limit.into(),
            processes: language.resources.processes + 8,
            disk_bytes: language.resources.disk_mb << 20,
            compile_disk_bytes: language.resources.compile_disk_bytes(),
            open_files: language.resources.open_files,
        },
    );
    let live = backend.create(&spec).await.unwrap();
    let session = Session::open(live, TIMEOUT).await.unwrap();
    assert_eq!(session.toolchain(), Some(version));
    let files: Vec<_> = plan::file_contents(&submission, language).collect();
    let graded = async {
        let mut at_work = session.begin(plan.parallel).await.unwrap();
        let compiled = build(&mut at_work, &plan, &files).await.unwrap();
        let mut done = Done {
            compile: compiled.facts,
            ..Done::default()
        };
        let (mut stdout, mut stderr) = (compiled.stdout, compiled.stderr);
        if compiled.sealed.is_some() {
            (stdout, stderr) = (Vec::new(), Vec::new());
            let (mut sender, mut receiver) = at_work.split();
            let input = Input::Bytes(b"21\n");
            let sent = sender.exec(ExecId(FIRST_TEST), &plan.run, None, input).await;
            sent.unwrap();
            sender.end().await.unwrap();
            done.run = loop {
                match receiver.next().await.unwrap() {
                    Event::Output { stream, data, .. } => match stream {
                        Stream::Stdout => stdout.extend_from_slice(&data),
                        Stream::Stderr => stderr.extend_from_slice(&data),
                    },
                    Event::Exited(exited) => break Some(exited.facts),
                    other => panic!("{other:?}"),
                }
            };
        }
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (done.stdout, done.stderr) = (text(stdout), text(stderr));
        at_work.handle().destroy().await.unwrap();
        done
    };
    tokio::time::timeout(TIMEOUT, graded)
        .await
        .expect("the job hangs")
}
