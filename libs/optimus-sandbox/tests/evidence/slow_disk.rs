//! Waiting for a disk that is slow, tried on one: the kernel lets a container read only so much of it in a second.

use std::{
    fs::{self, File},
    os::{linux::fs::MetadataExt, unix::fs::FileExt},
    path::{Path, PathBuf},
    time::Duration,
};

use bollard::Docker;
use optimus_common::{facts::RunFacts, limits::Limits, result::Verdict};
use optimus_testkit::docker_image::{self, IMAGE};
use rustix::fs::{Advice, fadvise, major, minor};

use crate::{
    place::Place,
    program::{Ran, limits},
};

/// Has a file of its own to read, which nobody else needs to have in memory.
const IMAGE_WITH_FILE: &str = "optimus-test/cold:latest";

const BYTES: usize = 12 << 20;
const BYTES_PER_SECOND: usize = 4 << 20;

/// Less than reading takes, and so much that what may be granted is more than it takes on a machine that is slow besides.
const WALL: Duration = Duration::from_secs(2);

pub(crate) async fn who_waits_for_a_disk_is_not_out_of_time(place: &Place) {
    let docker = Docker::connect_with_defaults().unwrap();
    let dockerfile = format!("FROM {IMAGE}\nCOPY cold /cold\n");
    docker_image::build_as(&docker, IMAGE_WITH_FILE, &dockerfile, &[("cold", noise())]).await;
    let limits = Limits {
        wall_time: WALL,
        ..limits()
    };
    for way in ["read", "touched", "read by a child"].into_iter().zip(1..) {
        let (name, number) = way;
        let ran = beside_a_slow_disk(place, &docker, limits, &format!("cold {number} 0")).await;
        let RunFacts {
            wall_time,
            waited_for_io,
            ..
        } = ran.facts;
        println!("{name}: {wall_time:?} of {WALL:?}, of which {waited_for_io:?} waiting for the disk");
        let most = wall_time + Duration::from_millis(100);
        assert!(
            waited_for_io.is_none_or(|waited| waited < most),
            "{name}: {ran:?}"
        );
        assert!(wall_time > WALL, "the disk was not slow: {ran:?}");
        assert_eq!(ran.verdict, Verdict::Accepted, "{name}: {ran:?}");
    }
    // It is the wait that is granted, and nothing beside it.
    let longer = WALL.as_millis() * 3 / 2;
    let nothing = [format!("sleep 1 {longer}"), format!("vfork 1 {longer}")];
    for command in nothing.into_iter().chain([format!("cold 1 0 {longer}")]) {
        let ran = beside_a_slow_disk(place, &docker, limits, &command).await;
        assert_eq!(ran.verdict, Verdict::TimeLimitExceeded, "{command}: {ran:?}");
    }
}

/// What no file system stores in less room than it takes.
fn noise() -> Vec<u8> {
    let mut bytes = vec![0; BYTES];
    let random = File::open("/dev/urandom").unwrap();
    random.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

async fn beside_a_slow_disk(place: &Place, docker: &Docker, limits: Limits, command: &str) -> Ran {
    let session = place.open(IMAGE_WITH_FILE, limits).await;
    let container = docker
        .inspect_container(session.handle().name(), None)
        .await
        .unwrap();
    let process = container.state.unwrap().pid.unwrap();
    let process = Path::new("/proc").join(process.to_string());
    forget(&process.join("root/cold"));
    let folder = docker.info().await.unwrap().docker_root_dir.unwrap();
    slow_down(&process, &disk_below(Path::new(&folder)));
    let mut runs = place.run_in(session, limits, &[command.to_owned()]).await;
    runs.remove(0)
}

/// Has the kernel drop what it has in memory of a file.
fn forget(path: &Path) {
    let file = File::open(path).unwrap();
    file.sync_all().unwrap();
    fadvise(&file, 0, None, Advice::DontNeed).unwrap();
}

/// `major:minor` of the whole disk that a folder lies on.
fn disk_below(folder: &Path) -> String {
    let device = fs::metadata(folder).unwrap().st_dev();
    let known = PathBuf::from(format!("/sys/dev/block/{}:{}", major(device), minor(device)));
    let known = fs::canonicalize(&known).unwrap_or_else(|error| {
        panic!("{} is on no disk of its own: {error}", folder.display());
    });
    let disk = if known.join("partition").exists() {
        known.parent().unwrap()
    } else {
        &known
    };
    fs::read_to_string(disk.join("dev")).unwrap().trim().to_owned()
}

/// Lets the control group of a process read only so much of a disk in a second.
fn slow_down(process: &Path, disk: &str) {
    let groups = fs::read_to_string(process.join("cgroup")).unwrap();
    let of = |controllers: &str| {
        let mut lines = groups.lines().map(|line| line.splitn(3, ':').collect::<Vec<_>>());
        let line = lines.find(|line| line[1].split(',').any(|name| name == controllers));
        line.map(|line| line[2].trim_start_matches('/').to_owned())
    };
    if let Some(group) = of("blkio") {
        let file = Path::new("/sys/fs/cgroup/blkio").join(group);
        let limit = format!("{disk} {BYTES_PER_SECOND}");
        fs::write(file.join("blkio.throttle.read_bps_device"), limit).unwrap();
    } else {
        let group = of("").expect("there is cgroup v2 where there is no v1");
        let limit = format!("{disk} rbps={BYTES_PER_SECOND}");
        fs::write(Path::new("/sys/fs/cgroup").join(group).join("io.max"), limit).unwrap();
    }
}
