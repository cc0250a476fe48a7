//! What a box may do, as the engine's configuration of its container.

use std::collections::HashMap;

use bollard::models::{ContainerCreateBody, HealthConfig, HostConfig, HostConfigLogConfig, ResourcesUlimits};
use optimus_common::{
    WorkerId,
    box_layout::{
        AGENT_DIR, AGENT_DIR_BYTES, AGENT_OPEN_FILES, AGENT_PROGRAM, BOX_DIR, ENTRY_POINT, OOM_SCORE_ADJ,
        SHM_DIR, TMP_DIR, USERS_DIR, inodes,
    },
    limits::CORE_LIMIT,
    weaken,
};
use optimus_linux::proc_view::NETWORK_SETTINGS;

use super::{images::ImageId, masks::masked_paths};
use crate::spec::{BoxSpec, Cpus, NetworkPolicy, ResourceLimits};

/// On every box, with the value `1`.
pub const BOX_LABEL: &str = "optimus.box";
/// The installation a box belongs to.
pub(super) const SCOPE_LABEL: &str = "optimus.scope";
/// The worker a box belongs to.
pub(super) const WORKER_LABEL: &str = "optimus.worker";
/// The language whose image a box has.
pub const LANGUAGE_LABEL: &str = "optimus.language";

/// What holds the images of a worker's boxes has it, with the value `1`, in place of [`BOX_LABEL`].
const HOLDER_LABEL: &str = "optimus.holder";

/// What a container that holds files needs beside them: the kernel's own memory for each file and page.
const BESIDE_HELD_FILES: u64 = 512 << 20;

/// Room for the names of as many guests as a box may have.
const USERS_DIR_BYTES: u64 = 256 << 10;

/// By whom a container was made, as its labels say.
#[derive(Debug)]
pub(super) struct Owner {
    pub(super) scope: String,
    pub(super) worker: WorkerId,
}

/// The configuration of a box's container, on a machine with so many CPUs.
pub(super) fn configuration(
    spec: &BoxSpec,
    image: &ImageId,
    owner: &Owner,
    host_cpus: f64,
) -> ContainerCreateBody {
    let labels = [
        (BOX_LABEL.to_owned(), "1".to_owned()),
        (LANGUAGE_LABEL.to_owned(), spec.root.language.to_string()),
    ];
    ContainerCreateBody {
        entrypoint: Some(vec![ENTRY_POINT.to_owned()]),
        cmd: Some(Vec::new()),
        hostname: Some("box".to_owned()),
        host_config: Some(host_configuration(spec, host_cpus)),
        ..of_worker(image, owner, labels)
    }
}

/// What all containers of a worker have in common: they are spoken to by their standard streams, and by nothing else.
fn of_worker(
    image: &ImageId,
    owner: &Owner,
    labels: impl IntoIterator<Item = (String, String)>,
) -> ContainerCreateBody {
    let of_owner = [
        (SCOPE_LABEL.to_owned(), owner.scope.clone()),
        (WORKER_LABEL.to_owned(), owner.worker.to_string()),
    ];
    ContainerCreateBody {
        image: Some(image.0.clone()),
        env: weaken::handed_on().map(|(name, value)| vec![format!("{name}={value}")]),
        // The agent gives this up for a guest; what else the image says does not matter.
        user: Some("0:0".to_owned()),
        working_dir: Some("/".to_owned()),
        // Standard input ends with this worker's connection, whatever happened to the worker.
        open_stdin: Some(true),
        stdin_once: Some(true),
        attach_stdin: Some(true),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        // A terminal would let the guest forge the engine's frames, and would change bytes.
        tty: Some(false),
        // Nothing is started in a container from outside.
        healthcheck: Some(HealthConfig {
            test: Some(vec!["NONE".to_owned()]),
            ..Default::default()
        }),
        labels: Some(labels.into_iter().chain(of_owner).collect()),
        ..Default::default()
    }
}

/// The configuration of a container that holds an image's files in memory, so many bytes of them.
pub(super) fn holder(image: &ImageId, owner: &Owner, most_bytes: u64) -> ContainerCreateBody {
    let memory = Some(signed(most_bytes.saturating_add(BESIDE_HELD_FILES)));
    ContainerCreateBody {
        entrypoint: Some(vec![AGENT_PROGRAM.to_owned()]),
        cmd: Some(vec!["hold".to_owned(), most_bytes.to_string()]),
        hostname: Some("holder".to_owned()),
        host_config: Some(HostConfig {
            auto_remove: Some(true),
            init: Some(false),
            cap_drop: Some(vec!["ALL".to_owned()]),
            // To lock memory. An engine may not be allowed to raise the limit of it.
            cap_add: Some(vec!["IPC_LOCK".to_owned()]),
            security_opt: Some(vec!["no-new-privileges".to_owned()]),
            readonly_rootfs: Some(true),
            network_mode: Some("none".to_owned()),
            ipc_mode: Some("private".to_owned()),
            log_config: Some(HostConfigLogConfig {
                typ: Some("none".to_owned()),
                config: None,
            }),
            pids_limit: Some(1),
            memory,
            memory_swap: memory,
            ulimits: Some(vec![ulimit("core", CORE_LIMIT.cast_signed())]),
            ..Default::default()
        }),
        ..of_worker(image, owner, [(HOLDER_LABEL.to_owned(), "1".to_owned())])
    }
}

fn host_configuration(spec: &BoxSpec, host_cpus: f64) -> HostConfig {
    let resources = &spec.resources;
    let memory = wanted("cgroup-memory", signed(resources.memory_bytes));
    HostConfig {
        auto_remove: Some(true),
        init: Some(false),
        runtime: (!spec.runtime.is_empty()).then(|| spec.runtime.clone()),
        cap_drop: wanted("capabilities", vec!["ALL".to_owned()]),
        // To become another user, and to kill what that user runs.
        cap_add: Some(["SETUID", "SETGID", "KILL"].map(str::to_owned).to_vec()),
        security_opt: wanted("no-new-privileges", vec!["no-new-privileges".to_owned()]),
        readonly_rootfs: wanted("read-only-root", true),
        network_mode: Some(network_mode(spec.network).to_owned()),
        sysctls: sysctls(spec),
        masked_paths: Some(masked_paths()),
        ipc_mode: Some(ipc_mode().to_owned()),
        log_config: Some(HostConfigLogConfig {
            typ: Some("none".to_owned()),
            config: None,
        }),
        pids_limit: wanted("cgroup-pids", resources.processes.into()),
        memory,
        // Memory and swap together: no swap.
        memory_swap: memory,
        nano_cpus: wanted("cgroup-cpu", nano_cpus(resources.cpus.min(host_cpus.into()))),
        oom_score_adj: wanted("box-oom-score", OOM_SCORE_ADJ.into()),
        ulimits: wanted(
            "box-limits",
            vec![
                ulimit("core", CORE_LIMIT.cast_signed()),
                ulimit(
                    "nofile",
                    i64::from(resources.open_files) + i64::from(AGENT_OPEN_FILES),
                ),
                // The memory limit bounds the stack; a recursive program may have all of it.
                ulimit("stack", -1),
            ],
        ),
        tmpfs: Some(HashMap::from([
            (BOX_DIR.to_owned(), compiled_into(resources)),
            (TMP_DIR.to_owned(), compiled_into(resources)),
            (
                SHM_DIR.to_owned(),
                tmpfs("1777", resources.disk_bytes, inodes(resources.disk_bytes)),
            ),
            (
                AGENT_DIR.to_owned(),
                tmpfs("0700", AGENT_DIR_BYTES, inodes(AGENT_DIR_BYTES)),
            ),
            (
                USERS_DIR.to_owned(),
                tmpfs("0755", USERS_DIR_BYTES, inodes(USERS_DIR_BYTES)),
            ),
        ])),
        ..Default::default()
    }
}

/// Other runtimes than the engine's own have a network of their own making.
fn sysctls(spec: &BoxSpec) -> Option<HashMap<String, String>> {
    let own = spec.runtime.is_empty() && !weaken::is_off("network-namespace");
    let setting = |(name, value): (&str, &str)| (format!("net.{}", name.replace('/', ".")), value.to_owned());
    own.then(|| NETWORK_SETTINGS.map(setting).into())
}

fn network_mode(policy: NetworkPolicy) -> &'static str {
    match policy {
        NetworkPolicy::Off if weaken::is_off("network-namespace") => "host",
        NetworkPolicy::Off => "none",
    }
}

/// Engines have different defaults.
fn ipc_mode() -> &'static str {
    if weaken::is_off("ipc-namespace") {
        "host"
    } else {
        "private"
    }
}

/// A setting that is a layer of defence.
fn wanted<T>(layer: &str, setting: T) -> Option<T> {
    (!weaken::is_off(layer)).then_some(setting)
}

/// Writable for the guest, and executable: compilers leave programs there. A container's file systems are made once, so
/// that a run has the compile step's room here, and is bounded by its memory.
fn compiled_into(resources: &ResourceLimits) -> String {
    tmpfs("1777", resources.compile_disk_bytes, inodes(resources.disk_bytes))
}

fn tmpfs(mode: &str, bytes: u64, inodes: u64) -> String {
    let inodes = weaken::limit_unless_off("tmpfs-inodes", inodes);
    let bytes = weaken::limit_unless_off("tmpfs-size", bytes);
    format!("rw,exec,nosuid,nodev,mode={mode},size={bytes},nr_inodes={inodes}")
}

fn ulimit(name: &str, value: i64) -> ResourcesUlimits {
    ResourcesUlimits {
        name: Some(name.to_owned()),
        soft: Some(value),
        hard: Some(value),
    }
}

/// The engine takes no less than a hundredth of a CPU.
fn nano_cpus(cpus: Cpus) -> i64 {
    signed(cpus.billionths().max(10_000_000))
}

pub(super) fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::RootRef;

    fn spec() -> BoxSpec {
        BoxSpec::new(
            RootRef {
                language: "python".parse().unwrap(),
                image: "optimus/python:3.12".to_owned(),
            },
            ResourceLimits {
                memory_bytes: 256 << 20,
                cpus: 1.5.into(),
                processes: 64,
                disk_bytes: 64 << 20,
                compile_disk_bytes: 64 << 20,
                open_files: 256,
            },
        )
    }

    fn host(spec: &BoxSpec, cpus: f64) -> HostConfig {
        let owner = Owner {
            scope: "test".to_owned(),
            worker: WorkerId::new(),
        };
        let image = ImageId("sha256:abc".to_owned());
        configuration(spec, &image, &owner, cpus).host_config.unwrap()
    }

    #[test]
    fn a_box_gets_no_swap() {
        let host = host(&spec(), 8.0);
        assert_eq!(host.memory, Some(256 << 20));
        assert_eq!(host.memory_swap, host.memory);
    }

    #[test]
    fn a_box_gets_no_more_cpus_than_there_are() {
        assert_eq!(host(&spec(), 8.0).nano_cpus, Some(1_500_000_000));
        assert_eq!(host(&spec(), 1.0).nano_cpus, Some(1_000_000_000));
        let mut tiny = spec();
        tiny.resources.cpus = 0.0001.into();
        assert_eq!(host(&tiny, 1.0).nano_cpus, Some(10_000_000));
    }

    #[test]
    fn the_runtime_is_named_only_where_one_is_chosen() {
        assert_eq!(host(&spec(), 1.0).runtime, None);
        let mut sandboxed = spec();
        sandboxed.runtime = "runsc".to_owned();
        assert_eq!(host(&sandboxed, 1.0).runtime.as_deref(), Some("runsc"));
    }

    #[test]
    fn nothing_of_the_host_is_mounted() {
        let host = host(&spec(), 1.0);
        assert_eq!((host.binds, host.mounts, host.volumes_from), (None, None, None));
        assert!(
            host.tmpfs
                .unwrap()
                .values()
                .all(|options| options.contains("nosuid,nodev"))
        );
    }
}
