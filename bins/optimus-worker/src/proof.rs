//! Whether a language is what it is said to be: a program of it has run in a box.
//!
//! A box that is ready says little. Its image may lack a library, a mount may cover the compiler, an engine may make boxes
//! in which nothing runs. So before a language is called available its sample is run as any job is, and again when what is
//! in its boxes is something else, or when job after job fails by no fault of its own.

use std::{
    num::NonZero,
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
};

use futures_util::{StreamExt, stream};
use optimus_common::{
    causes,
    facts::RunEnd,
    language::Language,
    result::{CompileVerdict, JobResult, RunEvidence, Verdict},
    submission::{Submission, TestCase},
};
use optimus_judge::{engine::Engine, plan::JobPlan};
use optimus_sandbox::{Backend, RootDigest, pool::PoolStatus, session::Session};

use crate::{Settings, box_spec::box_spec, grading};

/// What a sample reads, and has to print.
const LINE: &str = "a program of this language runs here\n";

/// By these a shell and the dynamic loader say that a program could not be run.
const NOT_RUN: [i32; 2] = [126, 127];

/// Attempts in a row that may fail by a fault of ours before the language itself is doubted.
const DOUBTFUL: u32 = 3;

/// Characters told of what a program or a compiler said.
const TOLD: usize = 300;

/// When a language is called available.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Availability {
    /// When its sample has run in a box. For those who ask what there is before they bring jobs.
    Proved,
    /// When a box is ready. For those whose jobs are there already: a test that is passed shows the same, and where there
    /// is none, they ask [`prove`] before they believe another verdict.
    Assumed,
}

/// What is in a box, as far as it is told. A program that ran in one says nothing of boxes in which something else is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BoxContents {
    /// What the toolchain says of its version.
    pub(crate) toolchain: Option<String>,
    /// What the box sees as its file system.
    pub(crate) root: Option<RootDigest>,
}

impl From<&PoolStatus> for BoxContents {
    fn from(status: &PoolStatus) -> Self {
        Self {
            toolchain: status.toolchain.clone(),
            root: status.root.clone(),
        }
    }
}

impl From<&Session> for BoxContents {
    fn from(session: &Session) -> Self {
        Self {
            toolchain: session.toolchain().map(str::to_owned),
            root: Some(session.root().clone()),
        }
    }
}

/// What is known of one pool's language.
#[derive(Debug)]
pub(crate) struct Proof {
    availability: Availability,
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    Unproved,
    Proved {
        /// What was in the box in which the sample ran.
        contents: BoxContents,
        /// Attempts since the last job that was graded.
        broken: u32,
    },
}

impl Proof {
    pub(crate) fn new(availability: Availability) -> Self {
        Self {
            availability,
            state: Mutex::new(State::Unproved),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether jobs may be claimed for boxes with this in them.
    pub(crate) fn holds(&self, contents: &BoxContents) -> bool {
        match (self.availability, &*self.state()) {
            (Availability::Assumed, _) => true,
            (Availability::Proved, State::Unproved) => false,
            (Availability::Proved, State::Proved { contents: proved, .. }) => proved == contents,
        }
    }

    pub(crate) fn found(&self, contents: BoxContents) {
        *self.state() = State::Proved { contents, broken: 0 };
    }

    pub(crate) fn job_graded(&self) {
        if let State::Proved { broken, .. } = &mut *self.state() {
            *broken = 0;
        }
    }

    pub(crate) fn job_broken(&self) {
        let mut state = self.state();
        if let State::Proved { broken, .. } = &mut *state {
            *broken += 1;
            if *broken >= DOUBTFUL {
                *state = State::Unproved;
            }
        }
    }
}

/// Makes a box, runs the language's sample in it, and answers what the toolchain in it says of its version; else why a job
/// would fail.
pub async fn prove(
    backend: &dyn Backend,
    language: &Language,
    settings: &Settings,
) -> Result<Option<String>, String> {
    let live = backend
        .create(&box_spec(language))
        .await
        .map_err(|error| causes(&error))?;
    let session = Session::open(live, backend.ready_timeout())
        .await
        .map_err(|error| causes(&error))?;
    let (toolchain, handle) = (session.toolchain().map(str::to_owned), session.shared_handle());
    let tried = try_in(session, language, settings).await;
    // Only a box that can be removed is one.
    handle.destroy().await.map_err(|error| causes(&error))?;
    tried.map(|()| toolchain)
}

/// [`prove`] for many languages, as many at once as there are processors; in their order.
pub async fn prove_all<'a>(
    backend: &dyn Backend,
    languages: impl Iterator<Item = &'a Language>,
    settings: &Settings,
) -> Vec<Result<Option<String>, String>> {
    // Collected first: a stream that borrows its items' makers is no future that may move between threads.
    let proofs: Vec<_> = languages
        .map(|language| prove(backend, language, settings))
        .collect();
    stream::iter(proofs).buffered(at_once()).collect().await
}

/// How many samples may run at once without making each other slow.
pub(crate) fn at_once() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

/// Runs the sample in this box, which is only to be destroyed afterwards.
pub(crate) async fn try_in(session: Session, language: &Language, settings: &Settings) -> Result<(), String> {
    let submission = sample(language, settings);
    let result = run(session, &submission, language, settings).await?;
    if language.execution.sample.is_some() {
        if result.verdict == Verdict::Accepted {
            return Ok(());
        }
        return Err(format!("its sample does not run in a box: {}", ended(&result)));
    }
    match not_run(&result) {
        Some(why) => Err(format!("its recipe does not run in a box: {why}")),
        None => Ok(()),
    }
}

async fn run(
    session: Session,
    submission: &Submission,
    language: &Language,
    settings: &Settings,
) -> Result<JobResult, String> {
    let plan = JobPlan::new(submission, language, &settings.limits).map_err(|error| causes(&error))?;
    let engine = Engine::new(submission, language, &plan, &settings.results);
    grading::grade(
        session,
        &mut None,
        engine,
        &plan,
        settings.worker.max_checking,
        None,
    )
    .await
    .map_err(|error| causes(&error))
}

/// An empty program where the language has no sample: it need not be right, but what its recipe calls must start.
fn sample(language: &Language, settings: &Settings) -> Submission {
    let program = language.execution.sample.clone().unwrap_or_default();
    Submission {
        // A first start reads everything from a cold disk.
        timeout_ms: Some(settings.limits.max.timeout_ms),
        compile_timeout_ms: Some(settings.limits.max.compile_timeout_ms),
        ..Submission::new(language.name.clone(), program, vec![TestCase::new(1, LINE, LINE)])
    }
}

/// How a sample ended that was not accepted.
fn ended(result: &JobResult) -> String {
    if let Some(compile) = &result.compile
        && compile.verdict == CompileVerdict::CompilationError
    {
        return told("it does not compile", compile.message.as_deref(), &compile.stderr);
    }
    match result.test_results.first() {
        Some(test) => told(test.verdict.as_str(), test.message.as_deref(), &test.stderr),
        None => result.verdict.as_str().to_owned(),
    }
}

/// Why the recipe's programs could not be run at all, if they could not.
fn not_run(result: &JobResult) -> Option<String> {
    let compile = result.compile.iter().map(|step| (&step.evidence, &step.stderr));
    let runs = result
        .test_results
        .iter()
        .map(|test| (&test.evidence, &test.stderr));
    compile.chain(runs).find_map(|(evidence, stderr)| {
        let RunEvidence { facts, .. } = evidence.as_deref()?;
        match &facts.end {
            RunEnd::NotStarted { error } => Some(error.clone()),
            RunEnd::Exited { code } if NOT_RUN.contains(code) => {
                Some(told(&format!("it ended with code {code}"), None, stderr))
            }
            _ => None,
        }
    })
}

fn told(what: &str, message: Option<&str>, stderr: &str) -> String {
    let last = stderr.lines().map(str::trim).rfind(|line| !line.is_empty());
    let words = [message, last].into_iter().flatten();
    words.fold(what.to_owned(), |text, words| {
        let words: String = words.chars().take(TOLD).collect();
        format!("{text}: {words}")
    })
}
