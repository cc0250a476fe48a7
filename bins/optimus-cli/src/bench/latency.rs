//! From the submission of a small Python program to its verdict, against the bare interpreter in a container that is
//! running already, and against `docker run` of the same image.

use std::{process::Stdio, time::Instant};

use anyhow::Context;
use bollard::{
    Docker,
    container::{AttachContainerResults, LogOutput},
    errors::Error,
    models::ContainerCreateBody,
    query_parameters::{
        AttachContainerOptionsBuilder, CreateContainerOptions, RemoveContainerOptionsBuilder,
        StartContainerOptions,
    },
};
use futures_util::StreamExt;
use optimus_sandbox::docker::{self, Reached};
use tokio::{io::AsyncWriteExt, process::Command};

use super::{
    HELLO, PYTHON, Setting,
    boxes::Pool,
    compile_once::accepted,
    hello, progress,
    report::{BenchReport, Bound, Goal, Measured},
};
use crate::exit::{Classify, Failure};

const ROUNDS: usize = 20;
const WARM_UP: usize = 2;

pub(crate) async fn latency(setting: &Setting) -> Result<BenchReport, Failure> {
    let Reached { docker, .. } = docker::connect().await.system()?;
    let pool = Pool::watch(&docker, PYTHON).await?;
    let command = [
        "python3",
        "-B",
        "-s",
        "-c",
        include_str!("programs/bare.py"),
        HELLO,
    ];
    let mut twin = pool.twin(command.map(str::to_owned).to_vec()).await?;
    let image = twin.image.clone().context("a box has no image").system()?;
    let mut bare = Bare::start(&docker, &mut twin).await?;
    let measured = rounds(setting, &pool, &mut bare, &image).await;
    bare.stop().await?;
    let [api, bare, docker_run] = measured?;

    let above_bare = api.median() - bare.median();
    let quicker = docker_run.median() / api.median();
    Ok(BenchReport {
        benchmark: "latency",
        goals: vec![
            Goal::new(
                "above the bare interpreter by",
                Bound::AtMost,
                25.0,
                above_bare,
                "ms",
            ),
            Goal::new("quicker than docker run by", Bound::AtLeast, 8.0, quicker, "x"),
        ],
        measured: vec![api, bare, docker_run],
    })
}

async fn rounds(
    setting: &Setting,
    pool: &Pool<'_>,
    bare: &mut Bare<'_>,
    image: &str,
) -> Result<[Measured; 3], Failure> {
    let submission = hello()?;
    let rounds = setting.rounds(ROUNDS);
    let bar = progress("latency", rounds);
    let mut samples: [Vec<f64>; 3] = Default::default();
    for round in 0..WARM_UP + rounds {
        pool.warm().await?;
        let began = Instant::now();
        accepted(setting, &submission).await?;
        let api = milliseconds(began);
        pool.warm().await?;
        let bare = bare.sample().await?;
        let began = Instant::now();
        docker_run(image).await?;
        let docker_run = milliseconds(began);
        if round >= WARM_UP {
            for (samples, sample) in samples.iter_mut().zip([api, bare, docker_run]) {
                samples.push(sample);
            }
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    let names = ["submission to verdict", "bare interpreter", "docker run"];
    let [api, bare, docker_run] = [0, 1, 2].map(|i| Measured::of(names[i], "ms", &samples[i]));
    api.zip(bare)
        .zip(docker_run)
        .map(|((api, bare), docker_run)| [api, bare, docker_run])
        .context("no round was run")
        .usage()
}

fn milliseconds(began: Instant) -> f64 {
    began.elapsed().as_secs_f64() * 1000.0
}

async fn docker_run(image: &str) -> Result<(), Failure> {
    let mut command = Command::new("docker");
    command.args([
        "run",
        "--rm",
        "--network",
        "none",
        "--entrypoint",
        "python3",
        image,
        "-B",
        "-s",
        "-c",
        HELLO,
    ]);
    let done = command
        .stdin(Stdio::null())
        .output()
        .await
        .context("cannot start `docker`, which this benchmark compares with")
        .system()?;
    if done.status.success() && done.stdout == b"hello\n" {
        return Ok(());
    }
    Err(Failure::system(format!(
        "docker run failed: {}",
        String::from_utf8_lossy(&done.stderr).trim()
    )))
}

/// A running container that times the interpreter whenever it is asked to.
struct Bare<'a> {
    docker: &'a Docker,
    id: String,
    streams: AttachContainerResults,
}

impl<'a> Bare<'a> {
    async fn start(docker: &'a Docker, body: &mut ContainerCreateBody) -> Result<Self, Failure> {
        body.open_stdin = Some(true);
        // It ends with its input, also where this program is killed.
        body.stdin_once = Some(true);
        let options = None::<CreateContainerOptions>;
        let id = docker
            .create_container(options, body.clone())
            .await
            .context("cannot create a container")
            .system()?
            .id;
        let attach = AttachContainerOptionsBuilder::new()
            .stream(true)
            .stdin(true)
            .stdout(true)
            .stderr(true)
            .build();
        let started = async {
            let streams = docker.attach_container(&id, Some(attach)).await?;
            docker.start_container(&id, None::<StartContainerOptions>).await?;
            Ok::<_, Error>(streams)
        };
        match started.await {
            Ok(streams) => Ok(Self { docker, id, streams }),
            Err(error) => {
                remove(docker, &id).await?;
                Err(error).context("cannot start a container").system()
            }
        }
    }

    /// Milliseconds by the container's own clock.
    async fn sample(&mut self) -> Result<f64, Failure> {
        self.streams.input.write_all(b"\n").await.system()?;
        self.streams.input.flush().await.system()?;
        match self.streams.output.next().await {
            Some(Ok(LogOutput::StdOut { message })) => {
                let text = String::from_utf8_lossy(&message);
                let seconds: f64 = text
                    .trim()
                    .parse()
                    .with_context(|| format!("the bare interpreter said {:?}", text.trim()))
                    .system()?;
                Ok(seconds * 1000.0)
            }
            other => Err(Failure::system(format!("the bare interpreter ended: {other:?}"))),
        }
    }

    async fn stop(self) -> Result<(), Failure> {
        remove(self.docker, &self.id).await
    }
}

/// It may have removed itself meanwhile, or be about to.
async fn remove(docker: &Docker, id: &str) -> Result<(), Failure> {
    let options = RemoveContainerOptionsBuilder::new().force(true).build();
    match docker.remove_container(id, Some(options)).await {
        Err(Error::DockerResponseServerError {
            status_code: 404 | 409,
            ..
        }) => Ok(()),
        removed => removed.context("cannot remove a container").system(),
    }
}
