//! Jobs a second, against containers a second of the same configuration on the same engine: what no judge with a
//! container for each job can beat.

use std::time::Instant;

use bollard::{
    Docker,
    models::ContainerCreateBody,
    query_parameters::{
        CreateContainerOptions, RemoveContainerOptionsBuilder, StartContainerOptions, WaitContainerOptions,
    },
};
use futures_util::{StreamExt, TryStreamExt, stream};
use optimus_sandbox::docker::{self, Reached};

use crate::{
    PYTHON, Setting,
    boxes::Pool,
    error::{Error, Result},
    event::{Event, Listener},
    hello,
    report::{BenchReport, Bound, Goal, Measured, measured},
};

const ROUNDS: usize = 3;
const JOBS: u32 = 40;
/// Containers at once in the bare loop; the quickest is what counts.
const PARALLEL: [usize; 4] = [1, 2, 4, 8];
/// Submissions under way at once.
const CALLERS: usize = 8;

pub async fn throughput(setting: &Setting, tell: &mut Listener<'_>) -> Result<BenchReport> {
    let Reached { docker, .. } = docker::connect().await?;
    let pool = Pool::watch(&docker, PYTHON).await?;
    let mut twin = pool.twin(vec!["true".to_owned()]).await?;
    if let Some(host_config) = &mut twin.host_config {
        // The loop removes them itself.
        host_config.auto_remove = Some(false);
    }
    let rounds = setting.rounds(ROUNDS);
    tell(Event::Begins {
        what: "throughput",
        steps: Some(rounds * (1 + PARALLEL.len())),
    });
    let mut jobs = Vec::new();
    let mut bare: [Vec<f64>; PARALLEL.len()] = Default::default();
    for _ in 0..rounds {
        pool.warm().await?;
        jobs.push(jobs_per_second(setting).await?);
        tell(Event::Step);
        for (samples, parallel) in bare.iter_mut().zip(PARALLEL) {
            pool.warm().await?;
            samples.push(containers_per_second(&docker, &twin, parallel).await?);
            tell(Event::Step);
        }
    }
    tell(Event::Ends);
    let jobs = measured("jobs", "/s", &jobs)?;
    let bare: Vec<_> = bare
        .iter()
        .zip(PARALLEL)
        .filter_map(|(samples, parallel)| {
            Measured::of(format!("bare containers, {parallel} at once"), "/s", samples)
        })
        .collect();
    let best = bare.iter().map(|bare| bare.median).fold(0.0, f64::max);
    let share = jobs.median / best * 100.0;
    Ok(BenchReport {
        benchmark: "throughput",
        goals: vec![Goal::new(
            "of the bare loop at its best",
            Bound::AtLeast,
            90.0,
            share,
            "%",
        )],
        measured: [jobs].into_iter().chain(bare).collect(),
    })
}

async fn jobs_per_second(setting: &Setting) -> Result<f64> {
    let submission = hello();
    let began = Instant::now();
    stream::iter((0..JOBS).map(|_| crate::compile_once::accepted(setting, &submission)))
        .buffer_unordered(CALLERS)
        .try_collect::<Vec<()>>()
        .await?;
    Ok(f64::from(JOBS) / began.elapsed().as_secs_f64())
}

async fn containers_per_second(docker: &Docker, twin: &ContainerCreateBody, parallel: usize) -> Result<f64> {
    let began = Instant::now();
    stream::iter((0..JOBS).map(|_| container(docker, twin)))
        .buffer_unordered(parallel)
        .try_collect::<Vec<()>>()
        .await?;
    Ok(f64::from(JOBS) / began.elapsed().as_secs_f64())
}

/// The whole life of one container.
async fn container(docker: &Docker, twin: &ContainerCreateBody) -> Result<()> {
    let options = None::<CreateContainerOptions>;
    let id = docker
        .create_container(options, twin.clone())
        .await
        .map_err(Error::engine("create a container"))?
        .id;
    let ran = async {
        docker.start_container(&id, None::<StartContainerOptions>).await?;
        docker
            .wait_container(&id, None::<WaitContainerOptions>)
            .try_collect::<Vec<_>>()
            .await
    };
    let ran = ran.await;
    let options = RemoveContainerOptionsBuilder::new().force(true).build();
    docker
        .remove_container(&id, Some(options))
        .await
        .map_err(Error::engine("remove a container"))?;
    ran.map(drop).map_err(Error::engine("run a container"))
}
