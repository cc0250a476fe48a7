//! How far a job is, by what is told of it while it runs.

use std::fmt;

use optimus_client::{JobEvent, Started};
use optimus_common::{counted, result::CompileVerdict};

/// How far a job is, in words.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    /// How many tests the job has, where that is known.
    tests: Option<usize>,
    attempt: u32,
    compiled: Option<CompileVerdict>,
    run: usize,
    passed: usize,
}

impl Standing {
    pub(crate) fn new(tests: Option<usize>) -> Self {
        Self {
            tests,
            ..Self::default()
        }
    }

    pub(crate) fn hear(&mut self, event: &JobEvent) {
        match event {
            JobEvent::Started(Started { attempt }) => {
                // What was told of an earlier attempt is void.
                *self = Self {
                    attempt: *attempt,
                    ..Self::new(self.tests)
                };
            }
            JobEvent::Compile(compile) => self.compiled = Some(compile.verdict),
            JobEvent::Run(run) => {
                self.run += 1;
                self.passed += usize::from(run.passed);
            }
            JobEvent::Queued | JobEvent::Missed | JobEvent::End(_) => {}
        }
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.attempt > 1 {
            write!(f, "attempt {}: ", self.attempt)?;
        }
        match (self.compiled, self.run) {
            (None, 0) => write!(f, "compiling"),
            (Some(CompileVerdict::CompilationError), _) => write!(f, "the compile step failed"),
            (Some(CompileVerdict::Ok), 0) => write!(f, "compiled"),
            (_, run) => {
                match self.tests {
                    Some(tests) => write!(f, "{run} of {}", counted(tests, "test"))?,
                    None => write!(f, "{}", counted(run, "test"))?,
                }
                match run - self.passed {
                    0 => Ok(()),
                    failed => write!(f, ", {failed} not accepted"),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use optimus_client::{Compile, Run};
    use optimus_common::result::Verdict;

    use super::*;

    fn started(attempt: u32) -> JobEvent {
        JobEvent::Started(Started { attempt })
    }

    fn run(verdict: Verdict) -> JobEvent {
        JobEvent::Run(Run {
            attempt: 1,
            test_id: 1,
            passed: verdict == Verdict::Accepted,
            verdict,
            execution_time_ms: 1,
            cpu_time_ms: 1,
            peak_memory_bytes: 1,
            exit_code: None,
            signal: None,
        })
    }

    #[test]
    fn a_job_is_told_step_by_step() {
        let compiled = JobEvent::Compile(Compile {
            attempt: 1,
            verdict: CompileVerdict::Ok,
            execution_time_ms: 1,
            cpu_time_ms: 1,
            peak_memory_bytes: 1,
        });
        let mut standing = Standing::new(Some(7));
        for (event, shown) in [
            (JobEvent::Queued, "compiling"),
            (started(1), "compiling"),
            (compiled, "compiled"),
            (run(Verdict::Accepted), "1 of 7 tests"),
            (JobEvent::Missed, "1 of 7 tests"),
            (run(Verdict::WrongAnswer), "2 of 7 tests, 1 not accepted"),
            (started(2), "attempt 2: compiling"),
        ] {
            standing.hear(&event);
            assert_eq!(standing.to_string(), shown, "{event:?}");
        }
    }

    #[test]
    fn tests_are_counted_where_nobody_knows_how_many_there_are() {
        let mut standing = Standing::new(None);
        standing.hear(&run(Verdict::Accepted));
        assert_eq!(standing.to_string(), "1 test");
    }
}
