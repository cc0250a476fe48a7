//! A job as the tests describe it.

use std::{collections::BTreeMap, time::Duration};

use optimus_common::{box_layout::OUTPUT_DIR, limits::Limits};
use optimus_protocol::{
    Begin, COMPILE_OUTPUT_KEPT, CommandSpec, Exec, ExecId, Prepare, Product, Seal, StdinSource, StdoutFlow,
    VERSION,
};

/// The number of a compile step.
pub(super) const COMPILE: ExecId = ExecId(0);

#[derive(Debug, Clone)]
pub(crate) struct Job {
    pub(crate) files: Vec<(String, Vec<u8>)>,
    pub(crate) compile: Option<Vec<String>>,
    pub(crate) program: Option<String>,
    pub(crate) product: Product,
    pub(crate) run: Vec<String>,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) compile_limits: Limits,
    pub(crate) limits: Limits,
    pub(crate) slots: u32,
}

fn strings(argv: &[&str]) -> Vec<String> {
    argv.iter().map(ToString::to_string).collect()
}

/// Generous, also on a machine that is emulated, save where a test says otherwise.
pub(crate) fn limits() -> Limits {
    Limits {
        cpu_time: Duration::from_mins(2),
        wall_time: Duration::from_mins(4),
        memory_bytes: 256 << 20,
        output_bytes: 32 << 20,
        processes: 64,
        open_files: 256,
        file_size_bytes: 80 << 20,
    }
}

impl Job {
    pub(crate) fn command(argv: &[&str]) -> Self {
        Self {
            files: Vec::new(),
            compile: None,
            program: None,
            product: Product::Unknown,
            run: strings(argv),
            env: BTreeMap::new(),
            compile_limits: limits(),
            limits: limits(),
            slots: 1,
        }
    }

    /// A shell script.
    pub(crate) fn sh(script: &str) -> Self {
        Self::command(&["sh", "-c", script])
    }

    /// A C program; the headers most programs need are there already.
    pub(crate) fn c(source: &str) -> Self {
        let mut job = Self::command(&["./program"]);
        let source = [include_str!("prelude.h"), source].concat();
        job.files.push(("program.c".to_owned(), source.into_bytes()));
        job.compile(&["gcc", "-O1", "-pthread", "-o", "program", "program.c"])
    }

    pub(crate) fn file(mut self, name: &str, bytes: &[u8]) -> Self {
        self.files.push((name.to_owned(), bytes.to_owned()));
        self
    }

    pub(crate) fn compile(mut self, argv: &[&str]) -> Self {
        self.compile = Some(strings(argv));
        self
    }

    /// What the compile step has to make.
    pub(crate) fn program(mut self, name: &str) -> Self {
        self.program = Some(name.to_owned());
        self
    }

    /// What the compile step has to make for another program.
    pub(crate) fn product(mut self, product: Product) -> Self {
        self.product = product;
        self
    }

    pub(crate) fn slots(mut self, slots: u32) -> Self {
        self.slots = slots;
        self
    }

    pub(crate) fn limit(mut self, change: impl FnOnce(&mut Limits)) -> Self {
        change(&mut self.limits);
        self
    }

    pub(crate) fn begin(&self) -> Begin {
        Begin {
            version: VERSION,
            parallel: self.slots,
        }
    }

    /// What has a compile step also has a folder for what that makes.
    pub(super) fn prepare(&self) -> Prepare {
        Prepare {
            folders: self.compile.iter().map(|_| OUTPUT_DIR.to_owned()).collect(),
        }
    }

    fn command_spec(&self, argv: &[String], limits: Limits) -> CommandSpec {
        CommandSpec {
            argv: argv.to_owned(),
            env: self.env.clone(),
            limits,
        }
    }

    pub(crate) fn exec(&self, id: ExecId, stdin: StdinSource) -> Exec {
        Exec {
            id,
            command: self.command_spec(&self.run, self.limits),
            sent_bytes: None,
            stdin,
            stdout: StdoutFlow::Free,
        }
    }

    pub(super) fn compile_exec(&self) -> Option<Exec> {
        Some(Exec {
            id: COMPILE,
            command: self.command_spec(self.compile.as_ref()?, self.compile_limits),
            sent_bytes: Some(COMPILE_OUTPUT_KEPT),
            stdin: StdinSource::Bytes(0),
            stdout: StdoutFlow::Free,
        })
    }

    pub(super) fn seal(&self) -> Seal {
        Seal {
            program: self.program.clone(),
            product: self.product.clone(),
        }
    }
}
