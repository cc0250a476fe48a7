//! What comes before the tests of a job: its files and its compile step.

use optimus_common::facts::{RunEnd, RunFacts};
use optimus_judge::plan::JobPlan;
use optimus_protocol::{COMPILE_OUTPUT_KEPT, ExecId, Sealed, Stream};
use optimus_sandbox::session::{BoxSession, Event, Input, SessionError};

/// The number of a compile step, and of the first test.
const COMPILE: ExecId = ExecId(0);
pub(crate) const FIRST_TEST: u32 = 1;

/// What came of it.
#[derive(Debug, Default)]
#[allow(dead_code, reason = "not every suite looks at all of it")]
pub(crate) struct Compiled {
    /// Of the compile step, where there is one.
    pub(crate) facts: Option<RunFacts>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    /// What it left, unless it failed.
    pub(crate) sealed: Option<Sealed>,
}

impl Compiled {
    /// Why there is no program, where there is none.
    #[allow(dead_code, reason = "not every suite needs a program")]
    pub(crate) fn is_made(&self) -> Result<(), String> {
        match &self.sealed {
            Some(sealed) if !sealed.program_missing && !sealed.too_many_entries => Ok(()),
            sealed => Err(format!(
                "the compile step ended with {:?} and left {sealed:?}: {}",
                self.facts,
                String::from_utf8_lossy(&self.stderr)
            )),
        }
    }
}

/// Puts the files into a box, compiles them, and seals the work directory if that ends well.
pub(crate) async fn build(
    at_work: &mut BoxSession,
    plan: &JobPlan,
    contents: &[&[u8]],
) -> Result<Compiled, SessionError> {
    let (mut sender, mut receiver) = at_work.split();
    for (path, content) in plan.files.iter().zip(contents) {
        sender.put(path, content).await?;
    }
    sender.prepare(&plan.folders).await?;
    let mut compiled = Compiled::default();
    if let Some(command) = &plan.compile {
        let nothing = Input::Bytes(b"");
        sender
            .exec(COMPILE, command, Some(COMPILE_OUTPUT_KEPT), nothing)
            .await?;
        let facts = loop {
            match receiver.next().await? {
                Event::Output { stream, data, .. } => match stream {
                    Stream::Stdout => compiled.stdout.extend_from_slice(&data),
                    Stream::Stderr => compiled.stderr.extend_from_slice(&data),
                },
                Event::Exited(exited) => break exited.facts,
                other => panic!("{other:?} of a compile step"),
            }
        };
        let fine = facts.end == RunEnd::Exited { code: 0 };
        compiled.facts = Some(facts);
        if !fine {
            return Ok(compiled);
        }
    }
    sender.seal(&plan.made).await?;
    match receiver.next().await? {
        Event::Sealed(sealed) => compiled.sealed = Some(sealed),
        other => panic!("{other:?} instead of a seal"),
    }
    Ok(compiled)
}
