//! From the submission of a small Python program to its verdict, against the bare interpreter in a container that is
//! running already, and against `docker run` of the same image.

use std::{process::Stdio, time::Instant};

use bollard::{
    Docker,
    container::{AttachContainerResults, LogOutput},
    errors::Error as EngineError,
    models::ContainerCreateBody,
    query_parameters::{
        AttachContainerOptionsBuilder, CreateContainerOptions, RemoveContainerOptionsBuilder,
        StartContainerOptions,
    },
};
use futures_util::StreamExt;
use optimus_sandbox::docker::{self, Reached};
use tokio::{io::AsyncWriteExt, process::Command};

use crate::{
    HELLO, PYTHON, Setting,
    boxes::Pool,
    compile_once::accepted,
    error::{Error, Result},
    event::{Event, Listener},
    hello, milliseconds,
    report::{BenchReport, Bound, Goal, Measured, measured},
};

const ROUNDS: usize = 20;
const WARM_UP: usize = 2;

pub async fn latency(setting: &Setting, tell: &mut Listener<'_>) -> Result<BenchReport> {
    let Reached { docker, .. } = docker::connect().await?;
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
    let image = twin
        .image
        .clone()
        .ok_or_else(|| Error::not_measured("a box has no image"))?;
    let mut bare = Bare::start(&docker, &mut twin).await?;
    let measured = rounds(setting, &pool, &mut bare, &image, tell).await;
    bare.stop().await?;
    let [api, bare, docker_run] = measured?;

    let above_bare = api.median - bare.median;
    let quicker = docker_run.median / api.median;
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
    tell: &mut Listener<'_>,
) -> Result<[Measured; 3]> {
    let submission = hello();
    let rounds = setting.rounds(ROUNDS);
    tell(Event::Begins {
        what: "latency",
        steps: Some(rounds),
    });
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
            tell(Event::Step);
        }
    }
    tell(Event::Ends);
    let [api, bare, docker_run] = &samples;
    Ok([
        measured("submission to verdict", "ms", api)?,
        measured("bare interpreter", "ms", bare)?,
        measured("docker run", "ms", docker_run)?,
    ])
}

async fn docker_run(image: &str) -> Result<()> {
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
        .map_err(Error::host("start `docker`, which this benchmark compares with"))?;
    if done.status.success() && done.stdout == b"hello\n" {
        return Ok(());
    }
    Err(Error::not_measured(format!(
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
    async fn start(docker: &'a Docker, body: &mut ContainerCreateBody) -> Result<Self> {
        body.open_stdin = Some(true);
        // It ends with its input, also where this program is killed.
        body.stdin_once = Some(true);
        let options = None::<CreateContainerOptions>;
        let id = docker
            .create_container(options, body.clone())
            .await
            .map_err(Error::engine("create a container"))?
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
            Ok::<_, EngineError>(streams)
        };
        match started.await {
            Ok(streams) => Ok(Self { docker, id, streams }),
            Err(error) => {
                remove(docker, &id).await?;
                Err(Error::engine("start a container")(error))
            }
        }
    }

    /// Milliseconds by the container's own clock.
    async fn sample(&mut self) -> Result<f64> {
        let input = &mut self.streams.input;
        let asked = async {
            input.write_all(b"\n").await?;
            input.flush().await
        };
        asked.await.map_err(Error::host("ask the bare interpreter"))?;
        match self.streams.output.next().await {
            Some(Ok(LogOutput::StdOut { message })) => {
                let text = String::from_utf8_lossy(&message);
                let text = text.trim();
                let seconds = text.parse::<f64>().map_err(|error| {
                    Error::not_measured(format_args!("the bare interpreter said {text:?}: {error}"))
                })?;
                Ok(seconds * 1000.0)
            }
            other => Err(Error::not_measured(format!(
                "the bare interpreter ended: {other:?}"
            ))),
        }
    }

    async fn stop(self) -> Result<()> {
        remove(self.docker, &self.id).await
    }
}

/// It may have removed itself meanwhile, or be about to.
async fn remove(docker: &Docker, id: &str) -> Result<()> {
    let options = RemoveContainerOptionsBuilder::new().force(true).build();
    match docker.remove_container(id, Some(options)).await {
        Err(EngineError::DockerResponseServerError {
            status_code: 404 | 409,
            ..
        }) => Ok(()),
        removed => removed.map_err(Error::engine("remove a container")),
    }
}
