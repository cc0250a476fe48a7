//! Makes boxes, lets canaries loose in them, and judges what comes of it.

mod bait;

use std::{collections::BTreeMap, env, sync::Arc, time::Duration};

use optimus_common::{
    causes,
    facts::{RunEnd, RunFacts},
    limits::Limits,
};
use optimus_protocol::{CommandSpec, JobHeader, Stream, VERSION};
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::{Instant, sleep};

use self::bait::Bait;
use super::{
    CANARY_ARG, Layer, NativeError, Proof, State,
    canary::{Canary, Song, understand},
};
use crate::{
    backend::BoxSpec,
    native::{
        Inner,
        roots::{HostPath, HostRoot, Root},
        wire::{Offer, Order, Outcome, Support, Ticket},
    },
    session::{Event, JobSession, Session, SessionError},
};

const PROGRAM: &str = "/optimus/native-canary";
/// What a box of canaries may use. Less memory than a run in it may have, so that the box's own limit is what is met.
const BOX_MEMORY_BYTES: u64 = 96 << 20;
const RUN_MEMORY_BYTES: u64 = 1 << 30;
const PROCESSES: u32 = 24;
const DISK_BYTES: u64 = 1 << 20;
const MANY_CPUS: f64 = 1.0;
/// Of the box in which a canary spins.
const FEW_CPUS: f64 = 0.1;
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// Longer than any canary takes, in terms of what the settings allow for a box to be made: on a machine that is slow at the
/// one, so it is at the other.
fn patience(inner: &Inner) -> Duration {
    inner.settings.start_timeout * 2
}

/// Which canary proves which layer.
const CANARIES: [(Layer, Canary); 15] = [
    (Layer::UserNamespace, Canary::Users),
    (Layer::GuestUids, Canary::Uids),
    (Layer::ReadOnlyRoot, Canary::Root),
    (Layer::PrivateFiles, Canary::Files),
    (Layer::PrivateDevices, Canary::Devices),
    (Layer::PidNamespace, Canary::Processes),
    (Layer::NetworkNamespace, Canary::Network),
    (Layer::IpcNamespace, Canary::Ipc),
    (Layer::UtsNamespace, Canary::HostName),
    (Layer::CgroupMemory, Canary::Memory),
    (Layer::CgroupPids, Canary::Fork),
    (Layer::Capabilities, Canary::Capabilities),
    (Layer::NoNewPrivileges, Canary::Privileges),
    (Layer::Seccomp, Canary::SystemCalls),
    (Layer::Landlock, Canary::Landlock),
];

/// Tries every layer, in four boxes: one for most canaries, one that holds what they must not see, one for the CPU quota,
/// and one that must die with the spawner. Afterwards another spawner has taken its place.
pub(in super::super) async fn prove(inner: &Arc<Inner>) -> Result<Vec<Proof>, NativeError> {
    let connection = inner.connection().await.map_err(host)?;
    let offer = connection.offer().clone();
    if let Some(missing) = nothing_to_tell_guests_by(inner, &offer) {
        return Ok(missing);
    }
    let bait = Bait::lay_out().map_err(host)?;
    let holding = hold(inner, &bait).await?;
    let (songs, throttled, (waiting, _)) = tokio::try_join!(
        sing_or_sing_again(inner, &bait),
        spin(inner),
        open(inner, MANY_CPUS)
    )?;
    gone(&holding).await?;
    drop(bait);
    let mut proofs: Vec<_> = Layer::ALL
        .into_iter()
        .filter_map(|layer| {
            let song = songs.iter().find(|(proved, _)| *proved == layer)?;
            Some((layer, song.1.clone()))
        })
        .collect();
    proofs.push((Layer::CgroupCpu, throttled));
    let death = dies_with(connection.process(), waiting, patience(inner)).await;
    // Learns that it is dead, so that the next request does not meet it.
    let of = connection.ticket();
    connection.ask(Order::Throttled { of }, None).await.err();
    // The next one removes what it has left, also where nobody wants a box any more.
    inner.connection().await.map_err(host)?;
    proofs.push((Layer::ParentDeath, death));
    let mut proofs: Vec<_> = proofs
        .into_iter()
        .map(|(layer, song)| Proof {
            layer,
            state: judge(layer, song, &offer),
        })
        .collect();
    proofs.sort_by_key(|proof| Layer::ALL.iter().position(|layer| *layer == proof.layer));
    Ok(proofs)
}

/// Without UIDs and without control groups the agent refuses to work, so that no canary could be heard: what is missing
/// is told at once, unless all of it is allowed to be.
fn nothing_to_tell_guests_by(inner: &Inner, offer: &Offer) -> Option<Vec<Proof>> {
    if offer.uids.is_ok() || offer.cgroups.is_ok() {
        return None;
    }
    let missing = [
        Layer::GuestUids,
        Layer::CgroupMemory,
        Layer::CgroupPids,
        Layer::CgroupCpu,
    ];
    let allowed = &inner.settings.allow_missing;
    if missing
        .iter()
        .all(|layer| allowed.iter().any(|name| name == layer.name()))
    {
        return None;
    }
    let proof = |layer| Proof {
        layer,
        state: judge(layer, Err(String::new()), offer),
    };
    Some(missing.map(proof).into())
}

fn host(error: impl std::error::Error) -> NativeError {
    NativeError::Host(causes(&error))
}

/// What the offer says of a layer goes before what a canary found: it knows the reason.
fn judge(layer: Layer, song: Result<String, String>, offer: &Offer) -> State {
    let known = match layer {
        Layer::GuestUids => offer.uids.as_ref().err(),
        Layer::CgroupMemory | Layer::CgroupPids | Layer::CgroupCpu => offer.cgroups.as_ref().err(),
        _ => None,
    };
    let detail = match (layer, &offer.uids, &offer.cgroups) {
        (Layer::GuestUids, Ok(uids), _) => Some(uids),
        (Layer::CgroupMemory, _, Ok(path)) => Some(path),
        _ => None,
    };
    match (known, song) {
        (Some(reason), _) => State::Missing {
            reason: reason.clone(),
            remedy: remedy(layer).to_owned(),
        },
        (None, Err(reason)) => State::Missing {
            reason,
            remedy: remedy(layer).to_owned(),
        },
        (None, Ok(held)) => State::Proved {
            detail: match detail {
                Some(more) => format!("{held} ({more})"),
                None => held,
            },
        },
    }
}

fn remedy(layer: Layer) -> &'static str {
    match layer {
        Layer::UserNamespace => {
            "allow user namespaces: sysctl user.max_user_namespaces, and on Ubuntu \
             kernel.apparmor_restrict_unprivileged_userns=0"
        }
        Layer::GuestUids => {
            "install the package uidmap and grant UIDs with \
             `usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER`, or run as root"
        }
        Layer::PrivateDevices => "run as root: only root may make device nodes",
        Layer::CgroupMemory | Layer::CgroupPids | Layer::CgroupCpu => {
            "run as root, or with cgroup v2 by \
             `systemd-run --user --scope -p Delegate=yes PROGRAM`, or have an administrator give this user folders \
             in each hierarchy and name them in native.cgroup"
        }
        Layer::Landlock => {
            "use Linux 5.13 or later with landlock among its security modules (lsm=landlock,…)"
        }
        _ => "this is a fault of this kernel or of Optimus; report it, and use another host or Docker",
    }
}

/// A box in which this very program is what guests run.
async fn open(inner: &Arc<Inner>, cpus: f64) -> Result<(Session, Ticket), NativeError> {
    let program = env::current_exe().map_err(host)?;
    let mut paths: Vec<_> = inner.settings.paths.iter().map(HostPath::same).collect();
    paths.push(HostPath {
        host: program,
        inside: PROGRAM.into(),
    });
    let root = Root::Host(HostRoot {
        paths,
        path: "/usr/bin:/bin".to_owned(),
        ..HostRoot::default()
    });
    let spec = BoxSpec {
        language: "canary".parse().map_err(host)?,
        image: String::new(),
        runtime: String::new(),
        memory_bytes: BOX_MEMORY_BYTES,
        cpus,
        processes: PROCESSES * 2,
        disk_bytes: DISK_BYTES,
        compile_disk_bytes: DISK_BYTES,
        open_files: 64,
    };
    let timeout = inner.settings.start_timeout;
    let (live, ticket) = Arc::clone(inner).make(&spec, root, Support::ReadOnly).await?;
    let session = Session::open(live, timeout).await.map_err(host)?;
    Ok((session, ticket))
}

fn header(patience: Duration) -> JobHeader {
    JobHeader {
        program: None,
        product: optimus_protocol::Product::Unknown,
        version: VERSION,
        files: Vec::new(),
        compile: None,
        run: CommandSpec {
            argv: [PROGRAM, CANARY_ARG].map(str::to_owned).into(),
            env: BTreeMap::new(),
            limits: Limits {
                cpu_time: patience,
                wall_time: patience,
                memory_bytes: RUN_MEMORY_BYTES,
                output_bytes: 64 << 10,
                processes: PROCESSES,
                open_files: 64,
                file_size_bytes: DISK_BYTES,
            },
        },
        max_parallel_tests: 1,
    }
}

/// What came of one canary.
#[derive(Debug)]
struct Run {
    stdout: String,
    stderr: String,
    facts: RunFacts,
}

impl Run {
    /// For one that has not said what it found.
    fn describe(&self) -> String {
        let told = self.stderr.trim();
        match &self.facts.end {
            RunEnd::NotStarted { error } => format!("the canary did not start: {error}"),
            end => format!("the canary ended with {end:?} {told}"),
        }
    }
}

/// Runs a canary for each input, and leaves the box as it is.
async fn drive(job: &mut JobSession, inputs: &[String], patience: Duration) -> Result<Vec<Run>, NativeError> {
    let (mut sender, mut receiver) = job.split();
    let send = async {
        for (run, input) in (0..).zip(inputs) {
            sender.test(run, input.as_bytes()).await?;
        }
        Ok(())
    };
    let receive = async {
        let mut runs = Vec::new();
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        while runs.len() < inputs.len() {
            match receiver.next().await? {
                Event::Output { stream, data, .. } => match stream {
                    Stream::Stdout => stdout.extend_from_slice(&data),
                    Stream::Stderr => stderr.extend_from_slice(&data),
                },
                Event::CompileDone(_) => {}
                Event::RunDone(done) => runs.push(Run {
                    stdout: String::from_utf8_lossy(&std::mem::take(&mut stdout)).into_owned(),
                    stderr: String::from_utf8_lossy(&std::mem::take(&mut stderr)).into_owned(),
                    facts: done.facts,
                }),
            }
        }
        Ok::<_, SessionError>(runs)
    };
    let both = async { tokio::try_join!(send, receive) };
    let ((), runs) = tokio::time::timeout(patience * 2, both)
        .await
        .map_err(|_| NativeError::Host("a canary hangs".to_owned()))?
        .map_err(host)?;
    Ok(runs)
}

/// What came of each layer's canary: what held, or how it broke.
type Songs = Vec<(Layer, Result<String, String>)>;

/// Where memory is short on purpose, the kernel may strike the box beside the canary. That proves nothing of any layer.
async fn sing_or_sing_again(inner: &Arc<Inner>, bait: &Bait) -> Result<Songs, NativeError> {
    match sing_all(inner, bait).await {
        Ok(songs) => Ok(songs),
        Err(_) => sing_all(inner, bait).await,
    }
}

async fn sing_all(inner: &Arc<Inner>, bait: &Bait) -> Result<Songs, NativeError> {
    let mut inputs = Vec::new();
    for (_, canary) in CANARIES {
        inputs.push(told(canary, &bait.parameters(canary).map_err(host)?));
    }
    let patience = patience(inner);
    let (session, _) = open(inner, MANY_CPUS).await?;
    let mut job = session.start_job(&header(patience), &[]).await.map_err(host)?;
    let runs = drive(&mut job, &inputs, patience).await?;
    gone(&job).await?;
    let judged = CANARIES.into_iter().zip(&runs).map(|((layer, canary), run)| {
        let outcome = match canary {
            Canary::Memory => of_memory(run),
            _ => of_song(run),
        };
        (layer, outcome)
    });
    Ok(judged.collect())
}

fn told(canary: Canary, parameters: &[String]) -> String {
    let mut lines = vec![canary.name()];
    lines.extend(parameters.iter().map(String::as_str));
    lines.join("\n")
}

fn of_song(run: &Run) -> Result<String, String> {
    match understand(&run.stdout) {
        Some(Song::Held(detail)) => Ok(detail),
        Some(Song::Broken(reason)) => Err(reason),
        None => Err(run.describe()),
    }
}

/// Not what it prints counts, but whether the kernel killed it.
fn of_memory(run: &Run) -> Result<String, String> {
    if run.facts.oom_kills > 0 {
        return Ok(format!(
            "the kernel killed a program that wanted more than its {} MiB",
            BOX_MEMORY_BYTES >> 20
        ));
    }
    match of_song(run) {
        Ok(detail) => Err(detail),
        reason => reason,
    }
}

/// A box in which a canary has locked a file, until the box is destroyed.
async fn hold(inner: &Arc<Inner>, bait: &Bait) -> Result<JobSession, NativeError> {
    let patience = patience(inner);
    let (session, _) = open(inner, MANY_CPUS).await?;
    let mut header = header(patience);
    // Longer than all others may take together, tried twice.
    header.run.limits.wall_time = patience * 6;
    let mut job = session.start_job(&header, &[]).await.map_err(host)?;
    let canary = told(Canary::Hold, &bait.parameters(Canary::Hold).map_err(host)?);
    let (mut sender, mut receiver) = job.split();
    let locked = async {
        sender.test(0, canary.as_bytes()).await.map_err(host)?;
        let mut printed = Vec::new();
        loop {
            match receiver.next().await.map_err(host)? {
                Event::Output { data, .. } => printed.extend_from_slice(&data),
                Event::CompileDone(_) => continue,
                Event::RunDone(_) => {
                    return Err(NativeError::Host("no canary could hold a lock".to_owned()));
                }
            }
            let printed = String::from_utf8_lossy(&printed);
            match understand(&printed).filter(|_| printed.ends_with('\n')) {
                Some(Song::Held(_)) => return Ok(()),
                Some(Song::Broken(reason)) => return Err(NativeError::Host(reason)),
                None => {}
            }
        }
    };
    tokio::time::timeout(patience * 2, locked)
        .await
        .map_err(|_| NativeError::Host("a canary hangs".to_owned()))??;
    Ok(job)
}

/// Whether a box that wants more CPU time than its quota is held back, by the kernel's own counter. On a busy machine it
/// takes a while until a box gets even that much.
async fn spin(inner: &Arc<Inner>) -> Result<Result<String, String>, NativeError> {
    let (session, ticket) = open(inner, FEW_CPUS).await?;
    let connection = inner.connection().await.map_err(host)?;
    let patience = patience(inner);
    let mut job = session.start_job(&header(patience), &[]).await.map_err(host)?;
    let (mut sender, _) = job.split();
    let canary = told(Canary::Spin, &[]);
    sender.test(0, canary.as_bytes()).await.map_err(host)?;
    let deadline = Instant::now() + patience;
    let outcome = loop {
        match connection.ask(Order::Throttled { of: ticket }, None).await {
            Ok(Outcome::Throttled { periods: 1.. }) => {
                break Ok(format!("a program that spins was held back at {FEW_CPUS} CPUs"));
            }
            Ok(_) if Instant::now() < deadline => sleep(LOOK_AGAIN).await,
            Ok(_) => {
                break Err(format!(
                    "a program that spins was not held back at {FEW_CPUS} CPUs"
                ));
            }
            Err(error) => break Err(causes(&error)),
        }
    };
    gone(&job).await?;
    Ok(outcome)
}

/// Destroys a box before the spawner is killed. Later it would start the next spawner, which kills all boxes of the last
/// one: then a box that outlives its spawner would not be noticed.
async fn gone(job: &JobSession) -> Result<(), NativeError> {
    job.handle().destroy().await.map_err(host)
}

/// Kills the spawner, and waits for the end of one of its boxes.
async fn dies_with(spawner: u32, mut session: Session, patience: Duration) -> Result<String, String> {
    let spawner = i32::try_from(spawner)
        .ok()
        .and_then(Pid::from_raw)
        .ok_or("it is gone")?;
    kill_process(spawner, Signal::KILL).map_err(|errno| errno.to_string())?;
    match tokio::time::timeout(patience, session.failed()).await {
        Ok(SessionError::Closed) => Ok("a box died with the process that had made it".to_owned()),
        Ok(error) => Err(causes(&error)),
        Err(_) => Err("a box lived on after the process that had made it".to_owned()),
    }
}
