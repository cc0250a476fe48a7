//! What the verdicts of a package's own programs must be.

use std::fmt;

use optimus_common::result::{JobResult, TestResult, Verdict};

use super::{format::PackageFormat, glob::Glob};

/// A verdict of one test in the words of the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Judgement {
    Accepted,
    WrongAnswer,
    TooSlow,
    Crashed,
}

use Judgement::{Accepted, Crashed, TooSlow, WrongAnswer};

const ANY: [Judgement; 4] = [Accepted, WrongAnswer, TooSlow, Crashed];

impl Judgement {
    pub(super) fn parse(word: &str) -> Option<Self> {
        ANY.into_iter().find(|judgement| judgement.as_str() == word)
    }

    fn as_str(self) -> &'static str {
        match self {
            Accepted => "AC",
            WrongAnswer => "WA",
            TooSlow => "TLE",
            Crashed => "RTE",
        }
    }

    /// The format has no words for memory and output: whoever is killed for them has crashed.
    fn of(verdict: Verdict) -> Option<Self> {
        match verdict {
            Verdict::Accepted => Some(Accepted),
            Verdict::WrongAnswer => Some(WrongAnswer),
            Verdict::TimeLimitExceeded => Some(TooSlow),
            Verdict::RuntimeError | Verdict::MemoryLimitExceeded | Verdict::OutputLimitExceeded => {
                Some(Crashed)
            }
            Verdict::CompilationError | Verdict::Skipped | Verdict::Cancelled | Verdict::InternalError => {
                None
            }
        }
    }
}

/// What a program must get, and where that was said.
#[derive(Debug, Clone)]
pub(crate) struct Expectation {
    /// For people: the program's folder, or what its own tag says.
    pub(crate) label: String,
    pub(super) of: Of,
}

#[derive(Debug, Clone)]
pub(super) enum Of {
    /// The verdicts of single tests.
    Tests(Vec<Rule>),
    /// The verdict of the whole job.
    Job(Vec<Verdict>),
}

/// A demand on the tests in a scope.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    /// All tests where there is none.
    pub(super) scope: Option<Glob>,
    pub(super) permitted: Vec<Judgement>,
    pub(super) required: Vec<Judgement>,
    /// Whether the time limit follows from these tests.
    pub(super) bounds_time: bool,
}

impl Rule {
    /// A rule that everything keeps.
    pub(super) fn any() -> Self {
        Self {
            scope: None,
            permitted: ANY.to_vec(),
            required: ANY.to_vec(),
            bounds_time: false,
        }
    }

    fn covers(&self, name: &str) -> bool {
        self.scope.as_ref().is_none_or(|scope| scope.matches(name))
    }

    fn check(&self, tests: &[(&str, &TestResult)]) -> Result<(), String> {
        let mut met = false;
        let mut cut_short = false;
        for (name, test) in tests.iter().filter(|(name, _)| self.covers(name)) {
            cut_short |= test.verdict == Verdict::Skipped;
            let Some(judgement) = Judgement::of(test.verdict) else {
                continue;
            };
            if !self.permitted.contains(&judgement) {
                return Err(format!(
                    "{name} is {}; permitted: {}",
                    judgement.as_str(),
                    words(&self.permitted)
                ));
            }
            met |= self.required.contains(&judgement);
        }
        if met {
            return Ok(());
        }
        let tests = match &self.scope {
            Some(scope) => format!("no test of {scope}"),
            None => "no test".to_owned(),
        };
        let note = if cut_short { "; not all were run" } else { "" };
        Err(format!("{tests} is {}{note}", words(&self.required)))
    }
}

fn words(judgements: &[Judgement]) -> String {
    let words: Vec<_> = judgements.iter().map(|judgement| judgement.as_str()).collect();
    words.join(" or ")
}

impl Expectation {
    pub(super) fn job(label: impl Into<String>, verdicts: &[Verdict]) -> Self {
        Self {
            label: label.into(),
            of: Of::Job(verdicts.to_vec()),
        }
    }

    /// What a tag in the program asks for.
    pub(super) fn tagged(verdicts: &[Verdict]) -> Self {
        let names: Vec<_> = verdicts.iter().map(|verdict| verdict.as_str()).collect();
        Self::job(names.join(" or "), verdicts)
    }

    /// What is asked of the programs in a folder of which nobody has said anything: that they run.
    pub(super) fn anything(label: impl Into<String>) -> Self {
        Self {
            label: label.into(),
            of: Of::Tests(vec![Rule::any()]),
        }
    }

    /// What is asked of the programs in a folder of `submissions`; `None` where nobody has said so.
    pub(super) fn of_folder(name: &str, format: PackageFormat) -> Option<Self> {
        let legacy = format == PackageFormat::Legacy;
        let rule = |permitted: &[Judgement], required: &[Judgement]| Rule {
            scope: None,
            permitted: permitted.to_vec(),
            required: required.to_vec(),
            // The older versions look at the accepted ones alone, the newer ones at all that must not be too slow.
            bounds_time: !permitted.contains(&TooSlow) && (!legacy || permitted == [Accepted]),
        };
        let rule = match name {
            "accepted" => rule(&[Accepted], &[Accepted]),
            "rejected" => rule(&ANY, &[WrongAnswer, TooSlow, Crashed]),
            "wrong_answer" => rule(&[Accepted, WrongAnswer], &[WrongAnswer]),
            "time_limit_exceeded" if legacy => rule(&[Accepted, WrongAnswer, TooSlow], &[TooSlow]),
            "time_limit_exceeded" => rule(&[Accepted, TooSlow], &[TooSlow]),
            "run_time_error" | "runtime_error" | "runtime_exception" if legacy => rule(&ANY, &[Crashed]),
            "run_time_error" | "runtime_error" | "runtime_exception" => {
                rule(&[Accepted, Crashed], &[Crashed])
            }
            "brute_force" => rule(&[Accepted, TooSlow, Crashed], &[TooSlow, Crashed]),
            // Ours, and DOMjudge's name for the last.
            "memory_limit_exceeded" => return Some(Self::job(name, &[Verdict::MemoryLimitExceeded])),
            "output_limit_exceeded" => return Some(Self::job(name, &[Verdict::OutputLimitExceeded])),
            "compile_error" | "compiler_error" | "compilation_error" => {
                return Some(Self::job(name, &[Verdict::CompilationError]));
            }
            _ => return None,
        };
        Some(Self {
            label: name.to_owned(),
            of: Of::Tests(vec![rule]),
        })
    }

    /// Whether the job's result is as expected; else, in which way it is not. `names` are those of the tests.
    pub(crate) fn check(&self, result: &JobResult, names: &[String]) -> Result<(), String> {
        let rules = match &self.of {
            Of::Job(verdicts) if verdicts.contains(&result.verdict) => return Ok(()),
            Of::Job(_) => return Err(format!("{} is expected", self.label)),
            Of::Tests(rules) => rules,
        };
        if result.verdict == Verdict::CompilationError {
            return Err("it does not compile".to_owned());
        }
        let names = names.iter().map(String::as_str);
        let tests: Vec<_> = names.zip(&result.test_results).collect();
        rules.iter().try_for_each(|rule| rule.check(&tests))
    }

    /// Whether the time limit follows from this program.
    pub(crate) fn bounds_time(&self) -> bool {
        match &self.of {
            Of::Job(_) => false,
            Of::Tests(rules) => rules.iter().any(|rule| rule.bounds_time),
        }
    }

    /// The slowest of the tests from which the time limit follows, in CPU time.
    pub(crate) fn slowest_ms(&self, result: &JobResult, names: &[String]) -> Option<u64> {
        let Of::Tests(rules) = &self.of else {
            return None;
        };
        let tests = names.iter().zip(&result.test_results);
        tests
            .filter(|(name, _)| rules.iter().any(|rule| rule.bounds_time && rule.covers(name)))
            .map(|(_, test)| test.cpu_time_ms)
            .max()
    }
}

impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.label)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn result(verdicts: &[Verdict]) -> (JobResult, Vec<String>) {
        let tests: Vec<_> = (1..)
            .zip(verdicts)
            .map(|(id, verdict)| {
                json!({
                    "test_id": id, "passed": false, "verdict": verdict, "stdout": "", "stderr": "",
                    "execution_time_ms": 1, "cpu_time_ms": id * 100, "peak_memory_bytes": 1, "exit_code": null,
                    "signal": null, "stdout_truncated": false, "stderr_truncated": false, "message": null,
                })
            })
            .collect();
        let verdict = verdicts
            .iter()
            .find(|verdict| **verdict != Verdict::Accepted)
            .unwrap_or(&Verdict::Accepted);
        let result = json!({
            "overall_status": "failed", "verdict": verdict, "score": 0.0, "total_tests": verdicts.len(),
            "passed_tests": 0, "compile": null, "test_results": tests,
        });
        let names = (1..=verdicts.len()).map(|id| format!("secret/{id}")).collect();
        (serde_json::from_value(result).unwrap(), names)
    }

    fn keeps(folder: &str, format: PackageFormat, verdicts: &[Verdict]) -> bool {
        let (result, names) = result(verdicts);
        Expectation::of_folder(folder, format)
            .unwrap()
            .check(&result, &names)
            .is_ok()
    }

    #[test]
    fn folders_allow_what_the_versions_of_the_format_say() {
        use Verdict::{
            Accepted as Ac, MemoryLimitExceeded as Mle, RuntimeError as Rte, Skipped,
            TimeLimitExceeded as Tle, WrongAnswer as Wa,
        };
        for (folder, verdicts, legacy, modern) in [
            ("accepted", &[Ac, Ac][..], true, true),
            ("accepted", &[Ac, Tle], false, false),
            ("wrong_answer", &[Ac, Wa], true, true),
            ("wrong_answer", &[Ac, Ac], false, false),
            ("wrong_answer", &[Wa, Tle], false, false),
            ("wrong_answer", &[Wa, Skipped], true, true),
            ("time_limit_exceeded", &[Ac, Tle], true, true),
            ("time_limit_exceeded", &[Wa, Tle], true, false),
            ("time_limit_exceeded", &[Tle, Rte], false, false),
            ("time_limit_exceeded", &[Wa, Skipped], false, false),
            ("run_time_error", &[Rte, Wa, Tle], true, false),
            ("run_time_error", &[Ac, Mle], true, true),
            ("run_time_error", &[Ac, Wa], false, false),
            ("rejected", &[Ac, Wa], true, true),
            ("rejected", &[Ac], false, false),
            ("brute_force", &[Ac, Tle, Rte], true, true),
            ("brute_force", &[Tle, Wa], false, false),
            ("memory_limit_exceeded", &[Ac, Mle], true, true),
            ("memory_limit_exceeded", &[Rte], false, false),
        ] {
            assert_eq!(
                keeps(folder, PackageFormat::Legacy, verdicts),
                legacy,
                "{folder} {verdicts:?}"
            );
            assert_eq!(
                keeps(folder, PackageFormat::Of2025, verdicts),
                modern,
                "{folder} {verdicts:?}"
            );
        }
        assert!(Expectation::of_folder("mixed", PackageFormat::Legacy).is_none());
    }

    #[test]
    fn what_does_not_compile_is_expected_in_its_own_folder_alone() {
        let (mut result, names) = result(&[]);
        result.verdict = Verdict::CompilationError;
        for (folder, kept) in [
            ("run_time_error", false),
            ("rejected", false),
            ("compile_error", true),
        ] {
            let expectation = Expectation::of_folder(folder, PackageFormat::Legacy).unwrap();
            assert_eq!(expectation.check(&result, &names).is_ok(), kept, "{folder}");
        }
    }

    #[test]
    fn where_nobody_has_said_anything_every_verdict_is_right() {
        use Verdict::{Accepted as Ac, RuntimeError as Rte, TimeLimitExceeded as Tle, WrongAnswer as Wa};
        let anything = Expectation::anything("mixed");
        for verdicts in [&[Ac][..], &[Ac, Wa], &[Tle], &[Rte, Rte]] {
            let (result, names) = result(verdicts);
            assert_eq!(anything.check(&result, &names), Ok(()), "{verdicts:?}");
            assert!(!anything.bounds_time());
        }
        let (mut broken, names) = result(&[]);
        broken.verdict = Verdict::CompilationError;
        assert_eq!(
            anything.check(&broken, &names),
            Err("it does not compile".to_owned())
        );
    }

    #[test]
    fn the_time_limit_follows_from_what_must_not_be_too_slow() {
        let (result, names) = result(&[Verdict::Accepted; 3]);
        for (folder, legacy, modern) in [
            ("accepted", true, true),
            ("wrong_answer", false, true),
            ("time_limit_exceeded", false, false),
            ("brute_force", false, false),
        ] {
            for (format, bounds) in [(PackageFormat::Legacy, legacy), (PackageFormat::Of2023, modern)] {
                let expectation = Expectation::of_folder(folder, format).unwrap();
                assert_eq!(expectation.bounds_time(), bounds, "{folder} {format:?}");
                assert_eq!(
                    expectation.slowest_ms(&result, &names),
                    bounds.then_some(300),
                    "{folder} {format:?}"
                );
            }
        }
    }

    #[test]
    fn a_broken_expectation_names_the_test() {
        let (result, names) = result(&[Verdict::Accepted, Verdict::RuntimeError]);
        let told = |folder: &str| {
            let expectation = Expectation::of_folder(folder, PackageFormat::Of2023).unwrap();
            expectation.check(&result, &names).unwrap_err()
        };
        assert_eq!(told("accepted"), "secret/2 is RTE; permitted: AC");
        assert_eq!(told("compile_error"), "compile_error is expected");
        let (result, names) = self::result(&[Verdict::Accepted]);
        let expectation = Expectation::of_folder("brute_force", PackageFormat::Of2023).unwrap();
        assert_eq!(
            expectation.check(&result, &names),
            Err("no test is TLE or RTE".to_owned())
        );
    }
}
