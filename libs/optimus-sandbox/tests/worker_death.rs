//! A worker that is killed leaves no box.
//!
//! The process that is killed is this very program, started again with an argument, so it brings its own `main`.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it does"
)]

use std::{collections::HashMap, env, process::Stdio, time::Duration};

use bollard::{Docker, query_parameters::ListContainersOptionsBuilder};
use optimus_common::WorkerId;
use optimus_sandbox::{
    Backend, BoxSpec, ResourceLimits, RootRef, docker::DockerBackend, session::Session,
    settings::DockerSettings,
};
use optimus_testkit::docker_image;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
};

const HOLD: &str = "--hold-boxes-as";
const BOXES: usize = 3;
const TIMEOUT: Duration = Duration::from_mins(1);

#[tokio::main]
async fn main() {
    let args: Vec<String> = env::args().collect();
    match args.get(1..) {
        Some([flag, worker]) if flag == HOLD => hold(WorkerId::from(worker.clone())).await,
        _ => {
            println!("a worker that is killed leaves no box");
            tokio::time::timeout(TIMEOUT, killed_worker_leaves_no_box())
                .await
                .expect("boxes are left behind");
            println!("ok");
        }
    }
}

async fn killed_worker_leaves_no_box() {
    let docker = Docker::connect_with_defaults().unwrap();
    docker_image::build(&docker).await;
    let worker = WorkerId::new();
    let mut child = Command::new(env::current_exe().unwrap())
        .args([HOLD, worker.as_str()])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.next_line().await.unwrap().as_deref(), Some("holding"));
    // One more holds the boxes' image in memory.
    assert_eq!(containers(&docker, &worker).await, BOXES + 1);
    child.kill().await.unwrap();
    while containers(&docker, &worker).await > 0 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Holds ready boxes until it is killed.
async fn hold(worker: WorkerId) {
    let mut settings = optimus_settings::defaults_of::<DockerSettings>("docker");
    settings.scope = format!("test-{worker}");
    let backend = DockerBackend::connect(&settings, worker).await.unwrap();
    let spec = BoxSpec::new(
        RootRef {
            language: "shell".parse().unwrap(),
            image: docker_image::IMAGE.to_owned(),
        },
        ResourceLimits {
            memory_bytes: 64 << 20,
            cpus: 1.0.into(),
            processes: 64,
            disk_bytes: 16 << 20,
            compile_disk_bytes: 16 << 20,
            open_files: 256,
        },
    );
    let mut held = Vec::new();
    for _ in 0..BOXES {
        let live = backend.create(&spec).await.unwrap();
        held.push(Session::open(live, TIMEOUT).await.unwrap());
    }
    println!("holding");
    std::future::pending::<()>().await;
}

async fn containers(docker: &Docker, worker: &WorkerId) -> usize {
    let filters = HashMap::from([("label", vec![format!("optimus.worker={worker}")])]);
    let options = ListContainersOptionsBuilder::new()
        .all(true)
        .filters(&filters)
        .build();
    docker.list_containers(Some(options)).await.unwrap().len()
}
