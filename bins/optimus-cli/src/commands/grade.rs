//! `grade`: programs against a problem at once, all in this process.
//!
//! - [`problem`]: the tests, and the time limit
//! - [`candidates`]: the programs, and what each must get
//! - [`runs`]: jobs on their way through the store; [`proofs`]: whether their languages run at all; [`progress`]: what is
//!   seen meanwhile
//! - [`report`]: the table; [`details`]: what lies behind a verdict

mod candidates;
mod details;
mod problem;
mod progress;
mod proofs;
mod report;
mod runs;

use std::{env, fs, mem, path::Path};

use anyhow::Context;
use optimus_common::{language::Languages, submission::InvalidSubmission};
use optimus_judge::{plan::JobPlan, settings::LimitSettings};
use optimus_service::Process;
use optimus_worker::Settings;
use tokio_util::sync::CancellationToken;

use self::{
    candidates::Candidate,
    details::Detail,
    problem::{Limit, Problem, Time, template},
    progress::Progress,
    report::GradeReport,
    runs::{ProgramOutcome, Runs},
};
use crate::{
    args::{Grade, ToGrade},
    embedded::{Embedded, Storage},
    exit::{Classify, Exit, Failure, or_cannot_read},
    output::{Output, harmless, note, passed_over},
    testcases::{self, Loaded, Package, package::Expectation},
};

pub(crate) async fn run(args: Grade, root: Option<&Path>, output: &Output) -> Result<Exit, Failure> {
    let mut settings = args.embedded.settings(root)?;
    let languages = settings.languages_file.load().usage()?;
    let (mut problem, mut candidates) = read(&args.asked, &settings, &languages)?;
    check(&mut problem, &mut candidates, &languages, &settings.limits)?;
    passed_over(&problem.notes);
    tell_who_is_left(&candidates, &args.asked)?;
    let mut chosen: Vec<_> = candidates.iter().filter_map(Candidate::language).collect();
    chosen.sort_unstable();
    chosen.dedup();
    if !chosen.is_empty() {
        settings.worker.languages = chosen.join(",");
    }
    // Whoever wants to read logs beside the results says so.
    let log = env::var_os("RUST_LOG").is_some().then_some(&settings.log);
    Process::begin("optimus", log)
        .usage()?
        .run(|stop| grade_all(settings, problem, candidates, &args.asked, output, stop))
        .await
}

async fn grade_all(
    settings: Settings,
    problem: Problem,
    candidates: Vec<Candidate>,
    asked: &ToGrade,
    output: &Output,
    stop: CancellationToken,
) -> Result<Exit, Failure> {
    let Some(embedded) = stop
        .run_until_cancelled(Embedded::start(settings, Storage::Ephemeral))
        .await
    else {
        return Ok(Exit::Cancelled);
    };
    let embedded = embedded?;
    let progress = Progress::new(candidates.len(), problem.names.len());
    let runs = Runs::new(&embedded, &problem, &progress, &stop);
    let graded = embedded.watched(grade(&runs, &problem, &candidates)).await;
    progress.finish();
    let backend = embedded.choice.kind.as_str();
    embedded.stop().await?;
    if stop.is_cancelled() {
        note("cancelled");
        return Ok(Exit::Cancelled);
    }
    let (limit, outcomes) = graded?;
    let detail = if asked.verbose {
        Detail::FailedTests
    } else {
        Detail::CompileErrors
    };
    let report = GradeReport::new(&problem, &limit, backend, &candidates, &outcomes, detail);
    output.result(&report, || {
        let mut text = report.text();
        text.push_str(&details::text(&problem, &candidates, &outcomes, detail));
        text
    })?;
    Ok(report.exit())
}

fn read(
    args: &ToGrade,
    settings: &Settings,
    languages: &Languages,
) -> Result<(Problem, Vec<Candidate>), Failure> {
    let problem = or_cannot_read(&args.problem, fs::metadata(&args.problem))?;
    if !problem.is_dir() {
        return Err(Failure::usage(format!(
            "{} is no folder; a package in an archive has to be unpacked first",
            args.problem.display()
        )));
    }
    let package = if testcases::package::is_package(&args.problem) {
        Some(Package::read(&args.problem)?)
    } else {
        None
    };
    let maxima = &settings.limits.max;
    let candidates = if args.all {
        candidates::all(args, package.as_ref(), languages, maxima)?
    } else {
        candidates::named(args, package.as_ref(), languages, maxima)?
    };
    let fixed = |ms: u64, from: &str| {
        Time::Fixed(Limit {
            ms,
            from: from.to_owned(),
        })
    };
    let time = match (&package, args.timeout_ms) {
        (_, Some(ms)) => fixed(ms, "--timeout-ms"),
        (Some(package), None) => match (package.settings.timeout_ms, package.time_limit_from) {
            (Some(ms), Some(from)) => fixed(ms, from),
            _ if args.all => Time::Follows(package.time_rule),
            _ => fixed(settings.limits.timeout_ms, NOBODY_SAYS),
        },
        (None, None) => fixed(settings.limits.timeout_ms, NOBODY_SAYS),
    };
    let folder = args.problem.display().to_string();
    let (name, loaded) = match package {
        Some(package) => (package.name.clone(), Loaded::from(package)),
        None => (None, testcases::load(&args.problem)?),
    };
    if loaded.cases.is_empty() {
        return Err(testcases::nothing_in(&args.problem));
    }
    let mut problem = Problem {
        name: name.unwrap_or(folder),
        names: loaded.names,
        notes: loaded.notes,
        cases: loaded.cases,
        settings: loaded.settings,
        time,
    };
    problem.settings.stop_on_failure |= args.stop_on_failure;
    Ok((problem, candidates))
}

/// Finds what the API would refuse, before anything starts. What is wrong with the problem is wrong with all programs;
/// what is wrong with one is told beside it.
fn check(
    problem: &mut Problem,
    candidates: &mut [Candidate],
    languages: &Languages,
    limits: &LimitSettings,
) -> Result<(), Failure> {
    let mut submission = template(&problem.settings)?;
    submission.timeout_ms = Some(match &problem.time {
        Time::Fixed(limit) => limit.ms,
        Time::Follows(_) => limits.max.timeout_ms,
    });
    // The tests of a problem may be large: they are lent, not copied.
    submission.test_cases = mem::take(&mut problem.cases);
    for candidate in candidates {
        let Ok(program) = &candidate.program else {
            continue;
        };
        program.clone().put_into(&mut submission);
        if let Err(wrong) = submission.validate(&limits.max)
            && !OF_PROGRAMS.iter().any(|field| wrong.field.starts_with(field))
        {
            return Err(wrong_of_all(&wrong, &problem.time));
        }
        let checked = languages
            .get(&submission.language)
            .with_context(|| format!("there is no language {}", submission.language))
            .and_then(|language| {
                submission.validate(&limits.max)?;
                JobPlan::new(&submission, language, limits)?;
                Ok(())
            });
        if let Err(why) = checked {
            candidate.program = Err(format!("{why:#}"));
        }
    }
    problem.cases = submission.test_cases;
    Ok(())
}

/// Fields that differ from program to program.
const OF_PROGRAMS: [&str; 3] = ["source_code", "files", "entry_point"];

fn wrong_of_all(wrong: &InvalidSubmission, time: &Time) -> Failure {
    match time {
        Time::Fixed(limit) if wrong.field == "timeout_ms" => {
            Failure::usage(format!("{}: {} {}", limit.from, wrong.field, wrong.message))
        }
        _ => Failure::usage(format!("the problem's {wrong}")),
    }
}

/// Names at once everybody who was named and cannot be graded. Where nobody can, nothing starts.
fn tell_who_is_left(candidates: &[Candidate], args: &ToGrade) -> Result<(), Failure> {
    let refused: Vec<_> = candidates
        .iter()
        .filter_map(|candidate| {
            let why = candidate.program.as_ref().err()?;
            Some(format!("{}: {why}", harmless(&candidate.name)))
        })
        .collect();
    if refused.len() == candidates.len() && !args.all {
        return Err(Failure::usage(refused.join("\n")));
    }
    for why in &refused {
        note(format_args!("not graded: {why}"));
    }
    Ok(())
}

const NOBODY_SAYS: &str = "the default; the problem names none";

/// Grades everybody, and says under which time limit.
async fn grade(
    runs: &Runs<'_>,
    problem: &Problem,
    candidates: &[Candidate],
) -> Result<(Limit, Vec<ProgramOutcome>), Failure> {
    let rule = match &problem.time {
        Time::Fixed(limit) => {
            let outcomes = runs.all(candidates.iter(), limit.ms).await?;
            return Ok((limit.clone(), outcomes));
        }
        Time::Follows(rule) => *rule,
    };
    let limits = &runs.settings().limits;
    let bounds_time = |candidate: &Candidate| {
        candidate
            .expectation
            .as_ref()
            .is_some_and(Expectation::bounds_time)
    };
    let first: Vec<_> = (0..candidates.len())
        .filter(|i| bounds_time(&candidates[*i]))
        .collect();
    let timed = runs
        .all(first.iter().map(|i| &candidates[*i]), limits.max.timeout_ms)
        .await?;
    let slowest = first
        .iter()
        .zip(&timed)
        .filter_map(|(i, outcome)| {
            let expectation = candidates[*i].expectation.as_ref()?;
            let slowest = expectation.slowest_ms(outcome.result()?, &problem.names)?;
            Some((slowest, candidates[*i].name.as_str()))
        })
        .max();
    let limit = match slowest {
        Some((slowest_ms, name)) => {
            let ms = rule.limit_ms(slowest_ms);
            let cut = if ms > limits.max.timeout_ms {
                ", cut to what this installation allows"
            } else {
                ""
            };
            Limit {
                ms: ms.min(limits.max.timeout_ms),
                from: format!(
                    "{} x the {slowest_ms} ms of {name}, rounded up{cut}",
                    rule.multiplier
                ),
            }
        }
        None => Limit {
            ms: limits.timeout_ms,
            from: "the default; no program of the package's tells one".to_owned(),
        },
    };
    let mut outcomes: Vec<Option<ProgramOutcome>> = candidates.iter().map(|_| None).collect();
    for (i, outcome) in first.into_iter().zip(timed) {
        if runs.holds_under(&outcome, &candidates[i], limit.ms)? {
            outcomes[i] = Some(outcome);
        } else {
            runs.progress().again();
        }
    }
    let rest: Vec<_> = (0..candidates.len()).filter(|i| outcomes[*i].is_none()).collect();
    let others = runs.all(rest.iter().map(|i| &candidates[*i]), limit.ms).await?;
    for (i, outcome) in rest.into_iter().zip(others) {
        outcomes[i] = Some(outcome);
    }
    Ok((limit, outcomes.into_iter().flatten().collect()))
}

/// Reads a problem with its programs, and checks that the API would take them: all that is done before any of it runs.
#[cfg(fuzzing)]
pub(crate) fn examine(folder: &Path, settings: &Settings, languages: &Languages) -> Result<(), Failure> {
    let asked = ToGrade {
        problem: folder.to_owned(),
        solutions: Vec::new(),
        all: true,
        language: Vec::new(),
        timeout_ms: None,
        stop_on_failure: false,
        verbose: false,
    };
    let (mut problem, mut candidates) = read(&asked, settings, languages)?;
    check(&mut problem, &mut candidates, languages, &settings.limits)
}
