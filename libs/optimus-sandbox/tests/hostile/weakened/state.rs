//! Layers that stand behind others, so that no program in a box can tell whether they are there: looked at from outside,
//! at the first process of a box.

use optimus_testkit::cgroups;
use std::{fs, os::unix::fs::MetadataExt, path::Path};

use crate::{
    outside::Outside,
    stage::{Kind, Stage},
};

/// Before the names of layers, where cases are named.
pub(super) const PREFIX: &str = "seen-from-outside::";

pub(super) const OF_CONTAINERS: [&str; 5] = [
    "cgroup-memory",
    "no-new-privileges",
    "ipc-namespace",
    "box-oom-score",
    "box-limits",
];
pub(super) const OF_NATIVE_BOXES: [&str; 10] = [
    "cgroup-memory",
    "no-new-privileges",
    "ipc-namespace",
    "pid-namespace",
    "network-namespace",
    "box-descriptors",
    "box-session",
    "box-oom-score",
    "box-limits",
    "dumpable",
];

/// Looks at a box of this stage. Fails where the layer is not there.
pub(super) async fn look(stage: &Stage, layer: &str) -> Result<(), String> {
    let session = stage.open(stage.language("python"), 0).await?;
    let name = session.handle().name().to_owned();
    let process = stage.outside.first_process(&name).await?;
    let seen = is_there(process, layer, stage.kind);
    match seen {
        // Without it, even the end of a box may not come; it is given up with this process.
        Ok(false) => return Err(format!("{layer} is not there")),
        Ok(true) => {}
        Err(error) => panic!("cannot look at process {process}: {error}"),
    }
    let destroyed = session.handle().destroy().await;
    destroyed.map_err(|error| format!("{error:?}"))
}

fn is_there(process: i32, layer: &str, kind: Kind) -> std::io::Result<bool> {
    let own = |file: &str| format!("/proc/{process}/{file}");
    let namespace = |name: &str| {
        let theirs = fs::read_link(own(&format!("ns/{name}")))?;
        Ok(theirs != fs::read_link(format!("/proc/self/ns/{name}"))?)
    };
    let line = |file: &str, start: &str| {
        let text = fs::read_to_string(own(file))?;
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(start))
            .unwrap_or_default();
        Ok::<_, std::io::Error>(line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    };
    match layer {
        "cgroup-memory" => has_memory_limit(process),
        "no-new-privileges" => Ok(line("status", "NoNewPrivs:")? == ["1"]),
        "ipc-namespace" => namespace("ipc"),
        "pid-namespace" => namespace("pid"),
        "network-namespace" => namespace("net"),
        "box-oom-score" => Ok(fs::read_to_string(own("oom_score_adj"))?.trim() == "500"),
        "box-limits" => {
            Ok(line("limits", "Max core file size")?.starts_with(&["1".to_owned(), "1".to_owned()]))
        }
        // What it has of the spawner would be namespaces and processes of other boxes.
        "box-descriptors" => {
            for entry in fs::read_dir(own("fd"))? {
                let target = fs::read_link(entry?.path())?;
                let target = target.to_string_lossy();
                if ["net:", "mnt:", "anon_inode:[pidfd]"]
                    .iter()
                    .any(|other| target.starts_with(other))
                {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        // The field after name, state, parent and group.
        "box-session" => {
            let stat = fs::read_to_string(own("stat"))?;
            let fields = stat.rsplit(") ").next().unwrap_or_default();
            Ok(fields.split(' ').nth(3) == Some(&process.to_string()))
        }
        // What may be looked into belongs to the process' user, what may not to root.
        "dumpable" => Ok(fs::metadata(own("environ"))?.uid() == 0),
        unknown => panic!("nobody knows how to see {unknown} of {kind:?} boxes"),
    }
}

/// Whether one of the control groups that this process is in, and we are not, has a limit of memory.
fn has_memory_limit(process: i32) -> std::io::Result<bool> {
    let groups_of = |process: &str| fs::read_to_string(format!("/proc/{process}/cgroup"));
    let memory = |groups: String| {
        let find = |wanted: &str| {
            groups.lines().find_map(|line| {
                let (_, rest) = line.split_once(':')?;
                let (controllers, path) = rest.split_once(':')?;
                (controllers == wanted).then(|| path.to_owned())
            })
        };
        find("memory")
            .map(|path| ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", path))
            .or_else(|| find("").map(|path| ("/sys/fs/cgroup", "memory.max", path)))
            .unwrap_or_default()
    };
    let (root, file, path) = memory(groups_of(&process.to_string())?);
    let (.., ours) = memory(groups_of("self")?);
    for group in Path::new(&path).ancestors() {
        if Path::new(&ours).starts_with(group) {
            break;
        }
        let limit = fs::read_to_string(format!("{root}{}/{file}", group.display()))?;
        // Without a limit: a word, or as many pages as there are numbers.
        if limit.trim().parse().is_ok_and(|limit: u64| limit < 1 << 60) {
            return Ok(true);
        }
    }
    Ok(false)
}

impl Outside {
    /// The first process of a box, as this machine numbers it.
    async fn first_process(&self, name: &str) -> Result<i32, String> {
        match self {
            Self::Containers(containers) => containers.first_process(name).await,
            Self::Host(host) => {
                let all = cgroups::processes(&host.path_of(name));
                all.into_iter()
                    .min()
                    .ok_or_else(|| format!("{name} has no process"))
            }
        }
    }
}
