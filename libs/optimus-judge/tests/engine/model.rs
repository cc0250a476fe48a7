//! What has to come of a job, found in the plainest way: one test after another, each execution looked at when it is over.

use std::time::Duration;

use optimus_common::{
    facts::RunFacts,
    result::{CompileVerdict, JobResult, OverallStatus, Verdict},
};
use optimus_judge::{
    capture::Capture,
    compare::Comparison,
    verdict::{self, Evidence, Program, Runtime},
};

use crate::jobs::{Doing, Job};

/// What a job comes to.
#[derive(Debug, PartialEq)]
pub(crate) struct Expected {
    pub(crate) verdict: Verdict,
    pub(crate) status: OverallStatus,
    pub(crate) score: f64,
    /// In the order of the test cases; none where there is no program.
    pub(crate) tests: Vec<ExpectedTest>,
}

#[derive(Debug, PartialEq)]
pub(crate) struct ExpectedTest {
    pub(crate) id: u64,
    pub(crate) verdict: Verdict,
    pub(crate) stdout: String,
    /// Of the execution that counts; `None` where there was none.
    pub(crate) facts: Option<RunFacts>,
    /// Of the one before it.
    pub(crate) earlier: Option<RunFacts>,
}

pub(crate) fn expected(job: &Job) -> Expected {
    let compiled = job.compile.as_ref().is_none_or(|compile| {
        compile.program == Program::Made
            && compile.doing.facts.end == (optimus_common::facts::RunEnd::Exited { code: 0 })
    });
    if !compiled {
        return Expected {
            verdict: Verdict::CompilationError,
            status: OverallStatus::CompilationError,
            score: 0.0,
            tests: Vec::new(),
        };
    }
    let mut tests = Vec::new();
    let mut stopped = false;
    for place in 0..job.tests.len() {
        let test = if stopped {
            ExpectedTest {
                id: job.submission.test_cases[place].id,
                verdict: Verdict::Skipped,
                stdout: String::new(),
                facts: None,
                earlier: None,
            }
        } else {
            run_test(job, place)
        };
        stopped |= job.submission.stop_on_failure && test.verdict != Verdict::Accepted;
        tests.push(test);
    }
    let first_failure = tests.iter().find(|test| test.verdict != Verdict::Accepted);
    let mut reached = 0.0;
    let mut all = 0.0;
    for (case, test) in job.submission.test_cases.iter().zip(&tests) {
        all += case.points();
        if test.verdict == Verdict::Accepted {
            reached += case.points();
        }
    }
    Expected {
        verdict: first_failure.map_or(Verdict::Accepted, |test| test.verdict),
        status: match first_failure {
            None => OverallStatus::Success,
            Some(_) => OverallStatus::Failed,
        },
        score: reached / all,
        tests,
    }
}

fn run_test(job: &Job, place: usize) -> ExpectedTest {
    let [first, second] = &job.tests[place];
    // As it would be, had it taken no time at all.
    let mut quick = first.clone();
    quick.facts.cpu_time = Duration::ZERO;
    quick.facts.wall_time = Duration::ZERO;
    let limits = &job.plan.run.limits;
    let is_again = first.facts.is_marginal_timeout(limits) && judge(job, place, &quick) == Verdict::Accepted;
    let (counts, earlier) = if is_again {
        (second, Some(first.facts.clone()))
    } else {
        (first, None)
    };
    ExpectedTest {
        id: job.submission.test_cases[place].id,
        verdict: judge(job, place, counts),
        stdout: String::from_utf8(counts.stdout.clone()).unwrap(),
        facts: Some(counts.facts.clone()),
        earlier,
    }
}

fn judge(job: &Job, place: usize, doing: &Doing) -> Verdict {
    let mut stderr = Capture::new(1 << 20);
    stderr.feed(&doing.stderr);
    let evidence = Evidence {
        facts: &doing.facts,
        limits: &job.plan.run.limits,
        runtime: Runtime {
            out_of_memory: &job.language.execution.out_of_memory,
            allowance_bytes: job.language.execution.memory_allowance_mb << 20,
        },
        stderr: &stderr,
    };
    let expected = job.submission.test_cases[place].expected_output();
    let check = || {
        let mut comparison = Comparison::new(&job.submission.checker, expected);
        comparison.feed(&doing.stdout);
        comparison.finish()
    };
    verdict::judge(evidence, check).verdict
}

impl From<&JobResult> for Expected {
    fn from(result: &JobResult) -> Self {
        let passed = result.test_results.iter().filter(|test| test.passed).count();
        assert_eq!(result.passed_tests as usize, passed);
        let compile = result.compile.as_ref().unwrap();
        assert_eq!(
            compile.verdict == CompileVerdict::CompilationError,
            result.verdict == Verdict::CompilationError
        );
        Self {
            verdict: result.verdict,
            status: result.overall_status,
            score: result.score.unwrap(),
            tests: result
                .test_results
                .iter()
                .map(|test| ExpectedTest {
                    id: test.test_id,
                    verdict: test.verdict,
                    stdout: test.stdout.clone(),
                    facts: test.evidence.as_ref().map(|evidence| evidence.facts.clone()),
                    earlier: test
                        .evidence
                        .as_ref()
                        .and_then(|evidence| evidence.earlier.clone()),
                })
                .collect(),
        }
    }
}
