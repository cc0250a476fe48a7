//! How the frames of today say what the engine asks for and hears. They tell the compile step apart from the runs of tests,
//! which they number.

use optimus_protocol::{CompileDone, JobStep, RunDone};

use super::exchange::{BoxId, Event, ExecutionId};
use crate::verdict::Program;

impl ExecutionId {
    /// The number by which frames name it, where it is a run.
    pub fn run(self) -> u32 {
        self.0
    }
}

impl From<JobStep> for ExecutionId {
    fn from(step: JobStep) -> Self {
        match step {
            JobStep::Compile => Self::COMPILE,
            JobStep::Run(run) => Self(run),
        }
    }
}

impl Event<'_> {
    /// The end of the compile step, or that there is none.
    pub fn compile_done(in_box: BoxId, done: CompileDone) -> Self {
        let CompileDone {
            facts,
            program_missing,
            too_many_entries,
        } = done;
        match facts {
            None => Self::Prepared { in_box },
            Some(facts) => Self::Built {
                in_box,
                id: ExecutionId::COMPILE,
                facts,
                program: if too_many_entries {
                    Program::AmongTooMany
                } else if program_missing {
                    Program::Missing
                } else {
                    Program::Made
                },
            },
        }
    }

    pub fn run_done(in_box: BoxId, RunDone { run, facts }: RunDone) -> Self {
        Self::Ended {
            in_box,
            id: JobStep::Run(run).into(),
            facts,
        }
    }
}
