//! One job of ten tests against ten jobs of one test, one after the other.

use std::time::Instant;

use optimus_common::{result::Verdict, submission::Submission};

use crate::{
    Setting,
    error::{Error, Result},
    event::{Event, Listener},
    milliseconds,
    report::{BenchReport, Bound, Goal, Measured},
    submission, sum,
};

const TESTS: u64 = 10;
const ROUNDS: usize = 3;

/// A program that sums what it reads, and how much quicker the one job must be, where that was promised.
const PROGRAMS: [(&str, &str, Option<f64>); 7] = [
    ("java", include_str!("programs/sum.java"), Some(2.5)),
    ("rust", include_str!("programs/sum.rs"), Some(2.9)),
    ("cpp", sum::CPP, Some(2.4)),
    ("python", sum::PYTHON, Some(1.2)),
    ("c", include_str!("programs/sum.c"), None),
    ("go", include_str!("programs/sum.go"), None),
    ("javascript", include_str!("programs/sum.js"), None),
];

pub async fn compile_once(setting: &Setting, tell: &mut Listener<'_>) -> Result<BenchReport> {
    let available = setting.api.languages().await?;
    let rounds = setting.rounds(ROUNDS);
    let mut report = BenchReport {
        benchmark: "compile-once",
        measured: Vec::new(),
        goals: Vec::new(),
    };
    for (language, source, goal) in PROGRAMS {
        if !available
            .iter()
            .any(|entry| entry.name == language && entry.available)
        {
            tell(Event::LeftOut {
                benchmark: "compile-once",
                what: language,
                why: "nobody takes its jobs",
            });
            continue;
        }
        let together = submission(language, source, sum::INPUT, sum::OUTPUT, TESTS);
        let alone = submission(language, source, sum::INPUT, sum::OUTPUT, 1);
        let mut one_job = Vec::new();
        let mut ten_jobs = Vec::new();
        tell(Event::Begins {
            what: &format!("compile-once {language}"),
            steps: Some(rounds),
        });
        for _ in 0..rounds {
            one_job.push(timed(setting, &together, 1).await?);
            ten_jobs.push(timed(setting, &alone, TESTS).await?);
            tell(Event::Step);
        }
        tell(Event::Ends);
        let one_job = Measured::of(format!("{language}: 1 job of {TESTS} tests"), "ms", &one_job);
        let ten_jobs = Measured::of(format!("{language}: {TESTS} jobs of 1 test"), "ms", &ten_jobs);
        if let (Some(one_job), Some(ten_jobs)) = (one_job, ten_jobs) {
            let ratio = ten_jobs.median / one_job.median;
            // Where nothing was promised, one job must at least not be slower.
            let goal = goal.unwrap_or(1.0);
            report.goals.push(Goal::new(
                format!("{language}: quicker by"),
                Bound::AtLeast,
                goal,
                ratio,
                "x",
            ));
            report.measured.extend([one_job, ten_jobs]);
        }
    }
    if report.measured.is_empty() {
        return Err(Error::not_measured(
            "no worker takes the jobs of any language of this benchmark",
        ));
    }
    Ok(report)
}

/// Milliseconds until that many jobs, one after the other, have ended.
async fn timed(setting: &Setting, submission: &Submission, jobs: u64) -> Result<f64> {
    let began = Instant::now();
    for _ in 0..jobs {
        accepted(setting, submission).await?;
    }
    Ok(milliseconds(began))
}

/// Submits, waits, and makes sure that what was measured was the whole way.
pub(crate) async fn accepted(setting: &Setting, submission: &Submission) -> Result<()> {
    let record = setting.api.submit_and_wait(submission).await?;
    match record.result {
        Some(result) if result.verdict == Verdict::Accepted => Ok(()),
        result => Err(Error::not_measured(format!(
            "job {} of the benchmark in {} was not accepted: {}",
            record.job_id,
            record.language,
            result.map_or("no result", |result| result.verdict.as_str())
        ))),
    }
}
