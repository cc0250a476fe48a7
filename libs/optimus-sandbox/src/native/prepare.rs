//! Runs what prepares a language's folder, as a guest in a box.

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use optimus_common::{
    LanguageName, causes,
    facts::RunEnd,
    limits::Limits,
    protocol::{CommandSpec, JobHeader, VERSION},
};

use super::{
    NativeBackend, NativeError,
    described::Described,
    roots::{HostRoot, Root},
    wire::Support,
};
use crate::{
    backend::BoxSpec,
    session::{Event, Session, SessionError},
};

/// Enough for a compiler to warm up on a slow machine.
const TIME: Duration = Duration::from_mins(5);
const MEMORY_BYTES: u64 = 2 << 30;
const DISK_BYTES: u64 = 512 << 20;
const PROCESSES: u32 = 512;
const OPEN_FILES: u32 = 1024;
const OUTPUT_BYTES: u64 = 1 << 20;
/// Characters of what it printed that are kept for people.
const TOLD: usize = 2000;

impl NativeBackend {
    /// Runs a program as an ordinary guest, in a box of its own in which `folder` is the language's own folder
    /// `/optimus/<language>`, and writable. There is no network.
    ///
    /// What it leaves in `folder` belongs to this process' user afterwards. After a failure it is to be thrown away.
    pub async fn prepare(
        &self,
        language: &LanguageName,
        root: &Root,
        folder: &Path,
        argv: &[String],
    ) -> Result<(), NativeError> {
        let root = match root.clone() {
            Root::Host(host) => Root::Host(HostRoot {
                support: Some(folder.to_owned()),
                ..host
            }),
            Root::Image { .. } => {
                let reason = "an image brings its own folder along".to_owned();
                return Err(NativeError::Preparation(reason));
            }
        };
        let spec = BoxSpec {
            language: language.clone(),
            image: String::new(),
            runtime: String::new(),
            memory_bytes: MEMORY_BYTES + MEMORY_BYTES / 4,
            cpus: f64::from(u32::try_from(available_cpus()).unwrap_or(u32::MAX)),
            processes: PROCESSES * 2,
            disk_bytes: DISK_BYTES,
            compile_disk_bytes: DISK_BYTES,
            open_files: OPEN_FILES,
        };
        let made = Arc::clone(&self.inner).make(&spec, root.clone(), Support::Writable);
        let (live, _) = made.await?;
        let failed = |error: SessionError| NativeError::Preparation(causes(&error));
        let session = Session::open(live, self.inner.settings.start_timeout)
            .await
            .map_err(failed)?;
        let mut job = session.start_job(&header(argv), &[]).await.map_err(failed)?;
        let outcome = tokio::time::timeout(TIME * 2, watch(&mut job)).await;
        // Only then is the folder ours again.
        job.handle().destroy().await?;
        drop(job);
        let wanted = Described {
            language: language.clone(),
            root,
            support: Support::Writable,
        };
        self.inner.forget(&wanted).await;
        outcome.map_err(|_| NativeError::Preparation("it hangs".to_owned()))?
    }
}

/// Waits for the compile step, which is the preparation.
async fn watch(job: &mut crate::session::JobSession) -> Result<(), NativeError> {
    let mut told = Vec::new();
    let (_, mut events) = job.split();
    loop {
        let event = events
            .next()
            .await
            .map_err(|error| NativeError::Preparation(causes(&error)))?;
        match event {
            Event::Output { data, .. } => told.extend_from_slice(&data),
            Event::CompileDone(done) => {
                let end = done.facts.map(|facts| facts.end);
                if end == Some(RunEnd::Exited { code: 0 }) {
                    return Ok(());
                }
                let told = String::from_utf8_lossy(&told);
                let skipped = told.chars().count().saturating_sub(TOLD);
                let told: String = told.trim().chars().skip(skipped).collect();
                return Err(NativeError::Preparation(format!("it ended with {end:?}: {told}")));
            }
            Event::RunDone(_) => {}
        }
    }
}

fn header(argv: &[String]) -> JobHeader {
    let command = |argv: &[String]| CommandSpec {
        argv: argv.to_vec(),
        env: BTreeMap::new(),
        limits: Limits {
            cpu_time: TIME,
            wall_time: TIME,
            memory_bytes: MEMORY_BYTES,
            output_bytes: OUTPUT_BYTES,
            processes: PROCESSES,
            open_files: OPEN_FILES,
            file_size_bytes: DISK_BYTES,
        },
    };
    JobHeader {
        program: None,
        product: optimus_common::protocol::Product::Unknown,
        version: VERSION,
        files: Vec::new(),
        compile: Some(command(argv)),
        // There is no test to run it on.
        run: command(argv),
        max_parallel_tests: 1,
    }
}

fn available_cpus() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
