//! Which engine, and whether it is fit.

use std::env;

use bollard::{ClientVersion, Docker};

use crate::backend::BackendError;

/// Docker 20.10.
const OLDEST_API: ClientVersion = ClientVersion {
    major_version: 1,
    minor_version: 41,
};

/// A client of the engine at `host`, else at `DOCKER_HOST`, else of the local one. Nothing is sent yet.
pub(super) fn engine(host: &str) -> Result<Docker, BackendError> {
    let from_environment = env::var("DOCKER_HOST").unwrap_or_default();
    let docker = match [host, from_environment.as_str()]
        .into_iter()
        .find(|host| !host.is_empty())
    {
        Some(host) => Docker::connect_with_host(host),
        None => Docker::connect_with_local_defaults(),
    };
    docker.map_err(|error| BackendError::engine("find the container engine", error))
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
    let docker = docker.negotiate_version().await.map_err(unreachable)?;
    let version = docker.client_version();
    if version < OLDEST_API {
        let reason = format!("it speaks version {version} of the API; {OLDEST_API} or newer is needed");
        return Err(BackendError::engine("use the container engine", reason));
    }
    let engine = docker.version().await.map_err(unreachable)?;
    let parts = engine.components.unwrap_or_default();
    if parts.iter().any(|part| part.name.starts_with("Podman")) {
        // It speaks the same API, and takes neither the bounds of files in memory nor the limits of processes that boxes have.
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
