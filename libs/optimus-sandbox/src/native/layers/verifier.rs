//! Makes boxes, lets probes loose in them, and judges what comes of it.

mod decoys;

use std::{collections::BTreeMap, env, sync::Arc, time::Duration};

use optimus_common::{causes, facts::RunEnd, limits::Limits};
use optimus_protocol::CommandSpec;
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::{Instant, sleep};

use self::decoys::Decoys;
use super::{
    Layer, LayerReport, LayerState, PROBE_ARG,
    probe::{Probe, ProbeOutcome, parse_outcome},
};
use crate::{
    native::{
        client::SpawnerClient,
        error::NativeError,
        loaded_roots::RootKey,
        native_box,
        roots::{HostPath, HostRoot, Root},
        wire::{HostFeatures, RequestId, SpawnerReply, SpawnerRequest, Support},
    },
    session::{Finished, OneByOne, Session, SessionError, Step},
    spec::ResourceLimits,
};

const PROGRAM: &str = "/optimus/native-probe";
/// What a box of probes may use. Less memory than a run in it may have, so that the box's own limit is what is met.
const BOX_MEMORY_BYTES: u64 = 96 << 20;
const RUN_MEMORY_BYTES: u64 = 1 << 30;
const PROCESSES: u32 = 24;
const DISK_BYTES: u64 = 1 << 20;
const MANY_CPUS: f64 = 1.0;
/// The quota of the box in which a probe spins.
const FEW_CPUS: f64 = 0.1;
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// Longer than any probe takes, in terms of what the settings allow for a box to be made: on a machine that is slow at the
/// one, so it is at the other.
fn probe_timeout(client: &SpawnerClient) -> Duration {
    client.settings.start_timeout * 2
}

/// Which probe proves which layer.
const PROBES: [(Layer, Probe); 15] = [
    (Layer::UserNamespace, Probe::Users),
    (Layer::GuestUids, Probe::Uids),
    (Layer::ReadOnlyRoot, Probe::Root),
    (Layer::PrivateFiles, Probe::Files),
    (Layer::PrivateDevices, Probe::Devices),
    (Layer::PidNamespace, Probe::Processes),
    (Layer::NetworkNamespace, Probe::Network),
    (Layer::IpcNamespace, Probe::Ipc),
    (Layer::UtsNamespace, Probe::HostName),
    (Layer::CgroupMemory, Probe::Memory),
    (Layer::CgroupPids, Probe::Fork),
    (Layer::Capabilities, Probe::Capabilities),
    (Layer::NoNewPrivileges, Probe::Privileges),
    (Layer::Seccomp, Probe::SystemCalls),
    (Layer::Landlock, Probe::Landlock),
];

/// Tries every layer, in four boxes: one for most probes, one that holds what they must not see, one for the CPU quota,
/// and one that must die with the spawner. Afterwards another spawner has taken its place.
pub(in super::super) async fn verify(client: &Arc<SpawnerClient>) -> Result<Vec<LayerReport>, NativeError> {
    let connection = client.connection().await.map_err(host)?;
    let features = connection.features().clone();
    if let Some(missing) = nothing_to_tell_guests_by(client, &features) {
        return Ok(missing);
    }
    let decoys = Decoys::place().map_err(host)?;
    let holding = hold(client, &decoys).await?;
    let (outcomes, throttled, (waiting, _)) = tokio::try_join!(
        run_probes_twice_at_most(client, &decoys),
        spin(client),
        open(client, MANY_CPUS)
    )?;
    gone(&holding).await?;
    drop(decoys);
    let mut reports: Vec<_> = Layer::ALL
        .into_iter()
        .filter_map(|layer| {
            let outcome = outcomes.iter().find(|(proved, _)| *proved == layer)?;
            Some((layer, outcome.1.clone()))
        })
        .collect();
    reports.push((Layer::CgroupCpu, throttled));
    let death = dies_with(connection.process(), waiting, probe_timeout(client)).await;
    // Learns that it is dead, so that the next request does not meet it.
    let of = connection.next_id();
    connection
        .ask(SpawnerRequest::CountThrottled { of }, None)
        .await
        .err();
    // The next one removes what it has left, also where nobody wants a box any more.
    client.connection().await.map_err(host)?;
    reports.push((Layer::ParentDeath, death));
    let mut reports: Vec<_> = reports
        .into_iter()
        .map(|(layer, outcome)| LayerReport {
            layer,
            state: judge(layer, outcome, &features),
        })
        .collect();
    reports.sort_by_key(|report| Layer::ALL.iter().position(|layer| *layer == report.layer));
    Ok(reports)
}

/// Without UIDs and without control groups the agent refuses to work, so that no probe could be heard: what is missing
/// is told at once, unless all of it is allowed to be.
fn nothing_to_tell_guests_by(client: &SpawnerClient, features: &HostFeatures) -> Option<Vec<LayerReport>> {
    if features.uids.is_ok() || features.cgroups.is_ok() {
        return None;
    }
    let missing = [
        Layer::GuestUids,
        Layer::CgroupMemory,
        Layer::CgroupPids,
        Layer::CgroupCpu,
    ];
    let allowed = &client.settings.allow_missing;
    if missing
        .iter()
        .all(|layer| allowed.iter().any(|name| name == layer.name()))
    {
        return None;
    }
    let report = |layer| LayerReport {
        layer,
        state: judge(layer, Err(String::new()), features),
    };
    Some(missing.map(report).into())
}

fn host(error: impl std::error::Error) -> NativeError {
    NativeError::Host(causes(&error))
}

/// What the host's features say of a layer goes before what a probe found: it knows the reason.
fn judge(layer: Layer, outcome: Result<String, String>, features: &HostFeatures) -> LayerState {
    let known = match layer {
        Layer::GuestUids => features.uids.as_ref().err(),
        Layer::CgroupMemory | Layer::CgroupPids | Layer::CgroupCpu => features.cgroups.as_ref().err(),
        _ => None,
    };
    let detail = match (layer, &features.uids, &features.cgroups) {
        (Layer::GuestUids, Ok(uids), _) => Some(uids),
        (Layer::CgroupMemory, _, Ok(path)) => Some(path),
        _ => None,
    };
    match (known, outcome) {
        (Some(reason), _) => LayerState::Missing {
            reason: reason.clone(),
            remedy: remedy(layer).to_owned(),
        },
        (None, Err(reason)) => LayerState::Missing {
            reason,
            remedy: remedy(layer).to_owned(),
        },
        (None, Ok(held)) => LayerState::Proved {
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
async fn open(client: &Arc<SpawnerClient>, cpus: f64) -> Result<(Session, RequestId), NativeError> {
    let program = env::current_exe().map_err(host)?;
    let mut paths: Vec<_> = client.settings.paths.iter().map(HostPath::same).collect();
    paths.push(HostPath {
        host: program,
        inside: PROGRAM.into(),
    });
    let root = Root::Host(HostRoot {
        paths,
        path: "/usr/bin:/bin".to_owned(),
        ..HostRoot::default()
    });
    let root = RootKey {
        language: "probe".parse().map_err(host)?,
        root,
        support: Support::ReadOnly,
    };
    let resources = ResourceLimits {
        memory_bytes: BOX_MEMORY_BYTES,
        cpus: cpus.into(),
        processes: PROCESSES * 2,
        disk_bytes: DISK_BYTES,
        compile_disk_bytes: DISK_BYTES,
        open_files: 64,
    };
    let timeout = client.settings.start_timeout;
    let (live, id) = native_box::make(client, &resources, &root, root.root.digest()).await?;
    let session = Session::open(live, timeout).await.map_err(host)?;
    Ok((session, id))
}

fn command(timeout: Duration) -> CommandSpec {
    CommandSpec {
        argv: [PROGRAM, PROBE_ARG].map(str::to_owned).into(),
        env: BTreeMap::new(),
        limits: Limits {
            cpu_time: timeout,
            wall_time: timeout,
            memory_bytes: RUN_MEMORY_BYTES,
            output_bytes: 64 << 10,
            processes: PROCESSES,
            open_files: 64,
            file_size_bytes: DISK_BYTES,
        },
    }
}

/// Says what happened to a probe that did not say what it found.
fn describe(run: &Finished) -> String {
    let told = String::from_utf8_lossy(&run.stderr);
    match &run.facts.end {
        RunEnd::NotStarted { error } => format!("the probe did not start: {error}"),
        end => format!("the probe ended with {end:?} {}", told.trim()),
    }
}

/// Runs a probe for each input, and leaves the box as it is.
async fn drive(
    at_work: &mut OneByOne,
    inputs: &[String],
    timeout: Duration,
) -> Result<Vec<Finished>, NativeError> {
    let command = command(timeout);
    let all = async {
        let mut runs = Vec::new();
        for input in inputs {
            runs.push(at_work.run(&command, input.as_bytes()).await?);
        }
        Ok::<_, SessionError>(runs)
    };
    tokio::time::timeout(timeout * 2, all)
        .await
        .map_err(|_| NativeError::Host("a probe hangs".to_owned()))?
        .map_err(host)
}

/// What came of each layer's probe: what held, or how it broke.
type LayerOutcomes = Vec<(Layer, Result<String, String>)>;

/// Where memory is short on purpose, the kernel may strike the box beside the probe. That proves nothing of any layer.
async fn run_probes_twice_at_most(
    client: &Arc<SpawnerClient>,
    decoys: &Decoys,
) -> Result<LayerOutcomes, NativeError> {
    match run_probes(client, decoys).await {
        Ok(outcomes) => Ok(outcomes),
        Err(_) => run_probes(client, decoys).await,
    }
}

async fn run_probes(client: &Arc<SpawnerClient>, decoys: &Decoys) -> Result<LayerOutcomes, NativeError> {
    let mut inputs = Vec::new();
    for (_, probe) in PROBES {
        inputs.push(probe_input(probe, &decoys.parameters(probe).map_err(host)?));
    }
    let timeout = probe_timeout(client);
    let (session, _) = open(client, MANY_CPUS).await?;
    let mut at_work = OneByOne::sealed(session).await.map_err(host)?;
    let runs = drive(&mut at_work, &inputs, timeout).await?;
    gone(&at_work).await?;
    let judged = PROBES.into_iter().zip(&runs).map(|((layer, probe), run)| {
        let outcome = match probe {
            Probe::Memory => of_memory(run),
            _ => of_probe(run),
        };
        (layer, outcome)
    });
    Ok(judged.collect())
}

fn probe_input(probe: Probe, parameters: &[String]) -> String {
    let mut lines = vec![probe.name()];
    lines.extend(parameters.iter().map(String::as_str));
    lines.join("\n")
}

fn of_probe(run: &Finished) -> Result<String, String> {
    match parse_outcome(&String::from_utf8_lossy(&run.stdout)) {
        Some(ProbeOutcome::Held(detail)) => Ok(detail),
        Some(ProbeOutcome::Broken(reason)) => Err(reason),
        None => Err(describe(run)),
    }
}

/// Not what it prints counts, but whether the kernel killed it.
fn of_memory(run: &Finished) -> Result<String, String> {
    if run.facts.oom_kills > 0 {
        return Ok(format!(
            "the kernel killed a program that wanted more than its {} MiB",
            BOX_MEMORY_BYTES >> 20
        ));
    }
    match of_probe(run) {
        Ok(detail) => Err(detail),
        reason => reason,
    }
}

/// A box in which a probe has locked a file, until the box is destroyed.
async fn hold(client: &Arc<SpawnerClient>, decoys: &Decoys) -> Result<OneByOne, NativeError> {
    let timeout = probe_timeout(client);
    let (session, _) = open(client, MANY_CPUS).await?;
    let mut command = command(timeout);
    // Longer than all others may take together, tried twice.
    command.limits.wall_time = timeout * 6;
    let mut at_work = OneByOne::sealed(session).await.map_err(host)?;
    let probe = probe_input(Probe::Hold, &decoys.parameters(Probe::Hold).map_err(host)?);
    let locked = async {
        at_work.start(&command, probe.as_bytes()).await.map_err(host)?;
        let mut printed = Vec::new();
        loop {
            match at_work.step().await.map_err(host)? {
                Step::Output { data, .. } => printed.extend_from_slice(&data),
                Step::Ended(_) => {
                    return Err(NativeError::Host("no probe could hold a lock".to_owned()));
                }
            }
            let printed = String::from_utf8_lossy(&printed);
            match parse_outcome(&printed).filter(|_| printed.ends_with('\n')) {
                Some(ProbeOutcome::Held(_)) => return Ok(()),
                Some(ProbeOutcome::Broken(reason)) => return Err(NativeError::Host(reason)),
                None => {}
            }
        }
    };
    tokio::time::timeout(timeout * 2, locked)
        .await
        .map_err(|_| NativeError::Host("a probe hangs".to_owned()))??;
    Ok(at_work)
}

/// Whether a box that wants more CPU time than its quota is held back, by the kernel's own counter. On a busy machine it
/// takes a while until a box gets even that much.
async fn spin(client: &Arc<SpawnerClient>) -> Result<Result<String, String>, NativeError> {
    let (session, id) = open(client, FEW_CPUS).await?;
    let connection = client.connection().await.map_err(host)?;
    let timeout = probe_timeout(client);
    let mut at_work = OneByOne::sealed(session).await.map_err(host)?;
    let probe = probe_input(Probe::Spin, &[]);
    at_work
        .start(&command(timeout), probe.as_bytes())
        .await
        .map_err(host)?;
    let deadline = Instant::now() + timeout;
    let outcome = loop {
        match connection
            .ask(SpawnerRequest::CountThrottled { of: id }, None)
            .await
        {
            Ok(SpawnerReply::Throttled { periods: 1.. }) => {
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
    gone(&at_work).await?;
    Ok(outcome)
}

/// Destroys a box before the spawner is killed. Later it would start the next spawner, which kills all boxes of the last
/// one: then a box that outlives its spawner would not be noticed.
async fn gone(at_work: &OneByOne) -> Result<(), NativeError> {
    at_work.handle().destroy().await.map_err(host)
}

/// Kills the spawner, and waits for the end of one of its boxes.
async fn dies_with(spawner: u32, mut session: Session, timeout: Duration) -> Result<String, String> {
    let spawner = i32::try_from(spawner)
        .ok()
        .and_then(Pid::from_raw)
        .ok_or("it is gone")?;
    kill_process(spawner, Signal::KILL).map_err(|errno| errno.to_string())?;
    match tokio::time::timeout(timeout, session.failed()).await {
        Ok(SessionError::Closed) => Ok("a box died with the process that had made it".to_owned()),
        Ok(error) => Err(causes(&error)),
        Err(_) => Err("a box lived on after the process that had made it".to_owned()),
    }
}
