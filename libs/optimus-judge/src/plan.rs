//! From a submission and its language to the runs of the job.

use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};

use optimus_common::{
    language::{BOX_DIR, BYTES_PER_INODE, Language, OUTPUT_DIR, Placeholders},
    limits::Limits,
    protocol::{self, CommandSpec, FileHeader, JobHeader, Product},
    settings::LimitSettings,
    submission::{InvalidSubmission, Submission},
};

const MIB: u64 = 1 << 20;
const PAGE: u64 = 4096;

/// Bytes a compiler may write to each of its streams: no honest one writes so much. Little of it is kept, see
/// [`protocol::COMPILE_OUTPUT_KEPT`].
const COMPILE_OUTPUT_BYTES: u64 = 1 << 30;

/// What the agent, its buffers and the kernel's own bookkeeping need in a box beside the programs.
const AGENT_MEMORY_BYTES: u64 = 32 * MIB;

/// Inputs up to this size fit a box made before its job was known.
const USUAL_INPUT_BYTES: u64 = 4 * MIB;

/// Everything a box needs to know and to have for one job, expected outputs excepted.
#[derive(Debug, Clone, PartialEq)]
pub struct JobPlan {
    /// What the box is told first. The contents of its files are [`file_contents`].
    pub header: JobHeader,
    /// The largest of the test cases' inputs.
    pub largest_input_bytes: u64,
    /// Memory of everything in the box together.
    pub box_memory_bytes: u64,
}

impl JobPlan {
    /// Plans a validated submission, and checks that it suits its language.
    pub fn new(
        submission: &Submission,
        language: &Language,
        settings: &LimitSettings,
    ) -> Result<Self, InvalidSubmission> {
        debug_assert_eq!(submission.language, language.name);
        check_size(submission, language)?;
        let execution = &language.execution;
        let files: Vec<_> = sources(submission, language)
            .map(|(name, bytes)| FileHeader {
                name: name.to_owned(),
                bytes: bytes.len() as u64,
            })
            .collect();
        let source = main_file(submission, language);
        let source_names: Vec<_> = files
            .iter()
            .map(|file| file.name.clone())
            .filter(|name| name == source || execution.is_source(name))
            .collect();
        let placeholders = Placeholders {
            source,
            entry_point: submission.entry_point.as_deref(),
            sources: &source_names,
            memory_mb: submission.memory_limit_mb.unwrap_or(language.memory_limit_mb),
        };

        let compile = (!execution.compile.is_empty()).then(|| CommandSpec {
            argv: placeholders.expand(&execution.compile),
            env: execution.env.clone(),
            limits: compile_limits(submission, language, settings),
        });
        let (program, product) = match compile {
            Some(_) => products(language),
            None => (None, Product::Unknown),
        };
        let mut argv = vec![execution.command.clone()];
        argv.extend(execution.args.iter().cloned());
        let mut argv = placeholders.expand(&argv);
        argv.extend(submission.args.iter().cloned());
        let run = CommandSpec {
            argv,
            env: run_env(submission, language),
            limits: run_limits(submission, language, settings),
        };

        let largest_input_bytes = submission
            .test_cases
            .iter()
            .map(|test| test.input().len() as u64)
            .max()
            .unwrap_or(0);
        let box_memory_bytes = box_memory(language, run.limits.memory_bytes, largest_input_bytes);
        let max_parallel_tests = language.concurrency.max_parallel_tests;
        let header = JobHeader {
            version: protocol::VERSION,
            files,
            compile,
            program,
            product,
            run,
            max_parallel_tests,
        };
        Ok(Self {
            header,
            largest_input_bytes,
            box_memory_bytes,
        })
    }
}

/// The contents of the plan's files, in the order of [`JobHeader::files`].
pub fn file_contents<'a>(
    submission: &'a Submission,
    language: &'a Language,
) -> impl Iterator<Item = &'a [u8]> {
    sources(submission, language).map(|(_, bytes)| bytes)
}

/// Memory of a box made before its job is known: enough for the language's default limit and usual inputs.
pub fn usual_box_memory_bytes(language: &Language) -> u64 {
    let run_memory = run_memory_bytes(language.memory_limit_mb, language);
    box_memory(language, run_memory, USUAL_INPUT_BYTES)
}

fn sources<'a>(
    submission: &'a Submission,
    language: &'a Language,
) -> impl Iterator<Item = (&'a str, &'a [u8])> {
    let single = submission
        .source_code
        .as_ref()
        .map(|source| (language.execution.source_name.as_str(), source.as_bytes()));
    single.into_iter().chain(
        submission
            .files
            .iter()
            .map(|file| (file.name.as_str(), file.bytes())),
    )
}

/// The file that a program starts with, where the compile step does not choose by itself.
fn main_file<'a>(submission: &'a Submission, language: &'a Language) -> &'a str {
    let names = || submission.files.iter().map(|file| file.name.as_str());
    let execution = &language.execution;
    submission
        .entry_point
        .as_deref()
        .or_else(|| execution.main_source(names()))
        .or_else(|| names().find(|name| execution.is_source(name)))
        .or_else(|| names().next())
        .unwrap_or(&execution.source_name)
}

/// The file that a program starts with, for people; `None` where that is no question of files, as when a linker finds
/// `main`.
pub fn entry_point<'a>(submission: &'a Submission, language: &'a Language) -> Option<&'a str> {
    let execution = &language.execution;
    let asks = |word: &String| word.contains("{source}");
    (execution.args.iter().any(asks) || execution.compile.iter().any(asks))
        .then(|| main_file(submission, language))
}

/// What the recipe runs out of the work directory is what the compile step has to make: a program (`./main`), or what one
/// of the image is given (`java -jar .optimus/main.jar`, `java -cp .optimus Main`). A recipe that names neither that nor
/// the sources needs something that the compile step makes, under whatever name. One that names the sources may need
/// nothing: compile steps like `perl -c` only check.
fn products(language: &Language) -> (Option<String>, Product) {
    let execution = &language.execution;
    let words = || std::iter::once(&execution.command).chain(&execution.args);
    let is_assignment = |word: &&String| word.contains('=') && !word.starts_with(['.', '/', '-']);
    let mut program = words();
    let program = match program.next() {
        Some(env) if env == "env" => program.find(|word| !is_assignment(word)),
        program => program,
    };
    if let Some(program) = program.and_then(|word| in_work_dir(word)) {
        return (Some(program.to_owned()), Product::Unknown);
    }
    let source = execution.source_name.as_str();
    let is_source = |word: &String| {
        word.contains("{source")
            || word == "{entry_point}"
            || word == source
            || in_work_dir(word) == Some(source)
    };
    let named = words()
        .filter(|word| !is_list(word) && !is_source(word))
        .find_map(|word| in_work_dir(word));
    let product = match named {
        Some(named) => Product::Named(named.to_owned()),
        None if words().any(is_source) => Product::Unknown,
        None => Product::Anything,
    };
    (None, product)
}

/// Whether what a program is given stands for several files, as class paths do (`.optimus/a:/usr/share/java/b.jar`,
/// `.optimus/*`): some of them may be missing.
fn is_list(word: &str) -> bool {
    word.contains([':', '*'])
}

/// The path in the box's work directory that a word of a recipe names.
fn in_work_dir(word: &str) -> Option<&str> {
    let from_root = word
        .strip_prefix(BOX_DIR)
        .and_then(|below| below.strip_prefix('/'));
    let is_artefact = word
        .strip_prefix(OUTPUT_DIR)
        .is_some_and(|below| below.is_empty() || below.starts_with('/'));
    let path = from_root
        .or_else(|| word.strip_prefix("./"))
        .or_else(|| is_artefact.then_some(word))?;
    (!path.is_empty() && !path.contains('{')).then_some(path)
}

/// Half of the inodes are left for what the compile step and the runs make.
const INODES_FOR_SOURCES: u64 = 2;

fn check_size(submission: &Submission, language: &Language) -> Result<(), InvalidSubmission> {
    let refused = |message: String| {
        let field = if submission.source_code.is_some() {
            "source_code"
        } else {
            "files"
        };
        Err(InvalidSubmission {
            field: field.to_owned(),
            message: format!("{message} that a box of {} has room for (disk_mb)", language.name),
        })
    };
    let room = language.resources.disk_mb.saturating_mul(MIB);
    // A file takes whole pages.
    let total: u64 = sources(submission, language)
        .map(|(_, bytes)| (bytes.len() as u64).next_multiple_of(PAGE))
        .sum();
    if total > room {
        return refused(format!("{total} bytes, in whole pages, do not fit the {room}"));
    }
    let names = sources(submission, language).map(|(name, _)| name);
    let folders: HashSet<&str> = names
        .flat_map(|name| name.match_indices('/').map(|(at, _)| &name[..at]))
        .collect();
    let entries = folders.len() as u64 + sources(submission, language).count() as u64;
    let most = room / BYTES_PER_INODE / INODES_FOR_SOURCES;
    if entries > most {
        return refused(format!("{entries} files and folders do not fit the {most}"));
    }
    Ok(())
}

/// The submission's variables are for its own runs alone: the compile step never sees them.
fn run_env(submission: &Submission, language: &Language) -> BTreeMap<String, String> {
    let mut env = language.execution.env.clone();
    env.extend(
        submission
            .env
            .iter()
            .map(|(name, value)| (name.clone(), value.clone())),
    );
    env
}

/// What every run of a submission may use.
pub fn run_limits(submission: &Submission, language: &Language, settings: &LimitSettings) -> Limits {
    let multiplier = language.execution.time_multiplier;
    let cpu_time = scaled(submission.timeout_ms.unwrap_or(settings.timeout_ms), multiplier);
    let wall_time = match submission.wall_timeout_ms {
        Some(wall_timeout_ms) => scaled(wall_timeout_ms, multiplier),
        None => default_wall_time(cpu_time),
    };
    let memory_limit_mb = submission.memory_limit_mb.unwrap_or(language.memory_limit_mb);
    Limits {
        cpu_time,
        wall_time,
        memory_bytes: run_memory_bytes(memory_limit_mb, language),
        output_bytes: submission
            .output_limit_bytes
            .unwrap_or(settings.output_limit_bytes),
        processes: language.resources.processes,
        open_files: language.resources.open_files,
        file_size_bytes: language.resources.disk_mb.saturating_mul(MIB),
    }
}

fn compile_limits(submission: &Submission, language: &Language, settings: &LimitSettings) -> Limits {
    let cpu_time = Duration::from_millis(
        submission
            .compile_timeout_ms
            .unwrap_or(settings.compile_timeout_ms),
    );
    Limits {
        cpu_time,
        wall_time: default_wall_time(cpu_time),
        memory_bytes: language.resources.compile_memory_mb.saturating_mul(MIB),
        output_bytes: COMPILE_OUTPUT_BYTES,
        processes: language.resources.processes,
        open_files: language.resources.open_files,
        file_size_bytes: language.resources.compile_disk_bytes(),
    }
}

fn default_wall_time(cpu_time: Duration) -> Duration {
    cpu_time.saturating_mul(2).saturating_add(Duration::from_secs(1))
}

/// Whole milliseconds, as limits travel in them.
fn scaled(ms: u64, multiplier: f64) -> Duration {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss
    )]
    let ms = (ms as f64 * multiplier).round() as u64;
    Duration::from_millis(ms.max(1))
}

fn run_memory_bytes(memory_limit_mb: u64, language: &Language) -> u64 {
    memory_limit_mb
        .saturating_add(language.execution.memory_allowance_mb)
        .saturating_mul(MIB)
}

/// What the compile step leaves, which may be all of its memory, stays while the runs are there; so do sources and inputs.
/// What a run writes to its own files counts as its memory.
fn box_memory(language: &Language, run_memory_bytes: u64, largest_input_bytes: u64) -> u64 {
    let parallel = u64::from(language.concurrency.max_parallel_tests);
    let compile = if language.execution.compile.is_empty() {
        0
    } else {
        language.resources.compile_memory_mb.saturating_mul(MIB)
    };
    run_memory_bytes
        .saturating_mul(parallel)
        .saturating_add(compile)
        .saturating_add(largest_input_bytes.saturating_mul(parallel))
        .saturating_add(language.resources.disk_mb.saturating_mul(MIB))
        .saturating_add(AGENT_MEMORY_BYTES)
}

#[cfg(test)]
mod tests {
    use optimus_common::{
        language::{Build, Concurrency, Execution, Host, Resources},
        settings::Settings,
        submission::{SourceFile, TestCase},
    };

    use super::*;

    fn strings(items: &[&str]) -> Vec<String> {
        items.iter().map(ToString::to_string).collect()
    }

    fn map(items: &[(&str, &str)]) -> BTreeMap<String, String> {
        items
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    fn language() -> Language {
        Language {
            name: "java".parse().unwrap(),
            version: "21".to_owned(),
            image: "optimus/java:21".to_owned(),
            dockerfile_path: "dockerfiles/java/Dockerfile".into(),
            execution: Execution {
                command: "java".to_owned(),
                args: strings(&["-Xmx{memory_mb}m", "Main"]),
                file_extension: ".java".to_owned(),
                other_extensions: vec![".jav".to_owned()],
                source_name: "Main.java".to_owned(),
                compile: strings(&["javac", "-d", ".", "{sources}"]),
                env: map(&[("PATH", "/usr/bin"), ("LANG", "C.UTF-8")]),
                time_multiplier: 1.5,
                memory_allowance_mb: 100,
                sample: None,
                out_of_memory: Vec::new(),
            },
            queue_name: "optimus:queue:java".to_owned(),
            memory_limit_mb: 256,
            cpu_limit: 1.0,
            resources: Resources {
                disk_mb: 8,
                compile_memory_mb: 512,
                ..Resources::default()
            },
            concurrency: Concurrency {
                max_parallel_jobs: 1,
                max_parallel_tests: 2,
            },
            build: Build {
                base_image: "eclipse-temurin:21".to_owned(),
                debian_packages: Vec::new(),
                version_command: "java --version".to_owned(),
            },
            host: Host::default(),
        }
    }

    fn test(id: u64, input: &str) -> TestCase {
        TestCase::new(id, input, "")
    }

    fn file(name: &str, content: &str) -> SourceFile {
        SourceFile {
            name: name.to_owned(),
            content: Some(content.to_owned()),
            content_base64: None,
        }
    }

    fn submission() -> Submission {
        let tests = vec![test(1, "12345"), test(2, "")];
        Submission::new("java".parse().unwrap(), "class A {}", tests)
    }

    fn plan(submission: &Submission, language: &Language) -> Result<JobPlan, InvalidSubmission> {
        JobPlan::new(submission, language, &Settings::defaults().limits)
    }

    #[test]
    fn what_a_submission_leaves_out_is_taken_from_its_language_and_the_settings() {
        let plan = plan(&submission(), &language()).unwrap();
        assert_eq!(
            plan.header.files,
            [FileHeader {
                name: "Main.java".to_owned(),
                bytes: 10
            }]
        );
        assert_eq!(plan.header.max_parallel_tests, 2);
        assert_eq!(plan.largest_input_bytes, 5);
        let resources = language().resources;
        let common = |limits: &Limits| (limits.processes, limits.open_files, limits.file_size_bytes);
        let expected = |files_mb: u64| (resources.processes, resources.open_files, files_mb * MIB);

        let run = &plan.header.run;
        assert_eq!(run.argv, strings(&["java", "-Xmx256m", "Main"]));
        assert_eq!(run.env, language().execution.env);
        assert_eq!(run.limits.cpu_time, Duration::from_millis(7500));
        assert_eq!(run.limits.wall_time, Duration::from_secs(16));
        assert_eq!(run.limits.memory_bytes, 356 * MIB);
        assert_eq!(run.limits.output_bytes, 16 * MIB);
        assert_eq!(common(&run.limits), expected(8));

        let compile = plan.header.compile.unwrap();
        assert_eq!(compile.argv, strings(&["javac", "-d", ".", "Main.java"]));
        assert_eq!(compile.limits.cpu_time, Duration::from_secs(30));
        assert_eq!(compile.limits.wall_time, Duration::from_secs(61));
        assert_eq!(compile.limits.memory_bytes, 512 * MIB);
        assert_eq!(compile.limits.output_bytes, COMPILE_OUTPUT_BYTES);
        assert_eq!(
            common(&compile.limits),
            expected(512),
            "a program may be as large as the memory it is made in"
        );
    }

    #[test]
    fn a_submission_sets_its_own_limits() {
        let mut submission = submission();
        submission.timeout_ms = Some(1000);
        submission.wall_timeout_ms = Some(3000);
        submission.compile_timeout_ms = Some(2000);
        submission.memory_limit_mb = Some(64);
        submission.output_limit_bytes = Some(100);
        let header = plan(&submission, &language()).unwrap().header;
        assert_eq!(header.run.limits.cpu_time, Duration::from_millis(1500));
        assert_eq!(header.run.limits.wall_time, Duration::from_millis(4500));
        assert_eq!(header.run.limits.memory_bytes, 164 * MIB);
        assert_eq!(header.run.limits.output_bytes, 100);
        assert_eq!(
            header.run.argv[1], "-Xmx64m",
            "the flag goes without the allowance"
        );
        assert_eq!(header.compile.unwrap().limits.cpu_time, Duration::from_secs(2));
    }

    #[test]
    fn arguments_follow_the_recipe_unexpanded() {
        let mut submission = submission();
        submission.args = strings(&["{source}", "-x"]);
        let header = plan(&submission, &language()).unwrap().header;
        assert_eq!(
            header.run.argv,
            strings(&["java", "-Xmx256m", "Main", "{source}", "-x"])
        );
    }

    #[test]
    fn the_submissions_environment_never_reaches_the_compiler() {
        let mut submission = submission();
        submission.env = map(&[("LD_PRELOAD", "./evil.so"), ("LANG", "C"), ("PATH", "/box")]);
        let header = plan(&submission, &language()).unwrap().header;
        assert_eq!(header.compile.unwrap().env, language().execution.env);
        assert_eq!(
            header.run.env,
            map(&[("LANG", "C"), ("LD_PRELOAD", "./evil.so"), ("PATH", "/box")])
        );
    }

    #[test]
    fn several_files_keep_their_order_and_the_entry_point_is_a_source_whatever_its_name() {
        let mut submission = submission();
        submission.source_code = None;
        submission.files = vec![
            file("data.txt", "1"),
            file("lib/Util.java", "22"),
            file("Start", "333"),
        ];
        submission.entry_point = Some("Start".to_owned());
        let mut language = language();
        language.execution.args = strings(&["{source}"]);
        let plan = plan(&submission, &language).unwrap();
        let names: Vec<_> = plan.header.files.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(names, ["data.txt", "lib/Util.java", "Start"]);
        let contents: Vec<_> = file_contents(&submission, &language).collect();
        assert_eq!(contents, [&b"1"[..], b"22", b"333"]);
        for (file, content) in plan.header.files.iter().zip(contents) {
            assert_eq!(file.bytes, content.len() as u64);
        }
        assert_eq!(plan.header.run.argv, strings(&["java", "Start"]));
        assert_eq!(
            plan.header.compile.unwrap().argv,
            strings(&["javac", "-d", ".", "lib/Util.java", "Start"])
        );
    }

    #[test]
    fn the_source_called_main_is_started_with_else_the_first_one() {
        let mut submission = submission();
        submission.source_code = None;
        let mut language = language();
        language.execution.compile.clear();
        language.execution.args = strings(&["./{source}"]);
        for (names, main) in [
            (&["words.txt", "b.java", "a.java"][..], "b.java"),
            (&["b.java", "Main.java"], "Main.java"),
            (&["words.txt", "only.JAV"], "only.JAV"),
            (&["words.txt", "more.txt"], "words.txt"),
        ] {
            submission.files = names.iter().map(|name| file(name, "")).collect();
            let header = plan(&submission, &language).unwrap().header;
            assert_eq!(header.run.argv, ["java".to_owned(), format!("./{main}")]);
            assert_eq!(header.compile, None);
            assert_eq!(entry_point(&submission, &language), Some(main));
        }
    }

    #[test]
    fn a_compile_step_gets_every_source_and_the_entry_point_only_where_it_is_named() {
        let mut submission = submission();
        submission.source_code = None;
        submission.files = ["a.jav", "B.JAVA", "c.txt", "Main.java"]
            .iter()
            .map(|name| file(name, ""))
            .collect();
        let mut language = language();
        language.execution.compile = strings(&["javac", "{entry_point}", "{sources}"]);
        let compile = |submission: &Submission| plan(submission, &language).unwrap().header.compile.unwrap();
        assert_eq!(
            compile(&submission).argv,
            strings(&["javac", "", "a.jav", "B.JAVA", "Main.java"])
        );
        assert_eq!(
            entry_point(&submission, &language),
            None,
            "the compile step knows that"
        );
        submission.entry_point = Some("c.txt".to_owned());
        assert_eq!(
            compile(&submission).argv,
            strings(&["javac", "c.txt", "a.jav", "B.JAVA", "c.txt", "Main.java"])
        );
    }

    #[test]
    fn a_box_has_room_for_all_parallel_runs_beside_what_was_compiled_and_for_every_input() {
        let mut submission = submission();
        submission.test_cases.push(test(3, &"x".repeat(1000)));
        let beside = 2 * 1000 + 8 * MIB + AGENT_MEMORY_BYTES;
        assert_eq!(
            plan(&submission, &language()).unwrap().box_memory_bytes,
            2 * 356 * MIB + 512 * MIB + beside
        );
        submission.memory_limit_mb = Some(1);
        assert_eq!(
            plan(&submission, &language()).unwrap().box_memory_bytes,
            2 * 101 * MIB + 512 * MIB + beside
        );
        let mut interpreted = language();
        interpreted.execution.compile.clear();
        assert_eq!(
            plan(&submission, &interpreted).unwrap().box_memory_bytes,
            2 * 101 * MIB + beside
        );
    }

    #[test]
    fn a_box_made_ahead_fits_a_usual_job() {
        let language = language();
        let plan = plan(&submission(), &language).unwrap();
        assert!(plan.box_memory_bytes <= usual_box_memory_bytes(&language));
    }

    #[test]
    fn sources_larger_than_the_work_directory_are_refused_by_field() {
        let mut submission = submission();
        let large = "x".repeat(8 << 20);
        submission.source_code = Some(large.clone());
        assert!(plan(&submission, &language()).is_ok());
        submission.source_code = Some(large.clone() + "x");
        assert_eq!(plan(&submission, &language()).unwrap_err().field, "source_code");
        submission.source_code = None;
        submission.files = vec![file("a.java", &large), file("b.java", "x")];
        assert_eq!(plan(&submission, &language()).unwrap_err().field, "files");
    }

    #[test]
    fn files_take_whole_pages_and_folders_take_places_too() {
        let mut submission = submission();
        submission.source_code = None;
        // 8 MiB are 2048 pages, and as many inodes.
        submission.files = (0..1024).map(|i| file(&format!("{i}"), "x")).collect();
        assert!(plan(&submission, &language()).is_ok());
        submission.files[0].content = Some("x".repeat(1024 * 4096));
        assert!(plan(&submission, &language()).is_ok());
        submission.files[0].content = Some("x".repeat(1025 * 4096 + 1));
        assert_eq!(plan(&submission, &language()).unwrap_err().field, "files");
        submission.files[0].content = None;
        submission.files[0].name = "a/b".to_owned();
        let error = plan(&submission, &language()).unwrap_err();
        assert_eq!(
            error.message,
            "1025 files and folders do not fit the 1024 that a box of java has room for (disk_mb)"
        );
        let deep = |i: usize| format!("{i}/{}x", "d/".repeat(125));
        submission.files = (0..8).map(|i| file(&deep(i), "x")).collect();
        assert!(plan(&submission, &language()).is_ok(), "8 x 127 places");
        submission.files = (0..9).map(|i| file(&deep(i), "x")).collect();
        assert!(plan(&submission, &language()).is_err());
    }

    #[test]
    fn what_the_recipe_runs_out_of_the_work_directory_has_to_be_made() {
        let products = |compile: &[&str], command: &str, args: &[&str]| {
            let mut language = language();
            language.execution.compile = strings(compile);
            language.execution.command = command.to_owned();
            language.execution.args = strings(args);
            let header = plan(&submission(), &language).unwrap().header;
            (header.program, header.product)
        };
        let program = |name: &str| (Some(name.to_owned()), Product::Unknown);
        let named = |name: &str| (None, Product::Named(name.to_owned()));
        let (anything, unknown) = ((None, Product::Anything), (None, Product::Unknown));
        for (command, expected) in [
            ("./main", program("main")),
            ("/box/.optimus/main", program(".optimus/main")),
            (".optimus/main", program(".optimus/main")),
            ("env A=b C=/d ./main", program("main")),
            ("java -jar .optimus/main.jar", named(".optimus/main.jar")),
            ("java -jar ./main.jar", named("main.jar")),
            ("java -cp .optimus Main", named(".optimus")),
            ("java -cp /box/.optimus Main", named(".optimus")),
            ("node .optimus/main.js", named(".optimus/main.js")),
            (
                "java -cp .optimus/lib:/x.jar -jar .optimus/main.jar",
                named(".optimus/main.jar"),
            ),
            ("java Main", anything.clone()),
            ("java -jar main.jar", anything.clone()),
            ("java -cp .optimus/a:/x.jar Main", anything.clone()),
            ("java -cp ./out:./lib Main", anything.clone()),
            ("java -cp .optimus/* Main", anything.clone()),
            ("/opt/made/main", anything),
            ("sh ./{source}", unknown.clone()),
            ("node {source}", unknown.clone()),
            ("node {entry_point}", unknown.clone()),
            ("java Main.java", unknown.clone()),
            ("java ./Main.java", unknown.clone()),
            ("java /box/Main.java", unknown.clone()),
        ] {
            let words: Vec<_> = command.split(' ').collect();
            assert_eq!(products(&["cc"], words[0], &words[1..]), expected, "{command}");
            assert_eq!(products(&[], words[0], &words[1..]), unknown, "{command}");
        }
    }

    #[test]
    fn no_multiplier_overflows_or_takes_all_time_away() {
        assert_eq!(scaled(1, 1e-9), Duration::from_millis(1));
        assert_eq!(
            default_wall_time(scaled(u64::MAX, 1e9)),
            Duration::from_millis(u64::MAX) * 2 + Duration::from_secs(1)
        );
    }
}
