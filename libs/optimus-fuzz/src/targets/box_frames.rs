//! Frames from a box: the worker's session with its ledger, and what the engine of the job makes of them. A box is trusted no more
//! than the guest in it.

use std::{
    collections::BTreeMap,
    io,
    pin::Pin,
    sync::LazyLock,
    task::{Context, Poll},
    time::Duration,
};

use async_trait::async_trait;
use optimus_common::{
    causes,
    language::{Language, Languages},
    result::{JobResult, Verdict},
    submission::Submission,
};
use optimus_judge::plan::JobPlan;
use optimus_sandbox::{
    BackendError, BoxHandle, LiveBox,
    session::{Session, SessionError},
};
use optimus_worker::{Settings, fuzzing::grade};
use serde_json::json;
use tokio::{
    io::{AsyncRead, ReadBuf, sink},
    runtime::Runtime,
};

use super::frames;
use crate::{
    memory::bounded,
    pieces::{Cuts, choices},
};

/// The largest frame, one read, and what is kept of the streams.
const MEMORY: usize = 8 << 20;

/// What a person reads of a broken box, beside what the box itself says, of which this many characters are kept.
const LONGEST_TEXT: usize = 1000;
const LONGEST_ERROR: usize = LONGEST_TEXT + 500;

/// Bytes a program may write to each stream in these jobs.
const OUTPUT_LIMIT: u64 = 64;

static SETTINGS: LazyLock<Settings> = LazyLock::new(Settings::defaults);

static LANGUAGES: LazyLock<Languages> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../../../config/languages.json"))
        .expect("the shipped file is valid")
});

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime without threads can be made");
    // What its timer makes once is none of the target's.
    runtime.block_on(async { tokio::time::sleep(Duration::ZERO).await });
    runtime
});

pub fn box_frames(input: &[u8]) {
    let (job, bytes, cuts) = parts(input);
    LazyLock::force(&RUNTIME);
    bounded(MEMORY + 16 * input.len(), || {
        let whole = RUNTIME.block_on(job.run(&bytes, None));
        let in_parts = RUNTIME.block_on(job.run(&bytes, Some(cuts)));
        assert_eq!(whole, in_parts, "the result depends on how frames arrive");
        match &whole {
            Ok(result) => job.check(result),
            Err(error) => check_text(error, LONGEST_ERROR),
        }
    });
}

/// The job a box is given, what it says, and how that arrives.
fn parts(input: &[u8]) -> (Job<'static>, Vec<u8>, Cuts) {
    let ([language, job, cuts], text) = choices::<3>(input);
    let language = &LANGUAGES.languages[usize::from(language) % LANGUAGES.languages.len()];
    let submission = submission(language, job);
    let plan = JobPlan::new(&submission, language, &SETTINGS.limits).expect("the submission is valid");
    let job = Job {
        submission,
        language,
        plan,
    };
    (job, frames::compose(text), Cuts::new(cuts))
}

struct Job<'a> {
    submission: Submission,
    language: &'a Language,
    plan: JobPlan,
}

fn submission(language: &Language, job: u8) -> Submission {
    let checker = if job & 4 == 0 { "lines" } else { "unordered_lines" };
    let tests: Vec<_> = (0..=job & 3)
        .map(|id| json!({"id": id, "input": "in", "expected_output": "1\n"}))
        .collect();
    let submission = json!({
        "language": language.name,
        "source_code": "x",
        "test_cases": tests,
        "output_limit_bytes": OUTPUT_LIMIT,
        "checker": {"type": checker},
        "stop_on_failure": job & 8 != 0,
    });
    serde_json::from_value(submission).expect("the submission is valid")
}

impl Job<'_> {
    /// What a worker makes of a box that says `bytes`.
    async fn run(&self, bytes: &[u8], cuts: Option<Cuts>) -> Result<JobResult, String> {
        let live = LiveBox {
            reader: Box::pin(Arrivals {
                bytes: bytes.to_vec(),
                given: 0,
                left: 0,
                cuts,
                announced: false,
            }),
            writer: Box::pin(sink()),
            handle: Box::new(NoBox),
            root: "none".to_owned().into(),
        };
        let text = |error: SessionError| causes(&error);
        let session = Session::open(live, Duration::from_mins(10)).await.map_err(text)?;
        check_text(session.toolchain().unwrap_or_default(), LONGEST_TEXT);
        grade(
            session,
            &self.submission,
            self.language,
            &self.plan,
            &SETTINGS.results,
        )
        .await
    }

    fn check(&self, result: &JobResult) {
        let json = serde_json::to_vec(result).expect("a result is JSON");
        let again: JobResult = serde_json::from_slice(&json).expect("what was written can be read");
        assert_eq!(*result, again);
        assert!(result.score.is_some_and(|score| (0.0..=1.0).contains(&score)));

        let tests = &result.test_results;
        let compiled = result.verdict != Verdict::CompilationError;
        assert_eq!(
            tests.len(),
            if compiled {
                self.submission.test_cases.len()
            } else {
                0
            }
        );
        let first_failure = tests
            .iter()
            .map(|test| test.verdict)
            .find(|verdict| *verdict != Verdict::Accepted);
        if compiled {
            assert_eq!(result.verdict, first_failure.unwrap_or(Verdict::Accepted));
        }
        let mut verdicts: BTreeMap<bool, u32> = BTreeMap::new();
        for test in tests {
            *verdicts.entry(test.passed).or_default() += 1;
            assert_eq!(test.passed, test.verdict == Verdict::Accepted);
            if test.passed {
                assert_eq!((test.exit_code, test.signal.as_deref()), (Some(0), None));
                assert_eq!(test.stdout.trim(), "1");
            }
            assert_ne!(test.verdict, Verdict::InternalError);
            // Invalid UTF-8 takes up to three times its room.
            assert!(test.stdout.len() as u64 <= 3 * (OUTPUT_LIMIT + 1));
            check_text(test.message.as_deref().unwrap_or_default(), LONGEST_ERROR);
        }
        assert_eq!(result.passed_tests, verdicts.get(&true).copied().unwrap_or(0));
        if let Some(compile) = &result.compile {
            check_text(compile.message.as_deref().unwrap_or_default(), LONGEST_ERROR);
        }
    }
}

/// Fit for a log and a person's terminal.
fn check_text(text: &str, longest: usize) {
    assert!(
        text.chars().count() <= longest,
        "{} characters: {text:?}",
        text.len()
    );
    assert!(!text.chars().any(char::is_control), "{text:?}");
}

/// A stream that gives one frame at a time, whole or in parts, and lets everything else go on before each read.
struct Arrivals {
    bytes: Vec<u8>,
    /// Bytes given so far, and those of the current frame that are not.
    given: usize,
    left: usize,
    cuts: Option<Cuts>,
    /// Whether whoever reads was told to come back.
    announced: bool,
}

impl AsyncRead for Arrivals {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.announced = !self.announced;
        if self.announced {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        if self.left == 0 {
            self.left = frames::first_len(&self.bytes[self.given..]);
        }
        let most = self.cuts.as_mut().map_or(usize::MAX, Cuts::next_len);
        let len = most.min(self.left).min(buffer.remaining());
        buffer.put_slice(&self.bytes[self.given..][..len]);
        self.given += len;
        self.left -= len;
        Poll::Ready(Ok(()))
    }
}

struct NoBox;

#[async_trait]
impl BoxHandle for NoBox {
    fn name(&self) -> &'static str {
        "bytes"
    }

    async fn grow_memory(&self, _: u64) -> Result<(), BackendError> {
        Ok(())
    }

    async fn destroy(&self) -> Result<(), BackendError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Facts of the protocol as it is: a seed without one of them would stop at its first frame, in silence.
    #[test]
    fn seeds_speak_the_protocol_of_today() {
        for (seed, verdict) in [
            (
                &include_bytes!("../../../../fuzz/seeds/box_frames/accepted")[..],
                Verdict::Accepted,
            ),
            (
                include_bytes!("../../../../fuzz/seeds/box_frames/compiled"),
                Verdict::Accepted,
            ),
            (
                include_bytes!("../../../../fuzz/seeds/box_frames/again"),
                Verdict::Accepted,
            ),
            (
                include_bytes!("../../../../fuzz/seeds/box_frames/again-twice"),
                Verdict::TimeLimitExceeded,
            ),
            (
                include_bytes!("../../../../fuzz/seeds/box_frames/oom"),
                Verdict::MemoryLimitExceeded,
            ),
            (
                include_bytes!("../../../../fuzz/seeds/box_frames/interleaved"),
                Verdict::WrongAnswer,
            ),
            (
                include_bytes!("../../../../fuzz/seeds/box_frames/not-compiled"),
                Verdict::CompilationError,
            ),
        ] {
            let (job, bytes, _) = parts(seed);
            let result = RUNTIME.block_on(job.run(&bytes, None));
            assert_eq!(result.map(|result| result.verdict), Ok(verdict));
        }
        // A third try that nobody asked for, while another test goes on.
        let (job, bytes, _) = parts(include_bytes!("../../../../fuzz/seeds/box_frames/again-thrice"));
        let refused = RUNTIME.block_on(job.run(&bytes, None)).unwrap_err();
        assert!(
            refused.contains("execution 4, which it was not asked for"),
            "{refused}"
        );
    }
}
