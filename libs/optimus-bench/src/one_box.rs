//! One native box: what a run of `/bin/true` in it costs beside a bare one, and what the box itself costs, beside other
//! ways to put a program into namespaces.
//!
//! All variants run the same program to its end and wait for it. Ours is the whole way: the request to the box, a cell of
//! its own with every layer, the facts back.

use std::{
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use optimus_common::{causes, facts::RunEnd, language::Language, limits::Limits};
use optimus_protocol::CommandSpec;
use optimus_sandbox::{
    Backend, BoxSpec, ResourceLimits, RootRef,
    session::{OneByOne, Session},
};

use crate::{
    error::{Error, Result},
    event::{Event, Listener},
    milliseconds,
    report::{BenchReport, Bound, Goal, Measured, measured},
};

const ROUNDS: usize = 300;
const WARM_UP: usize = 10;
/// Containers take a hundred times as long as boxes.
const DOCKER_ROUNDS: usize = 10;
const PROGRAM: &str = "/bin/true";
const READY_TIMEOUT: Duration = Duration::from_secs(30);

/// Measures boxes of a backend of native ones, in one of the languages that it was made for.
pub async fn one_box(
    backend: &dyn Backend,
    languages: &[Language],
    rounds: Option<usize>,
    tell: &mut Listener<'_>,
) -> Result<BenchReport> {
    let spec = spec(languages)?;
    let rounds = rounds.unwrap_or(ROUNDS);
    let others: Vec<_> = OTHERS.iter().filter(|other| other.is_there(tell)).collect();

    let mut bare = Vec::new();
    let mut warm = Vec::new();
    let mut fresh = Fresh::default();
    let mut compared = vec![Vec::new(); others.len()];
    let mut lasting = start_job(backend.create(&spec).await?).await?;
    tell(Event::Begins {
        what: "box",
        steps: Some(rounds),
    });
    for round in 0..WARM_UP + rounds {
        let bare_ms = timed(|| run_bare(&mut Command::new(PROGRAM)))?;
        let began = Instant::now();
        run(&mut lasting).await?;
        let warm_ms = milliseconds(began);
        let fresh_ms = fresh_box(backend, &spec).await?;
        if round < WARM_UP {
            continue;
        }
        bare.push(bare_ms);
        warm.push(warm_ms);
        fresh.push(fresh_ms);
        for (samples, other) in compared.iter_mut().zip(&others) {
            if round - WARM_UP < other.rounds {
                samples.push(timed(|| run_bare(&mut other.command()))?);
            }
        }
        tell(Event::Step);
    }
    tell(Event::Ends);
    lasting.handle().destroy().await?;

    let measure = |what: &str, samples: &[f64]| measured(what, "ms", samples);
    let bare = measure("bare fork and exec", &bare)?;
    let warm = measure("run in a warm box", &warm)?;
    let whole = measure("fresh box with its job", &fresh.whole)?;
    let goals = vec![
        Goal::new(
            "a warm run above the bare one, p50",
            Bound::AtMost,
            1.0,
            warm.median - bare.median,
            "ms",
        ),
        Goal::new(
            "a warm run above the bare one, p99",
            Bound::AtMost,
            2.0,
            warm.p99 - bare.p99,
            "ms",
        ),
        Goal::new("a fresh box with its job", Bound::AtMost, 5.0, whole.median, "ms"),
    ];
    let mut measured = vec![
        bare,
        warm,
        whole,
        measure("  of it: box made", &fresh.made)?,
        measure("  of it: agent ready", &fresh.ready)?,
        measure("  of it: job sent, run, facts back", &fresh.ran)?,
        measure("the box destroyed, afterwards", &fresh.destroyed)?,
    ];
    for (samples, other) in compared.iter().zip(&others) {
        measured.extend(Measured::of(other.what, "ms", samples));
    }
    Ok(BenchReport {
        benchmark: "box",
        measured,
        goals,
    })
}

/// Samples of boxes made for a single run.
#[derive(Debug, Default)]
struct Fresh {
    whole: Vec<f64>,
    made: Vec<f64>,
    ready: Vec<f64>,
    ran: Vec<f64>,
    destroyed: Vec<f64>,
}

impl Fresh {
    fn push(&mut self, [whole, made, ready, ran, destroyed]: [f64; 5]) {
        self.whole.push(whole);
        self.made.push(made);
        self.ready.push(ready);
        self.ran.push(ran);
        self.destroyed.push(destroyed);
    }
}

/// A box of the first language that runs programs as they are, on the usual terms.
fn spec(languages: &[Language]) -> Result<BoxSpec> {
    let language: &Language = languages
        .iter()
        .find(|language| language.name.as_str() == crate::PYTHON)
        .or(languages.first())
        .ok_or_else(|| Error::not_measured("there is no language"))?;
    Ok(BoxSpec::new(
        RootRef::from(language),
        ResourceLimits {
            memory_bytes: 320 << 20,
            cpus: 1.0.into(),
            processes: 80,
            disk_bytes: 64 << 20,
            compile_disk_bytes: 64 << 20,
            open_files: 256,
        },
    ))
}

/// Milliseconds: the whole way to the facts, its three parts, and the box's end.
async fn fresh_box(backend: &dyn Backend, spec: &BoxSpec) -> Result<[f64; 5]> {
    let began = Instant::now();
    let live = backend.create(spec).await?;
    let made = milliseconds(began);
    let opened = Instant::now();
    let session = Session::open(live, READY_TIMEOUT).await?;
    let ready = milliseconds(opened);
    let sent = Instant::now();
    let mut job = OneByOne::sealed(session).await?;
    run(&mut job).await?;
    let (ran, whole) = (milliseconds(sent), milliseconds(began));
    let ended = Instant::now();
    job.handle().destroy().await?;
    Ok([whole, made, ready, ran, milliseconds(ended)])
}

async fn start_job(live: optimus_sandbox::LiveBox) -> Result<OneByOne> {
    let session = Session::open(live, READY_TIMEOUT).await?;
    Ok(OneByOne::sealed(session).await?)
}

fn command() -> CommandSpec {
    let limits = Limits {
        cpu_time: Duration::from_secs(5),
        wall_time: Duration::from_secs(10),
        memory_bytes: 256 << 20,
        output_bytes: 1 << 20,
        processes: 64,
        open_files: 256,
        file_size_bytes: 64 << 20,
    };
    CommandSpec {
        argv: vec![PROGRAM.to_owned()],
        env: std::collections::BTreeMap::new(),
        limits,
    }
}

/// One run, from its request to its facts.
async fn run(at_work: &mut OneByOne) -> Result<()> {
    let finished = at_work.run(&command(), b"").await?;
    match finished.facts.end {
        RunEnd::Exited { code: 0 } => Ok(()),
        end => Err(Error::not_measured(format!("{PROGRAM} ended by {end:?}"))),
    }
}

fn run_bare(command: &mut Command) -> Result<()> {
    let status = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .map_err(Error::host(format!("start {}", command.get_program().display())))?;
    if status.success() {
        Ok(())
    } else {
        Err(Error::not_measured(format!(
            "{} ended with {status}",
            command.get_program().display()
        )))
    }
}

fn timed(work: impl FnOnce() -> Result<()>) -> Result<f64> {
    let began = Instant::now();
    work()?;
    Ok(milliseconds(began))
}

/// Another way to run the program apart from the host.
#[derive(Debug)]
struct Other {
    what: &'static str,
    /// The program and its arguments.
    argv: &'static [&'static str],
    rounds: usize,
}

/// Left out where they are not installed or do not work.
const OTHERS: [Other; 3] = [
    Other {
        what: "unshare: namespaces alone",
        argv: &[
            "unshare", "--mount", "--pid", "--net", "--ipc", "--uts", "--cgroup", "--fork", PROGRAM,
        ],
        rounds: usize::MAX,
    },
    Other {
        what: "bwrap: namespaces and a read-only root",
        argv: &[
            "bwrap",
            "--unshare-all",
            "--die-with-parent",
            "--ro-bind",
            "/usr",
            "/usr",
            "--ro-bind",
            "/bin",
            "/bin",
            "--ro-bind-try",
            "/lib",
            "/lib",
            "--ro-bind-try",
            "/lib64",
            "/lib64",
            "--proc",
            "/proc",
            "--dev",
            "/dev",
            "--tmpfs",
            "/tmp",
            PROGRAM,
        ],
        rounds: usize::MAX,
    },
    Other {
        what: "docker run of a plain Debian",
        argv: &[
            "docker",
            "run",
            "--rm",
            "--network",
            "none",
            "optimus/debian-base:bookworm",
            PROGRAM,
        ],
        rounds: DOCKER_ROUNDS,
    },
];

impl Other {
    fn command(&self) -> Command {
        let mut command = Command::new(self.argv[0]);
        command.args(&self.argv[1..]);
        command
    }

    fn is_there(&self, tell: &mut Listener<'_>) -> bool {
        let works = run_bare(&mut self.command());
        if let Err(error) = &works {
            tell(Event::LeftOut {
                benchmark: "box",
                what: self.argv[0],
                why: &causes(error),
            });
        }
        works.is_ok()
    }
}
