//! An installation on native boxes of this machine: its latency and its throughput against the bare programs.

use std::{
    fs,
    process::Stdio,
    thread::available_parallelism,
    time::{Duration, Instant},
};

use futures_util::{StreamExt, TryStreamExt, stream};
use optimus_client::LanguageEntry;
use optimus_common::submission::Submission;
use tempfile::TempDir;
use tokio::{process::Command, time::sleep};

use crate::{
    HELLO, PYTHON, Setting,
    compile_once::accepted,
    error::{Error, Result},
    event::{Event, Listener},
    hello, milliseconds,
    report::{BenchReport, Bound, Goal, Measured, measured},
    submission, sum,
};

const LATENCY_ROUNDS: usize = 100;
const WARM_UP: usize = 5;
const THROUGHPUT_ROUNDS: usize = 3;
/// For everything that boxes see to be copied into memory.
const PREPARATION_TIMEOUT: Duration = Duration::from_mins(3);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// From the submission of a small Python program to its verdict, against the bare interpreter.
pub async fn latency(setting: &Setting, tell: &mut Listener<'_>) -> Result<BenchReport> {
    let submission = hello();
    let python = interpreter(setting).await?;
    let rounds = setting.rounds(LATENCY_ROUNDS);
    tell(Event::Begins {
        what: "latency",
        steps: Some(rounds),
    });
    let (mut api, mut bare) = (Vec::new(), Vec::new());
    for round in 0..WARM_UP + rounds {
        let began = Instant::now();
        accepted(setting, &submission).await?;
        let api_ms = milliseconds(began);
        let began = Instant::now();
        succeeded(Command::new(&python).args(["-B", "-s", "-c", HELLO])).await?;
        let bare_ms = milliseconds(began);
        if round >= WARM_UP {
            api.push(api_ms);
            bare.push(bare_ms);
            tell(Event::Step);
        }
    }
    tell(Event::Ends);
    let api = measured("submission to verdict", "ms", &api)?;
    let bare = measured("bare interpreter", "ms", &bare)?;
    Ok(BenchReport {
        benchmark: "latency",
        goals: vec![Goal::new(
            "above the bare interpreter by",
            Bound::AtMost,
            5.0,
            api.median - bare.median,
            "ms",
        )],
        measured: vec![api, bare],
    })
}

/// Jobs a second against `xargs -P` of what the jobs consist of: the compile step, and the bare program for each test.
pub async fn throughput(setting: &Setting, tell: &mut Listener<'_>) -> Result<BenchReport> {
    let cpus = available_parallelism().map_or(1, Into::into);
    let rounds = setting.rounds(THROUGHPUT_ROUNDS);
    let works = works(&interpreter(setting).await?)?;
    tell(Event::Begins {
        what: "throughput",
        steps: Some(rounds * works.len() * 2),
    });
    let mut samples = vec![(Vec::new(), Vec::new()); works.len()];
    for _ in 0..rounds {
        for (work, (jobs, bare)) in works.iter().zip(&mut samples) {
            jobs.push(work.jobs_per_second(setting, cpus).await?);
            tell(Event::Step);
            bare.push(work.bare_per_second(cpus).await?);
            tell(Event::Step);
        }
    }
    tell(Event::Ends);
    let mut report = BenchReport {
        benchmark: "throughput",
        measured: Vec::new(),
        goals: Vec::new(),
    };
    for (work, (jobs, bare)) in works.iter().zip(&samples) {
        let jobs = measured(format!("{}: jobs", work.what), "/s", jobs)?;
        let bare = measured(format!("{}: xargs -P {cpus}", work.what), "/s", bare)?;
        let share = jobs.median / bare.median * 100.0;
        report.measured.extend([jobs, bare]);
        if let Some(goal) = work.goal {
            report.goals.push(Goal::new(
                format!("{}, of xargs", work.what),
                Bound::AtLeast,
                goal,
                share,
                "%",
            ));
        } else {
            let share = Measured::of(format!("{}: of xargs", work.what), "%", &[share]);
            report.measured.extend(share);
        }
    }
    Ok(report)
}

/// Waits until every language that this machine has is ready: while one is made ready, the others' jobs are slower.
pub async fn all_ready(setting: &Setting, offered: &[&str]) -> Result<()> {
    if offered.is_empty() {
        return Err(Error::not_measured(
            "no language is available on native boxes of this machine",
        ));
    }
    let began = Instant::now();
    loop {
        let languages = setting.api.languages().await?;
        match offered.iter().find_map(|name| not_ready(name, &languages)) {
            None => return Ok(()),
            Some(missing) if began.elapsed() > PREPARATION_TIMEOUT => {
                return Err(Error::not_measured(missing));
            }
            Some(_) => sleep(LOOK_AGAIN).await,
        }
    }
}

/// What to say of a language that is not ready, with what the API says of it.
fn not_ready(name: &str, languages: &[LanguageEntry]) -> Option<String> {
    let entry = languages.iter().find(|entry| entry.name == name);
    if entry.is_some_and(|entry| entry.available) {
        return None;
    }
    let reason = entry.and_then(|entry| entry.reason.as_deref());
    let reason = reason.map_or_else(String::new, |reason| format!(": {reason}"));
    Some(format!(
        "{name} does not get ready, and would disturb what is measured{reason}"
    ))
}

/// Jobs of one kind, and the same work without Optimus.
struct Work {
    what: &'static str,
    submission: Submission,
    jobs: u32,
    /// What `sh` does for one job, in a folder with the program and its input.
    bare: String,
    folder: TempDir,
    /// In percent of the bare work, where that was promised.
    goal: Option<f64>,
}

const COMPILE_CPP: &str = "g++ -std=gnu++17 -O2 -pipe";

/// The interpreter that boxes have, which need not be the one that a shell finds first. Boxes show it at the same path.
async fn interpreter(setting: &Setting) -> Result<String> {
    let ask = submission(PYTHON, "import sys; print(sys.executable)\n", "", "", 1);
    let record = setting.api.submit_and_wait(&ask).await?;
    let result = record
        .result
        .ok_or_else(|| Error::not_measured("a job has no result"))?;
    let answer = result
        .test_results
        .first()
        .ok_or_else(|| Error::not_measured("a test has no result"))?;
    Ok(answer.stdout.trim_end().to_owned())
}

fn works(python: &str) -> Result<Vec<Work>> {
    let ten_times = |program: &str| format!("for i in 1 2 3 4 5 6 7 8 9 10; do {program} <input; done");
    let python = format!("{python} -B -s main.py");
    Ok(vec![
        Work {
            what: "Python, 10 tests",
            submission: submission(PYTHON, sum::PYTHON, sum::INPUT, sum::OUTPUT, 10),
            jobs: 40,
            bare: ten_times(&python),
            folder: folder(&[("main.py", sum::PYTHON)])?,
            goal: Some(85.0),
        },
        Work {
            what: "C++, compiled, 10 tests",
            submission: submission("cpp", sum::CPP, sum::INPUT, sum::OUTPUT, 10),
            jobs: 12,
            bare: format!(
                "{COMPILE_CPP} -o main-$1 main.cpp && {} && rm main-$1",
                ten_times("./main-$1")
            ),
            folder: folder(&[("main.cpp", sum::CPP)])?,
            goal: Some(85.0),
        },
        Work {
            what: "Python, 1 test",
            submission: submission(PYTHON, sum::PYTHON, sum::INPUT, sum::OUTPUT, 1),
            jobs: 200,
            bare: format!("{python} <input"),
            folder: folder(&[("main.py", sum::PYTHON)])?,
            goal: None,
        },
    ])
}

fn folder(files: &[(&str, &str)]) -> Result<TempDir> {
    let folder = tempfile::tempdir().map_err(Error::host("make a folder"))?;
    for (name, content) in files.iter().chain(&[("input", sum::INPUT)]) {
        fs::write(folder.path().join(name), content).map_err(Error::host(format!("write {name}")))?;
    }
    Ok(folder)
}

impl Work {
    async fn jobs_per_second(&self, setting: &Setting, cpus: usize) -> Result<f64> {
        let began = Instant::now();
        stream::iter((0..self.jobs).map(|_| accepted(setting, &self.submission)))
            .buffer_unordered(4 * cpus)
            .try_collect::<Vec<()>>()
            .await?;
        Ok(f64::from(self.jobs) / began.elapsed().as_secs_f64())
    }

    async fn bare_per_second(&self, cpus: usize) -> Result<f64> {
        let each = format!(
            "seq {} | xargs -P {cpus} -n 1 sh -ec '{}' sh",
            self.jobs, self.bare
        );
        let mut command = Command::new("sh");
        command.args(["-ec", &each]).current_dir(self.folder.path());
        let began = Instant::now();
        succeeded(&mut command).await?;
        Ok(f64::from(self.jobs) / began.elapsed().as_secs_f64())
    }
}

async fn succeeded(command: &mut Command) -> Result<()> {
    let status = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .await
        .map_err(Error::host("start what the benchmark compares with"))?;
    if status.success() {
        Ok(())
    } else {
        Err(Error::not_measured(format!(
            "what the benchmark compares with ended with {status}"
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_that_is_not_ready_is_told_with_its_reason() {
        let entry = |name: &str, reason: Option<&str>| LanguageEntry {
            name: name.to_owned(),
            file_extension: ".x".to_owned(),
            other_extensions: Vec::new(),
            available: reason.is_none(),
            reason: reason.map(ToOwned::to_owned),
        };
        let languages = [entry("go", None), entry("rust", Some("its cache is full"))];
        assert_eq!(not_ready("go", &languages), None);
        let told = not_ready("rust", &languages).unwrap();
        assert!(
            told.starts_with("rust ") && told.ends_with(": its cache is full"),
            "{told}"
        );
        assert!(not_ready("cpp", &languages).is_some());
    }
}
