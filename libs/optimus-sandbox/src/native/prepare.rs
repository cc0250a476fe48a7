//! Runs what prepares a language's folder, as a guest in a box.

use std::{collections::BTreeMap, path::Path, time::Duration};

use optimus_common::{
    LanguageName,
    box_layout::OUTPUT_DIR,
    causes,
    facts::{LimitKind, RunEnd},
    limits::Limits,
};
use optimus_protocol::CommandSpec;

use super::{
    NativeBackend,
    error::NativeError,
    loaded_roots::RootKey,
    native_box,
    roots::{HostRoot, Root},
    wire::Support,
};
use crate::{
    session::{OneByOne, Session, SessionError, Step},
    spec::ResourceLimits,
};

/// Enough for a compiler to warm up on a slow machine.
const CPU_TIME: Duration = Duration::from_mins(10);
/// Ends what hangs. How long it takes is a matter of what else the machine does, so this bounds no work.
const WALL_TIME: Duration = Duration::from_mins(30);
/// For the answer of the agent, which watches both, to arrive.
const ANSWER: Duration = Duration::from_mins(1);
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
        let root = RootKey {
            language: language.clone(),
            root,
            support: Support::Writable,
        };
        let resources = resources();
        let made = native_box::make(&self.client, &resources, &root, root.root.digest());
        let (live, _) = made.await?;
        let failed = |error: SessionError| NativeError::Preparation(causes(&error));
        let session = Session::open(live, self.client.settings.start_timeout)
            .await
            .map_err(failed)?;
        // The preparation works in the box's own work directory, as a compile step would.
        let folders = [OUTPUT_DIR.to_owned()];
        let mut at_work = OneByOne::unsealed(session, &folders).await.map_err(failed)?;
        let longest = limits().longest_wall_time() + ANSWER;
        let outcome = tokio::time::timeout(longest, run(&mut at_work, argv)).await;
        // Only then is the folder ours again.
        at_work.handle().destroy().await?;
        drop(at_work);
        self.client.forget(&root).await;
        outcome.map_err(|_| NativeError::Preparation("it hangs".to_owned()))?
    }
}

async fn run(at_work: &mut OneByOne, argv: &[String]) -> Result<(), NativeError> {
    let failed = |error: SessionError| NativeError::Preparation(causes(&error));
    at_work.start(&command(argv), b"").await.map_err(failed)?;
    // Both streams, as they came.
    let mut told = Vec::new();
    let end = loop {
        match at_work.step().await.map_err(failed)? {
            Step::Output { data, .. } => told.extend_from_slice(&data),
            Step::Ended(facts) => break facts.end,
        }
    };
    if end == (RunEnd::Exited { code: 0 }) {
        return Ok(());
    }
    let told = String::from_utf8_lossy(&told);
    Err(NativeError::Preparation(failure(&end, &told)))
}

/// How it ended, in words, and the end of what it printed.
fn failure(end: &RunEnd, printed: &str) -> String {
    let how = match end {
        RunEnd::Exited { code } => format!("it exited with code {code}"),
        RunEnd::Signalled { signal } => format!("signal {signal} ended it"),
        RunEnd::NotStarted { error } => format!("it cannot be started: {error}"),
        RunEnd::Killed { limit } => match limit {
            LimitKind::CpuTime => format!("it used more than {} s of CPU time", CPU_TIME.as_secs()),
            LimitKind::WallTime => format!("it was not done after {} s", WALL_TIME.as_secs()),
            LimitKind::Memory => format!("it used more than {} MiB of memory", MEMORY_BYTES >> 20),
            LimitKind::Output => format!("it printed more than {} MiB", OUTPUT_BYTES >> 20),
        },
        RunEnd::Stopped => "it was stopped".to_owned(),
    };
    let printed = printed.trim();
    let skipped = printed.chars().count().saturating_sub(TOLD);
    let end: String = printed.chars().skip(skipped).collect();
    if end.is_empty() {
        how
    } else {
        format!("{how}: {end}")
    }
}

fn resources() -> ResourceLimits {
    ResourceLimits {
        memory_bytes: MEMORY_BYTES + MEMORY_BYTES / 4,
        cpus: f64::from(u32::try_from(available_cpus()).unwrap_or(u32::MAX)).into(),
        processes: PROCESSES * 2,
        disk_bytes: DISK_BYTES,
        compile_disk_bytes: DISK_BYTES,
        open_files: OPEN_FILES,
    }
}

fn limits() -> Limits {
    Limits {
        cpu_time: CPU_TIME,
        wall_time: WALL_TIME,
        memory_bytes: MEMORY_BYTES,
        output_bytes: OUTPUT_BYTES,
        processes: PROCESSES,
        open_files: OPEN_FILES,
        file_size_bytes: DISK_BYTES,
    }
}

fn command(argv: &[String]) -> CommandSpec {
    CommandSpec {
        argv: argv.to_vec(),
        env: BTreeMap::new(),
        limits: limits(),
    }
}

fn available_cpus() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_told_in_words() {
        let killed = |limit| failure(&RunEnd::Killed { limit }, "\n");
        assert_eq!(killed(LimitKind::WallTime), "it was not done after 1800 s");
        assert_eq!(killed(LimitKind::CpuTime), "it used more than 600 s of CPU time");
        assert_eq!(killed(LimitKind::Memory), "it used more than 2048 MiB of memory");
        assert_eq!(killed(LimitKind::Output), "it printed more than 1 MiB");
        let exited = RunEnd::Exited { code: 2 };
        assert_eq!(failure(&exited, " why \n"), "it exited with code 2: why");
        let long = format!("{}the end\n", "x".repeat(2 * TOLD));
        let told = failure(&exited, &long);
        assert!(told.ends_with("xthe end") && told.len() < 2 * TOLD, "{told}");
    }

    /// What else the machine does must not fail a preparation, as it makes it slow.
    #[test]
    fn work_is_bounded_in_cpu_time_long_before_the_clock_strikes() {
        let limits = limits();
        assert!(limits.wall_time >= 3 * limits.cpu_time);
    }
}
