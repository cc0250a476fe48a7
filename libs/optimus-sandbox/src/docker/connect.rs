//! Which engine, and whether it is fit.

use std::{env, error::Error as StdError, time::Duration};

use bollard::{ClientVersion, Docker, errors::Error, models::SystemVersion};
use tokio::time::error::Elapsed;

use crate::backend::BackendError;

/// Docker 20.10.
const OLDEST_API: ClientVersion = ClientVersion {
    major_version: 1,
    minor_version: 41,
};

/// For somebody at a terminal.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// An engine that has said what it is.
#[derive(Debug)]
pub struct Reached {
    pub docker: Docker,
    /// Its own version, for people.
    pub version: String,
}

/// Why nothing can be asked of an engine.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("cannot find the container engine; is Docker installed and running?")]
    NotFound(#[source] Box<dyn StdError + Send + Sync>),
    #[error("the container engine does not answer")]
    Silent(#[source] Elapsed),
    #[error("cannot reach the container engine; is Docker running?")]
    Unreachable(#[source] Box<dyn StdError + Send + Sync>),
    #[error("the container engine is Podman, in which boxes cannot be made as they have to be")]
    Podman,
}

/// The engine at `DOCKER_HOST`, else the local one, for those who want something else of it than boxes. One in which there
/// can be none is refused, as backends refuse it.
pub async fn connect() -> Result<Reached, ConnectError> {
    let docker = client("").map_err(|error| ConnectError::NotFound(error.into()))?;
    let (docker, said) = tokio::time::timeout(CONNECT_TIMEOUT, greet(docker))
        .await
        .map_err(ConnectError::Silent)?
        .map_err(|error| ConnectError::Unreachable(error.into()))?;
    if is_podman(&said) {
        return Err(ConnectError::Podman);
    }
    let version = said.version.unwrap_or_default();
    Ok(Reached { docker, version })
}

/// A client of the engine at `host`, else at `DOCKER_HOST`, else of the local one. Nothing is sent yet.
fn client(host: &str) -> Result<Docker, Error> {
    let from_environment = env::var("DOCKER_HOST").unwrap_or_default();
    match [host, from_environment.as_str()]
        .into_iter()
        .find(|host| !host.is_empty())
    {
        Some(host) => Docker::connect_with_host(host),
        None => Docker::connect_with_local_defaults(),
    }
}

/// Agrees on a version with the engine, and returns what it says of itself.
async fn greet(docker: Docker) -> Result<(Docker, SystemVersion), Error> {
    let docker = docker.negotiate_version().await?;
    let said = docker.version().await?;
    Ok((docker, said))
}

/// It speaks the same API, and takes neither the bounds of files in memory nor the limits of processes that boxes have.
fn is_podman(engine: &SystemVersion) -> bool {
    let mut parts = engine.components.iter().flatten();
    parts.any(|part| part.name.starts_with("Podman"))
}

/// The client of a backend, as its settings name it. Nothing is sent yet.
pub(super) fn engine(host: &str) -> Result<Docker, BackendError> {
    client(host).map_err(|error| BackendError::engine("find the container engine", error))
}

/// The engine's machine.
#[derive(Debug, Clone, Copy)]
pub(super) struct EngineMachine {
    pub(super) cpus: f64,
    pub(super) memory_bytes: u64,
}

/// Agrees on a version with the engine, and returns what its machine has.
pub(super) async fn probe(docker: Docker) -> Result<(Docker, EngineMachine), BackendError> {
    let unreachable = |error| BackendError::engine("reach the container engine", error);
    let (docker, said) = greet(docker).await.map_err(unreachable)?;
    let version = docker.client_version();
    if version < OLDEST_API {
        let reason = format!("it speaks version {version} of the API; {OLDEST_API} or newer is needed");
        return Err(BackendError::engine("use the container engine", reason));
    }
    if is_podman(&said) {
        let reason = "it is Podman, which does not make boxes as they have to be; Docker and native boxes do";
        return Err(BackendError::engine("use the container engine", reason));
    }
    let info = docker.info().await.map_err(unreachable)?;
    let cpus = info
        .ncpu
        .and_then(|cpus| u32::try_from(cpus).ok())
        .map_or(f64::INFINITY, f64::from);
    let memory_bytes = info
        .mem_total
        .and_then(|bytes| u64::try_from(bytes).ok())
        .unwrap_or(u64::MAX);
    Ok((docker, EngineMachine { cpus, memory_bytes }))
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn every_usual_form_of_a_host_is_taken() {
        for host in ["unix:///dev/null", "tcp://127.0.0.1:1", "http://127.0.0.1:1"] {
            assert!(engine(host).is_ok(), "{host}");
        }
    }

    #[test]
    fn an_unknown_form_of_a_host_is_named() {
        let error = engine("carrier-pigeon://loft").unwrap_err();
        assert!(
            error
                .source()
                .unwrap()
                .to_string()
                .contains("carrier-pigeon://loft"),
            "{error:?}"
        );
    }

    #[tokio::test]
    async fn an_engine_that_is_not_there_is_an_error_of_ours() {
        let error = probe(engine("tcp://127.0.0.1:1").unwrap()).await.unwrap_err();
        assert!(
            matches!(
                error,
                BackendError::Engine {
                    operation: "reach the container engine",
                    ..
                }
            ),
            "{error:?}"
        );
    }
}
