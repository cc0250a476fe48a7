//! What can be typed.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use optimus_common::{JobId, LanguageName, job::Priority};

use crate::{embedded, exit::CODES, output::OutputFormat};

/// Optimus: grades programs nobody trusts.
#[derive(Debug, Parser)]
#[command(name = "optimus-cli", version, after_help = CODES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// The folder that holds config/ and dockerfiles/ [default: the nearest one at or above the current folder]
    #[arg(long, global = true, env = "OPTIMUS_ROOT", value_name = "DIR")]
    pub(crate) root: Option<PathBuf>,
    /// Print the result as JSON
    #[arg(long, global = true)]
    json: bool,
}

impl Cli {
    pub(crate) fn format(&self) -> OutputFormat {
        if self.json {
            OutputFormat::Json
        } else {
            OutputFormat::Text
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Grade on this machine: the API, the workers and the jobs in one process
    Serve(Serve),
    /// Grade programs against a problem at once, without any service
    Grade(Grade),
    /// Say what this machine offers, each layer of isolation proved
    Doctor(Doctor),
    /// Add a language: its entry in languages.json, its Dockerfile, its image
    AddLang(AddLang),
    /// Remove a language: its entry and its Dockerfile
    RemoveLang(RemoveLang),
    /// List the languages
    ListLangs,
    /// Build languages' images
    BuildImage(BuildImage),
    /// Submit a program, and grade it by test cases
    Submit(Submit),
    /// Show a job
    Status(Status),
    /// Cancel a job
    Cancel(Cancel),
    /// Show the queues and their workers
    Queues(Queues),
    /// Measure a running installation against baselines in the same run
    Bench(Bench),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Jobs are kept in the data directory: whatever was accepted is resumed by the next serve on it. One process owns it at a
time. SIGTERM or Ctrl-C ends it: what is running is finished first; a second one ends it at once. Logs go to standard
error (RUST_LOG, or [log] of the settings).

Examples:
  optimus-cli serve
  optimus-cli serve --backend docker --port 9000 --data-dir ./data --language python,cpp --concurrency 4")]
pub(crate) struct Serve {
    /// Where the API listens [default: 127.0.0.1]
    #[arg(long)]
    pub(crate) host: Option<String>,
    /// The API's port; 0: any free one, which is printed [default: 8080]
    #[arg(long)]
    pub(crate) port: Option<u16>,
    /// Listen beyond loopback without tokens: whoever reaches the API may run programs here
    #[arg(long)]
    pub(crate) insecure: bool,
    /// Languages to serve, separated by commas [default: all]
    #[arg(long, value_name = "NAMES")]
    pub(crate) language: Option<String>,
    #[command(flatten)]
    pub(crate) embedded: embedded::Flags,
}

#[derive(Debug, Args)]
#[command(after_help = GRADE_HELP)]
pub(crate) struct Grade {
    #[command(flatten)]
    pub(crate) asked: ToGrade,
    #[command(flatten)]
    pub(crate) embedded: embedded::Flags,
}

const GRADE_HELP: &str = "\
A problem is a package in the ICPC problem package format (legacy, legacy-icpc, 2023-07-draft, 2025-09), or any folder of
*.in with *.ans or *.out. What of a package cannot be honoured is refused by name.

Examples:
  optimus-cli grade examples/sum mine.py yours.cpp
  optimus-cli grade examples/sum --all
  optimus-cli grade examples/sum --all --language python,c --json

Exit codes:
  0  every verdict is as expected; where nothing is expected: accepted
  1  a verdict is not
  2  the request is wrong: bad arguments, files or packages
  3  trouble of the system, or a program that could not be graded
  4  cancelled";

/// What to grade.
#[derive(Debug, Args)]
pub(crate) struct ToGrade {
    /// The problem's folder
    pub(crate) problem: PathBuf,
    /// Programs: a file each, or a folder of several files
    #[arg(
        value_name = "SOLUTION",
        required_unless_present = "all",
        conflicts_with = "all"
    )]
    pub(crate) solutions: Vec<PathBuf>,
    /// The package's own programs, each against what its folder in submissions/ asks for
    #[arg(long)]
    pub(crate) all: bool,
    /// The language of the solutions [default: by their extensions]; with --all, the only ones to grade
    #[arg(long, short, value_delimiter = ',', value_name = "NAMES")]
    pub(crate) language: Vec<LanguageName>,
    /// CPU time of one test
    #[arg(long, value_name = "MS")]
    pub(crate) timeout_ms: Option<u64>,
    /// Skip a program's tests after its first one that is not accepted
    #[arg(long)]
    pub(crate) stop_on_failure: bool,
    /// Show input, expected and actual output of the first failed tests
    #[arg(long, short)]
    pub(crate) verbose: bool,
}

#[derive(Debug, Args)]
#[command(after_help = CODES)]
pub(crate) struct Doctor {
    /// One line
    #[arg(long, short, conflicts_with = "json")]
    pub(crate) quiet: bool,
    /// Layers of isolation that may be missing, separated by commas
    #[arg(long, value_name = "LAYERS", value_delimiter = ',')]
    pub(crate) allow_missing: Vec<String>,
    /// Settings [default: config/optimus.toml where it exists]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Placeholders in --compile and --run: {source} the entry point, {sources} every source file (arguments of their own),
{entry_point} the same, and empty where the submission names none, {memory_mb} the memory limit in MiB. Nothing is
expanded by a shell. The folder .optimus is there for what is compiled: no file of a submission can be in it.

Examples:
  optimus-cli add-lang --name go --ext go --version 1.24
  optimus-cli add-lang --name bf --ext bf --version 1 --debian-packages 'bf' --run 'bf {source}'
  optimus-cli add-lang --name cpp20 --ext cpp --version 14 --compile 'g++ -std=c++20 -O2 -o .optimus/main {sources}'")]
pub(crate) struct AddLang {
    /// Its name; many need nothing more
    #[arg(long)]
    pub(crate) name: LanguageName,
    /// The extension of its source files, such as `py`
    #[arg(long, value_parser = extension)]
    pub(crate) ext: String,
    /// The version of the official image
    #[arg(long, value_parser = version)]
    pub(crate) version: String,
    /// Default memory limit of a run, in MiB, or with a unit such as 512m or 1g
    #[arg(long, value_parser = megabytes, value_name = "MEMORY")]
    pub(crate) memory: Option<u64>,
    /// CPUs a box may use at once
    #[arg(long, value_parser = positive)]
    pub(crate) cpu: Option<f64>,
    /// Write the entry and the Dockerfile, and build nothing; so it is where no container engine answers
    #[arg(long)]
    pub(crate) skip_docker: bool,
    /// The compile step, such as 'gcc -o .optimus/main {sources}'; empty: none
    #[arg(long, value_name = "COMMAND")]
    pub(crate) compile: Option<String>,
    /// How a program is run, such as './.optimus/main' or 'python3 {source}'
    #[arg(long, value_name = "COMMAND")]
    pub(crate) run: Option<String>,
    /// The image to build on
    #[arg(long, value_name = "IMAGE")]
    pub(crate) base_image: Option<String>,
    /// Packages to install where the base is a plain Debian, separated by spaces or commas
    #[arg(long, value_name = "PACKAGES")]
    pub(crate) debian_packages: Option<String>,
    /// What prints the toolchain's version
    #[arg(long, value_name = "COMMAND")]
    pub(crate) version_command: Option<String>,
    /// Replace an entry and a Dockerfile that are there
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RemoveLang {
    pub(crate) name: LanguageName,
    /// Do not ask
    #[arg(long, short)]
    pub(crate) yes: bool,
    /// Remove its image too
    #[arg(long)]
    pub(crate) image: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
The base of an image: the one given by --base-image; else the official one, where it is here or can be pulled; else the
plain Debian named by OPTIMUS_DEBIAN_BASE (optimus/debian-base:bookworm), with the language's packages.")]
pub(crate) struct BuildImage {
    /// The languages
    #[arg(required_unless_present_any = ["all", "missing"], conflicts_with_all = ["all", "missing"])]
    pub(crate) names: Vec<LanguageName>,
    /// All languages
    #[arg(long, conflicts_with = "missing")]
    pub(crate) all: bool,
    /// The languages whose image is not there, or was built from other files than there are now
    #[arg(long)]
    pub(crate) missing: bool,
    /// End with 0 although images could not be built, which are named: what has its image can work
    #[arg(long)]
    pub(crate) allow_failures: bool,
    /// Build every step anew
    #[arg(long)]
    pub(crate) no_cache: bool,
    /// The image to build on
    #[arg(long, value_name = "IMAGE")]
    pub(crate) base_image: Option<String>,
}

/// Where the API is.
#[derive(Debug, Args)]
pub(crate) struct ApiArgs {
    /// The API's address
    #[arg(
        long,
        env = "OPTIMUS_API",
        default_value = "http://127.0.0.1:8080",
        value_name = "URL"
    )]
    pub(crate) api: String,
    /// The API's bearer token
    #[arg(long, env = "OPTIMUS_TOKEN", hide_env_values = true)]
    pub(crate) token: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = CODES)]
pub(crate) struct Submit {
    /// The program; of several files the one called main runs, or what else docs/grading.md says
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Test cases: a folder of *.in with *.ans or *.out, a problem's folder, or a JSON file
    #[arg(long, value_name = "DIR|FILE")]
    pub(crate) tests: PathBuf,
    /// The language [default: by the first file's extension]
    #[arg(long, short)]
    pub(crate) language: Option<LanguageName>,
    /// Wait for the verdict
    #[arg(long, short)]
    pub(crate) wait: bool,
    /// CPU time of one test
    #[arg(long, value_name = "MS")]
    pub(crate) timeout_ms: Option<u64>,
    /// Wall time of one test
    #[arg(long, value_name = "MS")]
    pub(crate) wall_timeout_ms: Option<u64>,
    /// Memory of one test
    #[arg(long, value_name = "MIB")]
    pub(crate) memory_limit_mb: Option<u64>,
    #[arg(
        long,
        help = "How outputs are compared: lines, exact, tokens, float, unordered_lines, or a checker's JSON"
    )]
    pub(crate) checker: Option<String>,
    /// Skip the tests after the first one that is not accepted
    #[arg(long)]
    pub(crate) stop_on_failure: bool,
    #[arg(long, value_enum)]
    pub(crate) priority: Option<PriorityArg>,
    /// The same key and submission make one job, however often they are sent
    #[arg(long, value_name = "KEY")]
    pub(crate) idempotency_key: Option<String>,
    #[command(flatten)]
    pub(crate) api: ApiArgs,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum PriorityArg {
    Interactive,
    Normal,
    Batch,
}

impl From<PriorityArg> for Priority {
    fn from(priority: PriorityArg) -> Self {
        match priority {
            PriorityArg::Interactive => Self::Interactive,
            PriorityArg::Normal => Self::Normal,
            PriorityArg::Batch => Self::Batch,
        }
    }
}

#[derive(Debug, Args)]
#[command(after_help = CODES)]
pub(crate) struct Status {
    pub(crate) id: JobId,
    /// Wait for the verdict
    #[arg(long, short)]
    pub(crate) wait: bool,
    #[command(flatten)]
    pub(crate) api: ApiArgs,
}

#[derive(Debug, Args)]
pub(crate) struct Cancel {
    pub(crate) id: JobId,
    #[command(flatten)]
    pub(crate) api: ApiArgs,
}

#[derive(Debug, Args)]
pub(crate) struct Queues {
    #[command(flatten)]
    pub(crate) api: ApiArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "\
compile-once  one job of ten tests against ten jobs of one test
latency       one small Python job against the bare interpreter, and against `docker run`; on the workers' machine
throughput    jobs a second against containers a second; on the workers' machine
queue         the job store alone, on keys of its own; on REDIS_URL
box           one native box and a run in it against bare fork and exec, unshare, bwrap and docker run

With --backend an installation of this very process is measured, else the one at --api. On native boxes latency and
throughput are compared with the bare programs.

A goal that is missed is printed and changes no exit code: machines differ.")]
pub(crate) struct Bench {
    #[arg(value_enum)]
    pub(crate) benchmark: Benchmark,
    /// Rounds; each measures every variant once
    #[arg(long, value_parser = rounds)]
    pub(crate) rounds: Option<usize>,
    #[command(flatten)]
    pub(crate) api: ApiArgs,
    #[command(flatten)]
    pub(crate) embedded: embedded::Flags,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Benchmark {
    CompileOnce,
    Latency,
    Throughput,
    Queue,
    Box,
    All,
}

/// With or without its dot; with it from here on.
fn extension(text: &str) -> Result<String, String> {
    let bare = text.strip_prefix('.').unwrap_or(text);
    let plain = !bare.is_empty()
        && bare
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "_+-".contains(c));
    if plain {
        Ok(format!(".{bare}"))
    } else {
        Err("letters, digits, '_', '+' and '-' make an extension".to_owned())
    }
}

/// It becomes the image's tag.
fn version(text: &str) -> Result<String, String> {
    let plain = text
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
    if plain && text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.len() <= 100 {
        Ok(text.to_owned())
    } else {
        Err("letters, digits, '.', '_' and '-' make a version".to_owned())
    }
}

fn megabytes(text: &str) -> Result<u64, String> {
    let lower = text.to_ascii_lowercase();
    let bare = lower.strip_suffix('b').unwrap_or(&lower);
    let bare = bare.strip_suffix('i').unwrap_or(bare);
    let (number, unit) = match bare.strip_suffix('g') {
        Some(number) => (number, 1024),
        None => (bare.strip_suffix('m').unwrap_or(bare), 1),
    };
    number
        .parse()
        .ok()
        .and_then(|number: u64| number.checked_mul(unit))
        .filter(|megabytes| *megabytes > 0)
        .ok_or_else(|| "a number of MiB above 0, or one with a unit such as 512m or 1g".to_owned())
}

fn rounds(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|rounds| *rounds > 0)
        .ok_or_else(|| "a number above 0".to_owned())
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(number) if number > 0.0 && f64::is_finite(number) => Ok(number),
        _ => Err("a number above 0".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn memory_is_read_with_and_without_units() {
        for (text, expected) in [
            ("512", 512),
            ("512m", 512),
            ("1g", 1024),
            ("2GiB", 2048),
            ("64MB", 64),
        ] {
            assert_eq!(megabytes(text), Ok(expected), "{text}");
        }
        for bad in ["", "0", "m", "-1", "1.5g", "99999999999999999999"] {
            assert!(megabytes(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn extensions_get_their_dot() {
        assert_eq!(extension("py"), Ok(".py".to_owned()));
        assert_eq!(extension(".c++"), Ok(".c++".to_owned()));
        for bad in ["", ".", "a/b", "..", "a b"] {
            assert!(extension(bad).is_err(), "{bad}");
        }
    }
}
