//! Jobs whose results are known beforehand. Each prints its own number, so that no result can be taken for another's.

use optimus_testkit::client::submission;
use serde_json::{Value, json};

/// Which jobs a load consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mix {
    /// Several verdicts, sleeping ones, and some that are compiled. For workers of python and c.
    Mixed,
    /// All of python, a few of them sleeping.
    Python,
    /// As quick as can be, in the language of [`crate::trivial`].
    Trivial,
}

#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) submission: Value,
    status: &'static str,
    verdict: &'static str,
    stdout: String,
}

impl Mix {
    pub(crate) fn job(self, number: u64) -> Job {
        let stdout = format!("job {number}\n");
        let python = |source: String, verdict| Job {
            submission: submission("python", &source, &[("", &stdout)]),
            status: "completed",
            verdict,
            stdout: stdout.clone(),
        };
        match (self, number % 8) {
            (Self::Trivial, _) => Job {
                submission: submission("shell", &format!("echo job {number}"), &[("", &stdout)]),
                status: "completed",
                verdict: "accepted",
                stdout,
            },
            (Self::Mixed, 0) => {
                let source =
                    format!("#include <stdio.h>\nint main(void) {{ puts(\"job {number}\"); return 0; }}\n");
                Job {
                    submission: submission("c", &source, &[("", &stdout)]),
                    status: "completed",
                    verdict: "accepted",
                    stdout,
                }
            }
            (Self::Mixed, 1) => {
                let mut job = python(format!("print('job {number}')"), "wrong_answer");
                job.submission["test_cases"][0]["expected_output"] = json!("something else");
                job
            }
            (Self::Mixed, 2) => python(
                format!("print('job {number}')\nraise SystemExit(3)"),
                "runtime_error",
            ),
            (_, 3 | 4) => python(
                format!("import time\ntime.sleep(0.3)\nprint('job {number}')"),
                "accepted",
            ),
            _ => python(format!("print('job {number}')"), "accepted"),
        }
    }
}

impl Job {
    /// One whose source and output both carry a word by which its commands to the store are known.
    pub(crate) fn marked(language: &str, source: &str, marker: &str) -> Self {
        let stdout = format!("{marker}\n");
        Self {
            submission: submission(language, source, &[("", &stdout)]),
            status: "completed",
            verdict: "accepted",
            stdout,
        }
    }

    /// The same job, which its client cancels.
    pub(crate) fn cancelled(self) -> Self {
        Self {
            status: "cancelled",
            verdict: "cancelled",
            ..self
        }
    }

    /// What is wrong with the record of its end.
    pub(crate) fn complaint(&self, record: &Value) -> Option<String> {
        let result = &record["result"];
        let tests = result["test_results"].as_array().map_or(0, Vec::len);
        let is_graded = tests == 1
            && result["test_results"][0]["verdict"] == self.verdict
            && result["test_results"][0]["stdout"] == *self.stdout;
        let right = record["status"] == self.status
            && result["verdict"] == self.verdict
            && (is_graded || self.status == "cancelled")
            && record["attempts"].as_u64() > Some(0);
        (!right).then(|| format!("{} instead of {}: {record:#}", result["verdict"], self.verdict))
    }
}
