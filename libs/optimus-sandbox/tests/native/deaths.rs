//! Workers that are killed.

use std::{path::Path, time::Instant};

use optimus_common::WorkerId;
use optimus_sandbox::Backend;
use optimus_testkit::cgroups;

use crate::{
    conformance::{TIMEOUT, eventually},
    host::start,
    roles::{Holder, Place},
};

fn is_there(process: i32) -> bool {
    Path::new(&format!("/proc/{process}")).exists()
}

pub(crate) async fn a_worker_that_is_killed_leaves_nothing(place: &Place) {
    let worker = WorkerId::new();
    let holder = Holder::start(place, &worker, 3);
    let spawner = holder.spawner.as_raw_nonzero().get();
    let paths: Vec<_> = holder
        .boxes
        .iter()
        .map(|name| format!("{}/{name}", place.base))
        .collect();
    let processes: Vec<_> = paths.iter().flat_map(|path| cgroups::processes(path)).collect();
    assert!(processes.len() >= 3, "an agent in each box: {processes:?}");
    holder.kill();
    eventually("nothing is left", async || {
        !is_there(spawner)
            && !processes.iter().any(|process| is_there(*process))
            && cgroups::below(&place.base)
                .iter()
                .all(|name| !name.ends_with(worker.as_str()))
    })
    .await;
}

pub(crate) async fn a_worker_killed_with_its_spawner_leaves_no_process(place: &Place) {
    let worker = WorkerId::new();
    let holder = Holder::start(place, &worker, 3);
    let paths: Vec<_> = holder
        .boxes
        .iter()
        .map(|name| format!("{}/{name}", place.base))
        .collect();
    let processes: Vec<_> = paths.iter().flat_map(|path| cgroups::processes(path)).collect();
    assert!(processes.len() >= 3, "an agent in each box: {processes:?}");
    holder.kill_with_spawner();
    let started = Instant::now();
    while processes.iter().any(|process| is_there(*process)) {
        assert!(started.elapsed() < TIMEOUT, "a box lives on");
        tokio::task::yield_now().await;
    }
    // Groups stay until somebody looks.
    assert!(paths.iter().all(|path| cgroups::exists(path)));
    let other = start(place, WorkerId::new()).await;
    assert_eq!(other.remove_orphans(&[]).await.unwrap(), 3);
    assert!(
        cgroups::below(&place.base)
            .iter()
            .all(|name| !name.ends_with(worker.as_str()))
    );
}
