//! From a submission and its language to the runs of the job.

mod products;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};

use optimus_common::{
    box_layout::{BYTES_PER_INODE, OUTPUT_DIR},
    language::{Language, Placeholders},
    limits::Limits,
    submission::{InvalidSubmission, SourceFile, Submission, TestCase},
};
use optimus_protocol::{CommandSpec, Seal};
use products::products;

use crate::settings::LimitSettings;

const MIB: u64 = 1 << 20;
const PAGE: u64 = 4096;

/// Bytes a compiler may write to each of its streams: no honest one writes so much. Little of it is kept, see
/// [`optimus_protocol::COMPILE_OUTPUT_KEPT`].
const COMPILE_OUTPUT_BYTES: u64 = 1 << 30;

/// What the agent, its buffers and the kernel's own bookkeeping need in a box beside the programs.
const AGENT_MEMORY_BYTES: u64 = 32 * MIB;

/// Inputs up to this size fit a box made before its job was known.
const USUAL_INPUT_BYTES: u64 = 4 * MIB;

/// Everything a box needs to know and to have for one job, expected outputs excepted.
#[derive(Debug, Clone, PartialEq)]
pub struct JobPlan {
    /// Paths of the files in the box's work directory, in the order of [`file_contents`].
    pub files: Vec<String>,
    /// Empty folders beside them.
    pub folders: Vec<String>,
    /// The compile step, for a language that has one.
    pub compile: Option<CommandSpec>,
    /// What it has to make.
    pub made: Seal,
    pub run: CommandSpec,
    /// Runs going on at once, at least 1.
    pub parallel: u32,
    /// The largest of the test cases' inputs.
    pub largest_input_bytes: u64,
    /// Memory of everything in the box together.
    pub box_memory_bytes: u64,
}

impl JobPlan {
    /// Plans a validated submission, and checks that it suits its language. The sizes of what it names by a digest must be known.
    pub fn new(
        submission: &Submission,
        language: &Language,
        settings: &LimitSettings,
    ) -> Result<Self, InvalidSubmission> {
        debug_assert_eq!(submission.language, language.name);
        // Content of which nothing is known would count for nothing.
        submission.validate_content(u64::MAX)?;
        check_size(submission, language)?;
        let execution = &language.execution;
        let files: Vec<_> = sources(submission, language)
            .map(|(name, _)| name.to_owned())
            .collect();
        let source = main_file(submission, language);
        let source_names: Vec<_> = files
            .iter()
            .filter(|name| *name == source || execution.is_source(name))
            .cloned()
            .collect();
        let placeholders = Placeholders {
            source,
            entry_point: submission.entry_point.as_deref(),
            sources: &source_names,
            memory_mb: submission.memory_limit_mb.unwrap_or(language.memory_limit_mb),
        };

        let compile = (!execution.compile.is_empty()).then(|| CommandSpec {
            argv: placeholders.expand(&execution.compile),
            env: execution.env.clone(),
            limits: compile_limits(submission, language, settings),
        });
        let (made, folders) = match compile {
            Some(_) => {
                let (program, product) = products(language);
                (Seal { program, product }, vec![OUTPUT_DIR.to_owned()])
            }
            None => (Seal::default(), Vec::new()),
        };
        let mut argv = vec![execution.command.clone()];
        argv.extend(execution.args.iter().cloned());
        let mut argv = placeholders.expand(&argv);
        argv.extend(submission.args.iter().cloned());
        let run = CommandSpec {
            argv,
            env: run_env(submission, language),
            limits: run_limits(submission, language, settings),
        };

        let largest_input_bytes = submission
            .test_cases
            .iter()
            .map(TestCase::input_size)
            .max()
            .unwrap_or(0);
        let box_memory_bytes = box_memory(language, run.limits.memory_bytes, largest_input_bytes);
        Ok(Self {
            files,
            folders,
            compile,
            made,
            run,
            parallel: language.concurrency.max_parallel_tests,
            largest_input_bytes,
            box_memory_bytes,
        })
    }
}

/// The contents of the plan's files, in the order of [`JobPlan::files`].
pub fn file_contents<'a>(
    submission: &'a Submission,
    language: &'a Language,
) -> impl Iterator<Item = &'a [u8]> {
    debug_assert_eq!(submission.language, language.name);
    let single = submission.source_code.as_ref().map(String::as_bytes);
    single
        .into_iter()
        .chain(submission.files.iter().map(SourceFile::bytes))
}

/// Memory of a box made before its job is known: enough for the language's default limit and usual inputs.
pub fn usual_box_memory_bytes(language: &Language) -> u64 {
    let run_memory = run_memory_bytes(language.memory_limit_mb, language);
    box_memory(language, run_memory, USUAL_INPUT_BYTES)
}

/// Names and sizes.
fn sources<'a>(submission: &'a Submission, language: &'a Language) -> impl Iterator<Item = (&'a str, u64)> {
    let single = submission
        .source_code
        .as_ref()
        .map(|source| (language.execution.source_name.as_str(), source.len() as u64));
    single.into_iter().chain(
        submission
            .files
            .iter()
            .map(|file| (file.name.as_str(), file.size())),
    )
}

/// The file that a program starts with, where the compile step does not choose by itself.
fn main_file<'a>(submission: &'a Submission, language: &'a Language) -> &'a str {
    let names = || submission.files.iter().map(|file| file.name.as_str());
    let execution = &language.execution;
    submission
        .entry_point
        .as_deref()
        .or_else(|| execution.main_source(names()))
        .or_else(|| names().find(|name| execution.is_source(name)))
        .or_else(|| names().next())
        .unwrap_or(&execution.source_name)
}

/// The file that a program starts with, for people; `None` where that is no question of files, as when a linker finds
/// `main`.
pub fn entry_point<'a>(submission: &'a Submission, language: &'a Language) -> Option<&'a str> {
    let execution = &language.execution;
    let asks = |word: &String| word.contains("{source}");
    (execution.args.iter().any(asks) || execution.compile.iter().any(asks))
        .then(|| main_file(submission, language))
}

/// Half of the inodes are left for what the compile step and the runs make.
const INODES_FOR_SOURCES: u64 = 2;

fn check_size(submission: &Submission, language: &Language) -> Result<(), InvalidSubmission> {
    let refused = |message: String| {
        let field = if submission.source_code.is_some() {
            "source_code"
        } else {
            "files"
        };
        Err(InvalidSubmission {
            field: field.to_owned(),
            message: format!("{message} that a box of {} has room for (disk_mb)", language.name),
        })
    };
    let room = language.resources.disk_mb.saturating_mul(MIB);
    // A file takes whole pages.
    let total: u64 = sources(submission, language)
        .map(|(_, bytes)| bytes.next_multiple_of(PAGE))
        .sum();
    if total > room {
        return refused(format!("{total} bytes, in whole pages, do not fit the {room}"));
    }
    let names = sources(submission, language).map(|(name, _)| name);
    let folders: HashSet<&str> = names
        .flat_map(|name| name.match_indices('/').map(|(at, _)| &name[..at]))
        .collect();
    let entries = folders.len() as u64 + sources(submission, language).count() as u64;
    let most = room / BYTES_PER_INODE / INODES_FOR_SOURCES;
    if entries > most {
        return refused(format!("{entries} files and folders do not fit the {most}"));
    }
    Ok(())
}

/// The submission's variables are for its own runs alone: the compile step never sees them.
fn run_env(submission: &Submission, language: &Language) -> BTreeMap<String, String> {
    let mut env = language.execution.env.clone();
    env.extend(
        submission
            .env
            .iter()
            .map(|(name, value)| (name.clone(), value.clone())),
    );
    env
}

/// What every run of a submission may use.
pub fn run_limits(submission: &Submission, language: &Language, settings: &LimitSettings) -> Limits {
    let multiplier = language.execution.time_multiplier;
    let cpu_time = scaled(submission.timeout_ms.unwrap_or(settings.timeout_ms), multiplier);
    let wall_time = match submission.wall_timeout_ms {
        Some(wall_timeout_ms) => scaled(wall_timeout_ms, multiplier),
        None => default_wall_time(cpu_time),
    };
    let memory_limit_mb = submission.memory_limit_mb.unwrap_or(language.memory_limit_mb);
    Limits {
        cpu_time,
        wall_time,
        memory_bytes: run_memory_bytes(memory_limit_mb, language),
        output_bytes: submission
            .output_limit_bytes
            .unwrap_or(settings.output_limit_bytes),
        processes: language.resources.processes,
        open_files: language.resources.open_files,
        file_size_bytes: language.resources.disk_mb.saturating_mul(MIB),
    }
}

fn compile_limits(submission: &Submission, language: &Language, settings: &LimitSettings) -> Limits {
    let cpu_time = Duration::from_millis(
        submission
            .compile_timeout_ms
            .unwrap_or(settings.compile_timeout_ms),
    );
    Limits {
        cpu_time,
        wall_time: default_wall_time(cpu_time),
        memory_bytes: language.resources.compile_memory_mb.saturating_mul(MIB),
        output_bytes: COMPILE_OUTPUT_BYTES,
        processes: language.resources.processes,
        open_files: language.resources.open_files,
        file_size_bytes: language.resources.compile_disk_bytes(),
    }
}

fn default_wall_time(cpu_time: Duration) -> Duration {
    cpu_time.saturating_mul(2).saturating_add(Duration::from_secs(1))
}

/// Whole milliseconds, as limits travel in them.
fn scaled(ms: u64, multiplier: f64) -> Duration {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss
    )]
    let ms = (ms as f64 * multiplier).round() as u64;
    Duration::from_millis(ms.max(1))
}

fn run_memory_bytes(memory_limit_mb: u64, language: &Language) -> u64 {
    memory_limit_mb
        .saturating_add(language.execution.memory_allowance_mb)
        .saturating_mul(MIB)
}

/// What the compile step leaves, which may be all of its memory, stays while the runs are there; so do sources and inputs.
/// What a run writes to its own files counts as its memory.
fn box_memory(language: &Language, run_memory_bytes: u64, largest_input_bytes: u64) -> u64 {
    let parallel = u64::from(language.concurrency.max_parallel_tests);
    let compile = if language.execution.compile.is_empty() {
        0
    } else {
        language.resources.compile_memory_mb.saturating_mul(MIB)
    };
    run_memory_bytes
        .saturating_mul(parallel)
        .saturating_add(compile)
        .saturating_add(largest_input_bytes.saturating_mul(parallel))
        .saturating_add(language.resources.disk_mb.saturating_mul(MIB))
        .saturating_add(AGENT_MEMORY_BYTES)
}
