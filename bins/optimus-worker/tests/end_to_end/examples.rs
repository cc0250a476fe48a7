//! The examples: every submission in `examples/` earns the verdict of its folder.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

use futures_util::{StreamExt, stream};
use optimus_testkit::{
    client::{assert_verdict, with},
    project::project,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::system::{System, languages};

/// Jobs waiting or running at once. Their tests are large, and all in memory.
const AT_ONCE: usize = 4;

struct Problem {
    name: String,
    dir: PathBuf,
    /// Fields of the submission: limits and checker.
    settings: Value,
    tests: Value,
}

/// The part of `problem.yaml` that is ours.
#[derive(Deserialize)]
struct Description {
    #[serde(default)]
    optimus: Map<String, Value>,
}

struct Solution {
    path: PathBuf,
    language: String,
    verdict: String,
}

pub(crate) async fn every_example_in_every_language(system: &System) {
    let problems: Vec<_> = folders(&project().join("examples"))
        .iter()
        .map(|dir| problem(dir))
        .collect();
    assert!(problems.len() >= 6, "{} problems", problems.len());
    for problem in &problems {
        let started = Instant::now();
        let solutions = solutions(&problem.dir);
        assert_complete(problem, &solutions);
        let grading = solutions.iter().map(|solution| grade(system, problem, solution));
        let graded = stream::iter(grading).buffer_unordered(AT_ONCE).count().await;
        println!(
            "examples: {} graded, {graded} submissions in {:.0?}",
            problem.name,
            started.elapsed()
        );
    }
}

async fn grade(system: &System, problem: &Problem, solution: &Solution) {
    let submission = json!({
        "language": solution.language,
        "source_code": fs::read_to_string(&solution.path).unwrap(),
        "test_cases": problem.tests,
    });
    let record = system
        .client
        .grade(&with(submission, problem.settings.clone()))
        .await;
    assert_verdict(&record, &solution.verdict, &solution.path.display().to_string());
}

/// Ten tests or more, and an accepted solution in each language.
fn assert_complete(problem: &Problem, solutions: &[Solution]) {
    let tests = problem.tests.as_array().unwrap().len();
    assert!(
        tests >= 10,
        "{} has {tests} tests; run: python3 examples/generate.py",
        problem.name
    );
    for language in languages().languages {
        let name = language.name.as_str();
        let solved = solutions
            .iter()
            .any(|solution| solution.language == name && solution.verdict == "accepted");
        assert!(solved, "{} has no accepted solution in {name}", problem.name);
    }
}

fn problem(dir: &Path) -> Problem {
    let description = fs::read_to_string(dir.join("problem.yaml")).unwrap();
    let Description { optimus } = serde_saphyr::from_str(&description).unwrap();
    let inputs = ["sample", "secret"]
        .iter()
        .flat_map(|kind| sorted(&dir.join("data").join(kind)));
    let inputs = inputs.filter(|path| path.extension().is_some_and(|extension| extension == "in"));
    let tests: Vec<_> = (1..)
        .zip(inputs)
        .map(|(id, input)| {
            let expected = input.with_extension("ans");
            json!({
                "id": id,
                "input": fs::read_to_string(&input).unwrap(),
                "expected_output": fs::read_to_string(&expected).unwrap(),
            })
        })
        .collect();
    Problem {
        name: name_of(dir),
        dir: dir.to_owned(),
        settings: Value::Object(optimus),
        tests: Value::Array(tests),
    }
}

fn solutions(dir: &Path) -> Vec<Solution> {
    let languages = languages();
    let in_folder = |folder: PathBuf| {
        sorted(&folder)
            .into_iter()
            .map(move |path| (name_of(&folder), path))
    };
    folders(&dir.join("submissions"))
        .into_iter()
        .flat_map(in_folder)
        .map(|(folder, path)| {
            let extension = format!(".{}", path.extension().unwrap().display());
            let language = languages
                .languages
                .iter()
                .find(|language| language.execution.file_extension == extension);
            let language = language
                .unwrap_or_else(|| panic!("{} is in no language", path.display()))
                .name
                .to_string();
            Solution {
                path,
                language,
                verdict: of_folder(&folder).to_owned(),
            }
        })
        .collect()
}

/// The verdict that the submissions in a folder earn. Where the ICPC problem package format has a name for it, the
/// folder has that one.
fn of_folder(name: &str) -> &str {
    match name {
        "run_time_error" => "runtime_error",
        "compile_error" => "compilation_error",
        other => other,
    }
}

fn folders(dir: &Path) -> Vec<PathBuf> {
    sorted(dir).into_iter().filter(|path| path.is_dir()).collect()
}

fn sorted(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap_or_else(|error| panic!("cannot read {}: {error}", dir.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}
