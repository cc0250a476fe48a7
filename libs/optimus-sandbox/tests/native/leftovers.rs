//! Nothing of a box survives it, whatever became of it.

use std::{collections::BTreeSet, fs, future::poll_fn, path::Path, pin::pin, process, task::Poll};

use futures_util::{StreamExt, stream};
use optimus_common::{WorkerId, causes, facts::RunEnd};
use optimus_sandbox::{Backend, native::NativeBackend, session::Session};
use optimus_testkit::cgroups;
use rustix::process::{Pid, Signal, kill_process};

use crate::{
    conformance::{Job, TIMEOUT, eventually, first_output, open},
    host::{shell, start},
    roles::Place,
};

const BOXES: u32 = 1000;
/// In the making or at work at once.
const AT_ONCE: usize = 8;

/// Memory that comes and goes: the allocators' slack, and pages that were touched for the first time.
const SLACK_BYTES: u64 = 2 << 20;

/// Everything that boxes might leave behind.
#[derive(Debug, PartialEq, Eq)]
struct Traces {
    mounts: BTreeSet<String>,
    own_files: usize,
    spawner_files: usize,
    spawner_children: usize,
    /// Of boxes; those made ahead are always the same number.
    groups: usize,
    processes: usize,
}

impl Traces {
    fn of(place: &Place, worker: &WorkerId, spawner: u32) -> Self {
        let own = process::id();
        let workers = cgroups::below(&place.base);
        let group = workers
            .iter()
            .find(|name| name.ends_with(worker.as_str()))
            .unwrap();
        let group = format!("{}/{group}", place.base);
        Self {
            mounts: fs::read_to_string("/proc/self/mountinfo")
                .unwrap()
                .lines()
                .map(str::to_owned)
                .collect(),
            own_files: count(&format!("/proc/{own}/fd")),
            spawner_files: count(&format!("/proc/{spawner}/fd")),
            spawner_children: fs::read_to_string(format!("/proc/{spawner}/task/{spawner}/children"))
                .unwrap()
                .split_ascii_whitespace()
                .count(),
            groups: cgroups::below(&group).len(),
            processes: cgroups::processes(&group).len(),
        }
    }
}

fn count(folder: &str) -> usize {
    fs::read_dir(folder).unwrap().count()
}

/// Anonymous memory of a process.
fn memory(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

pub(crate) async fn a_thousand_boxes_leave_nothing(place: &Place) {
    let worker = WorkerId::new();
    let backend = start(place, worker.clone()).await;
    // What is made once is there after some boxes.
    many(place, &backend, 50).await;
    let spawner_now = backend.spawner_process().await.unwrap();
    eventually("all boxes are gone", async || {
        cgroups::boxes(&place.base, Some(worker.as_str())).is_empty()
    })
    .await;
    eventually("everything is made ahead", async || {
        Traces::of(place, &worker, spawner_now).groups == READY
    })
    .await;
    let before = Traces::of(place, &worker, spawner_now);
    assert_eq!((before.spawner_children, before.processes), (0, 0), "{before:?}");

    many(place, &backend, BOXES / 2).await;
    let memory_halfway = (memory(process::id()), memory(spawner_now));
    many(place, &backend, BOXES / 2).await;

    eventually("nothing is left", async || {
        Traces::of(place, &worker, spawner_now) == before
    })
    .await;
    let memory_after = (memory(process::id()), memory(spawner_now));
    assert!(
        memory_after.0 < memory_halfway.0 + SLACK_BYTES && memory_after.1 < memory_halfway.1 + SLACK_BYTES,
        "memory grows: from {memory_halfway:?} to {memory_after:?}"
    );
    assert_eq!(
        backend.spawner_process().await,
        Some(spawner_now),
        "the spawner died"
    );
}

/// A pool tries again for as long as boxes cannot be made: what each try leaves would add up.
pub(crate) async fn a_box_that_cannot_be_limited_leaves_no_group(place: &Place) {
    let worker = WorkerId::new();
    let backend = start(place, worker.clone()).await;
    let spawner = backend.spawner_process().await.unwrap();
    let mut impossible = shell();
    impossible.resources.cpus = 1e300.into();
    for _ in 0..3 * READY {
        let error = backend.create(&impossible).await.unwrap_err();
        assert!(causes(&error).contains("limit a control group"), "{error:?}");
    }
    eventually("only what is made ahead is there", async || {
        Traces::of(place, &worker, spawner).groups == READY
    })
    .await;
    drop(open(&backend, &shell()).await);
}

/// Control groups that a spawner has made ahead when it has nothing to do.
const READY: usize = 8;

/// Makes boxes, and ends each in one of the ways in which a box can end.
async fn many(place: &Place, backend: &NativeBackend, boxes: u32) {
    stream::iter(0..boxes)
        .for_each_concurrent(AT_ONCE, |number| async move {
            match number % 5 {
                0 => finish(backend).await,
                1 => destroy_waiting(backend).await,
                2 => drop_working(backend).await,
                3 => kill_working(place, backend).await,
                _ => give_up(backend, number).await,
            }
        })
        .await;
}

async fn finish(backend: &NativeBackend) {
    finish_with(open(backend, &shell()).await).await;
}

async fn finish_with(session: Session) {
    let runs = Job::shell("cat; : > file").grade(session, &[b"a", b"b"]).await;
    assert_eq!((&runs[0].stdout[..], &runs[1].stdout[..]), (&b"a"[..], &b"b"[..]));
}

async fn destroy_waiting(backend: &NativeBackend) {
    let session = open(backend, &shell()).await;
    session.handle().destroy().await.unwrap();
}

async fn drop_working(backend: &NativeBackend) {
    let mut job = Job::shell("sleep 3333 & setsid sleep 3333 & echo started; exec sleep 3333")
        .start(open(backend, &shell()).await)
        .await;
    let (mut sender, mut receiver) = job.split();
    sender.test(0, b"").await.unwrap();
    first_output(&mut receiver).await;
}

async fn kill_working(place: &Place, backend: &NativeBackend) {
    let session = open(backend, &shell()).await;
    let name = format!("{}/{}", place.base, session.handle().name());
    let mut job = Job::shell("echo started; exec sleep 3333").start(session).await;
    let (mut sender, mut receiver) = job.split();
    sender.test(0, b"").await.unwrap();
    first_output(&mut receiver).await;
    cgroups::kill(&name);
    let end = tokio::time::timeout(TIMEOUT, receiver.next()).await.unwrap();
    assert!(end.is_err(), "{end:?}");
}

/// After it has waited for something a few times, other times each time.
async fn give_up(backend: &NativeBackend, number: u32) {
    let spec = shell();
    let mut making = pin!(backend.create(&spec));
    for _ in 0..=number % 7 {
        if poll_fn(|cx| Poll::Ready(making.as_mut().poll(cx)))
            .await
            .is_ready()
        {
            break;
        }
        tokio::task::yield_now().await;
    }
}

pub(crate) async fn a_spawner_that_is_killed_takes_its_boxes_along(place: &Place) {
    let worker = WorkerId::new();
    let backend = start(place, worker.clone()).await;
    let waiting = open(&backend, &shell()).await;
    let mut working = Job::shell("setsid sleep 3333 & echo started; exec sleep 3333")
        .start(open(&backend, &shell()).await)
        .await;
    let (mut sender, mut receiver) = working.split();
    sender.test(0, b"").await.unwrap();
    first_output(&mut receiver).await;
    let spawner = backend.spawner_process().await.unwrap();
    let old = cgroups::boxes(&place.base, Some(worker.as_str()));
    let processes: Vec<_> = old
        .iter()
        .flat_map(|name| cgroups::processes(&format!("{}/{name}", place.base)))
        .collect();
    assert!(
        processes.len() >= 5,
        "agents, first processes and guests: {processes:?}"
    );

    kill_process(
        Pid::from_raw(i32::try_from(spawner).unwrap()).unwrap(),
        Signal::KILL,
    )
    .unwrap();
    let end = tokio::time::timeout(TIMEOUT, receiver.next()).await.unwrap();
    assert!(end.is_err(), "{end:?}");
    eventually("every process of the boxes is dead", async || {
        processes
            .iter()
            .all(|process| !Path::new(&format!("/proc/{process}")).exists())
    })
    .await;
    waiting.handle().destroy().await.unwrap();
    assert!(
        old.iter()
            .all(|name| !cgroups::exists(&format!("{}/{name}", place.base)))
    );

    let runs = Job::shell("echo again")
        .grade(open(&backend, &shell()).await, &[b""])
        .await;
    assert_eq!(runs[0].stdout, b"again\n");
    assert_ne!(backend.spawner_process().await, Some(spawner));
}

pub(crate) async fn sixty_four_boxes_at_once(place: &Place) {
    let worker = WorkerId::new();
    let backend = start(place, worker.clone()).await;
    let spec = shell();
    let sessions = stream::iter(0..64).map(|_| open(&backend, &spec));
    let sessions: Vec<_> = sessions.buffer_unordered(64).collect().await;
    assert_eq!(cgroups::boxes(&place.base, Some(worker.as_str())).len(), 64);
    let jobs = stream::iter(sessions.into_iter().zip(0_u32..)).map(|(session, number)| async move {
        let input = number.to_string();
        let job = Job::shell("read n; i=0; while [ $i -lt 2000 ]; do i=$((i + 1)); done; echo $n $i");
        let runs = job.grade(session, &[input.as_bytes(), input.as_bytes()]).await;
        for run in runs {
            assert_eq!(run.facts.end, RunEnd::Exited { code: 0 }, "{run:?}");
            assert_eq!(String::from_utf8(run.stdout).unwrap(), format!("{number} 2000\n"));
        }
    });
    jobs.buffer_unordered(64).collect::<Vec<()>>().await;
    eventually("all boxes are gone", async || {
        cgroups::boxes(&place.base, Some(worker.as_str())).is_empty()
    })
    .await;
}
