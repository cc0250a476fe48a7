//! How much a box may still say.
//!
//! A box is not trusted more than the guest in it. What it says must be frames, and no more output than what was begun may
//! write; whether it makes sense is for whoever asked the box to find out.

use std::collections::HashMap;

use optimus_protocol::{CHUNK, COMPILE_OUTPUT_KEPT, JobHeader, JobStep, OutputTag, Stream};

use super::SessionError;

/// Output over the limit that is still taken: the agent notices an excess when it has read it.
const SLACK: u64 = CHUNK as u64;

/// The output of one job, counted while it arrives.
#[derive(Debug)]
pub(super) struct Ledger {
    /// Of the compile step, while it goes on.
    compile: Option<Printed>,
    /// Of each run that was announced and is not over.
    runs: HashMap<u32, Printed>,
    compile_limit: u64,
    run_limit: u64,
}

/// Bytes received of each stream.
#[derive(Debug, Clone, Copy, Default)]
struct Printed {
    stdout: u64,
    stderr: u64,
}

impl Printed {
    fn add(&mut self, stream: Stream, bytes: usize, limit: u64) -> Result<(), SessionError> {
        let printed = match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        };
        *printed = printed.saturating_add(bytes as u64);
        if *printed > limit.saturating_add(SLACK) {
            return Err(SessionError::violation(format!(
                "more output than the limit of {limit} bytes"
            )));
        }
        Ok(())
    }
}

impl Ledger {
    pub(super) fn new(job: &JobHeader) -> Self {
        Self {
            compile: job.compile.as_ref().map(|_| Printed::default()),
            runs: HashMap::new(),
            compile_limit: job
                .compile
                .as_ref()
                .map_or(0, |compile| compile.limits.output_bytes.min(COMPILE_OUTPUT_KEPT)),
            run_limit: job.run.limits.output_bytes,
        }
    }

    /// Notes a run before its test is sent.
    pub(super) fn announce(&mut self, run: u32) {
        assert!(run != u32::MAX, "this run would be taken for the compile step");
        let going_on = self.runs.insert(run, Printed::default());
        assert!(going_on.is_none(), "run {run} is going on");
    }

    pub(super) fn output(&mut self, tag: OutputTag, bytes: usize) -> Result<(), SessionError> {
        if bytes == 0 {
            return Err(SessionError::violation(
                "an output frame without output".to_owned(),
            ));
        }
        let (printed, limit) = match tag.step {
            JobStep::Compile => (self.compile.as_mut(), self.compile_limit),
            JobStep::Run(run) => (self.runs.get_mut(&run), self.run_limit),
        };
        match printed {
            Some(printed) => printed.add(tag.stream, bytes, limit),
            None => Err(SessionError::violation(format!(
                "output of {:?}, which is not going on",
                tag.step
            ))),
        }
    }

    /// Nothing more may come of it.
    pub(super) fn over(&mut self, step: JobStep) {
        match step {
            JobStep::Compile => self.compile = None,
            JobStep::Run(run) => drop(self.runs.remove(&run)),
        }
    }
}
