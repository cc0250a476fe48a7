//! Plans of jobs.

use optimus_common::{
    content::NamedContent,
    submission::{SourceFile, TestCase},
};

use optimus_protocol::Product;
use optimus_testkit::languages::{self, strings};

use super::*;
use crate::settings::LimitSettings;

fn map(items: &[(&str, &str)]) -> BTreeMap<String, String> {
    items
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn language() -> Language {
    let mut language = languages::interpreted("java");
    let execution = &mut language.execution;
    execution.command = "java".into();
    execution.args = strings(&["-Xmx{memory_mb}m", "Main"]);
    execution.file_extension = ".java".into();
    execution.other_extensions = vec![".jav".to_owned()];
    execution.source_name = "Main.java".into();
    execution.compile = strings(&["javac", "-d", ".", "{sources}"]);
    execution.env = map(&[("PATH", "/usr/bin"), ("LANG", "C.UTF-8")]);
    execution.time_multiplier = 1.5;
    execution.memory_allowance_mb = 100;
    language.memory_limit_mb = 256;
    language.resources.disk_mb = 8;
    language.resources.compile_memory_mb = 512;
    language.concurrency.max_parallel_tests = 2;
    language
}

fn test(id: u64, input: &str) -> TestCase {
    TestCase::new(id, input, "")
}

fn file(name: &str, content: &str) -> SourceFile {
    SourceFile {
        name: name.to_owned(),
        content: Some(content.to_owned()),
        content_base64: None,
        content_sha256: None,
    }
}

fn submission() -> Submission {
    let tests = vec![test(1, "12345"), test(2, "")];
    Submission::new("java".parse().unwrap(), "class A {}", tests)
}

fn plan(submission: &Submission, language: &Language) -> Result<JobPlan, InvalidSubmission> {
    JobPlan::new(
        submission,
        language,
        &optimus_settings::defaults_of::<LimitSettings>("limits"),
    )
}

#[test]
fn content_whose_size_nobody_knows_is_not_planned_for() {
    let mut submission = submission();
    let digest = "ab".repeat(32).parse().unwrap();
    let test = &mut submission.test_cases[1];
    test.input = None;
    test.input_sha256 = Some(NamedContent::new(digest));
    let refused = plan(&submission, &language()).unwrap_err();
    assert_eq!(refused.field, "test_cases[1].input_sha256");
    for named in submission.named_content_mut() {
        named.set_size(77);
    }
    let planned = plan(&submission, &language()).unwrap();
    assert_eq!(planned.largest_input_bytes, 77);
}

#[test]
fn what_a_submission_leaves_out_is_taken_from_its_language_and_the_settings() {
    let plan = plan(&submission(), &language()).unwrap();
    assert_eq!(plan.files, ["Main.java"]);
    assert_eq!(plan.folders, [".optimus"]);
    assert_eq!(plan.parallel, 2);
    assert_eq!(plan.largest_input_bytes, 5);
    let resources = language().resources;
    let common = |limits: &Limits| (limits.processes, limits.open_files, limits.file_size_bytes);
    let expected = |files_mb: u64| (resources.processes, resources.open_files, files_mb * MIB);

    let run = &plan.run;
    assert_eq!(run.argv, strings(&["java", "-Xmx256m", "Main"]));
    assert_eq!(run.env, language().execution.env);
    assert_eq!(run.limits.cpu_time, Duration::from_millis(7500));
    assert_eq!(run.limits.wall_time, Duration::from_secs(16));
    assert_eq!(run.limits.memory_bytes, 356 * MIB);
    assert_eq!(run.limits.output_bytes, 16 * MIB);
    assert_eq!(common(&run.limits), expected(8));

    let compile = plan.compile.unwrap();
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
    let plan = plan(&submission, &language()).unwrap();
    assert_eq!(plan.run.limits.cpu_time, Duration::from_millis(1500));
    assert_eq!(plan.run.limits.wall_time, Duration::from_millis(4500));
    assert_eq!(plan.run.limits.memory_bytes, 164 * MIB);
    assert_eq!(plan.run.limits.output_bytes, 100);
    assert_eq!(plan.run.argv[1], "-Xmx64m", "the flag goes without the allowance");
    assert_eq!(plan.compile.unwrap().limits.cpu_time, Duration::from_secs(2));
}

#[test]
fn arguments_follow_the_recipe_unexpanded() {
    let mut submission = submission();
    submission.args = strings(&["{source}", "-x"]);
    let plan = plan(&submission, &language()).unwrap();
    assert_eq!(
        plan.run.argv,
        strings(&["java", "-Xmx256m", "Main", "{source}", "-x"])
    );
}

#[test]
fn the_submissions_environment_never_reaches_the_compiler() {
    let mut submission = submission();
    submission.env = map(&[("LD_PRELOAD", "./evil.so"), ("LANG", "C"), ("PATH", "/box")]);
    let plan = plan(&submission, &language()).unwrap();
    assert_eq!(plan.compile.unwrap().env, language().execution.env);
    assert_eq!(
        plan.run.env,
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
    assert_eq!(plan.files, ["data.txt", "lib/Util.java", "Start"]);
    let contents: Vec<_> = file_contents(&submission, &language).collect();
    assert_eq!(contents, [&b"1"[..], b"22", b"333"]);
    assert_eq!(plan.run.argv, strings(&["java", "Start"]));
    assert_eq!(
        plan.compile.unwrap().argv,
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
        let plan = plan(&submission, &language).unwrap();
        assert_eq!(plan.run.argv, ["java".to_owned(), format!("./{main}")]);
        assert_eq!(plan.compile, None);
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
    let compile = |submission: &Submission| plan(submission, &language).unwrap().compile.unwrap();
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
        let made = plan(&submission(), &language).unwrap().made;
        (made.program, made.product)
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
