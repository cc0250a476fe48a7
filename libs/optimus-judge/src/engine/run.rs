//! The execution of a test: what it wrote, and what its end means.

use std::time::Duration;

use optimus_common::{
    facts::RunFacts,
    language::Language,
    limits::Limits,
    result::{TestResult, Verdict},
    submission::{MessageDetail, Submission, TestCase},
};
use optimus_protocol::Stream;

use super::{
    exchange::{EngineError, ExecutionId},
    report,
    streams::Streams,
};
use crate::{
    compare::{Check, Comparison},
    verdict::{self, Evidence, Judgement, Runtime},
};

/// What a test's execution has written so far.
#[derive(Debug)]
pub(super) struct Run<'a> {
    comparison: Comparison<'a>,
    streams: Streams,
}

/// What follows the end of a test's execution.
#[derive(Debug)]
pub(super) enum End {
    Result(Box<TestResult>),
    /// All was right but that it took a little too long. What came of this execution is void, and another one decides.
    Again,
}

/// Everything that all tests of a job have in common.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules<'a> {
    pub(super) submission: &'a Submission,
    pub(super) language: &'a Language,
    pub(super) limits: &'a Limits,
    /// Bytes kept of each stream.
    pub(super) max_stream: usize,
}

impl<'a> Run<'a> {
    pub(super) fn new(rules: Rules<'a>, test: &'a TestCase) -> Self {
        Self {
            comparison: Comparison::new(&rules.submission.checker, test.expected_output()),
            streams: Streams::new(rules.max_stream),
        }
    }

    pub(super) fn feed(&mut self, stream: Stream, data: &[u8]) {
        if stream == Stream::Stdout {
            self.comparison.feed(data);
        }
        self.streams.feed(stream, data);
    }

    /// Judges the test. `earlier` is what an execution before this one did; there is none after that.
    pub(super) fn end(
        self,
        rules: Rules<'_>,
        test: &TestCase,
        id: ExecutionId,
        facts: &RunFacts,
        earlier: Option<RunFacts>,
    ) -> Result<End, EngineError> {
        let Self { comparison, streams } = self;
        let limits = rules.limits;
        streams.check_complete(id, facts, limits.output_bytes)?;
        let execution = &rules.language.execution;
        let evidence = Evidence {
            facts,
            limits,
            runtime: Runtime {
                out_of_memory: &execution.out_of_memory,
                allowance_bytes: execution.memory_allowance_mb.saturating_mul(1 << 20),
            },
            stderr: &streams.stderr,
        };
        let judgement = if earlier.is_none() && facts.is_marginal_timeout(limits) {
            let check = comparison.finish();
            if is_right_but_for_time(evidence, &check) {
                return Ok(End::Again);
            }
            verdict::judge(evidence, || check)
        } else {
            verdict::judge(evidence, || comparison.finish())
        };
        let Judgement { verdict, message } = judgement;
        let is_told =
            verdict != Verdict::WrongAnswer || rules.submission.message_detail(test) == MessageDetail::Full;
        let judgement = Judgement {
            verdict,
            message: message.filter(|_| is_told),
        };
        let result = report::test_result(test, facts, limits, judgement, streams, earlier);
        Ok(End::Result(Box::new(result)))
    }
}

/// Whether a run would have been accepted, had it had all the time in the world.
fn is_right_but_for_time(evidence: Evidence<'_>, check: &Check) -> bool {
    let limits = Limits {
        cpu_time: Duration::MAX,
        wall_time: Duration::MAX,
        ..*evidence.limits
    };
    let forgiven = Evidence {
        limits: &limits,
        ..evidence
    };
    verdict::judge(forgiven, || check.clone()).verdict == Verdict::Accepted
}
