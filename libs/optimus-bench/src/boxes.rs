//! The worker's boxes as the engine sees them.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use bollard::{
    Docker,
    models::{ContainerCreateBody, ContainerInspectResponse},
    query_parameters::{InspectContainerOptions, ListContainersOptionsBuilder},
};
use optimus_sandbox::docker::{BOX_LABEL, LANGUAGE_LABEL};

use crate::error::{Error, Result};

/// The pool counts as full when it has not grown for this long.
const STABLE: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(20);
/// A running container's agent is ready within this.
const AGENT_START: Duration = Duration::from_millis(100);

/// The pool of one language's warm boxes.
#[derive(Debug)]
pub(crate) struct Pool<'a> {
    docker: &'a Docker,
    language: &'a str,
    /// Boxes in it when it is full.
    full: usize,
}

impl<'a> Pool<'a> {
    /// Waits for the pool to fill up, to learn what full is.
    pub(crate) async fn watch(docker: &'a Docker, language: &'a str) -> Result<Self> {
        let mut pool = Self {
            docker,
            language,
            full: 0,
        };
        let mut changed = Instant::now();
        let began = changed;
        while changed.elapsed() < STABLE || pool.full == 0 {
            let running = pool.running().await?.len();
            if running != pool.full {
                pool.full = running;
                changed = Instant::now();
            }
            if began.elapsed() > LONGEST_WAIT {
                return Err(Error::not_measured(format!(
                    "no idle worker for {language} keeps boxes ready on this engine; start one, and leave it in peace"
                )));
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(pool)
    }

    /// Waits until it is full again.
    pub(crate) async fn warm(&self) -> Result<()> {
        let began = Instant::now();
        while self.running().await?.len() != self.full {
            if began.elapsed() > LONGEST_WAIT {
                return Err(Error::not_measured(format!(
                    "the pool of {} does not fill up again",
                    self.language
                )));
            }
            tokio::time::sleep(POLL).await;
        }
        tokio::time::sleep(AGENT_START).await;
        Ok(())
    }

    async fn running(&self) -> Result<Vec<String>> {
        let labels = vec![
            format!("{BOX_LABEL}=1"),
            format!("{LANGUAGE_LABEL}={}", self.language),
        ];
        let filters = HashMap::from([("label", labels), ("status", vec!["running".to_owned()])]);
        let options = ListContainersOptionsBuilder::new().filters(&filters).build();
        let found = self
            .docker
            .list_containers(Some(options))
            .await
            .map_err(Error::engine("list the containers"))?;
        Ok(found.into_iter().filter_map(|container| container.id).collect())
    }

    /// A container of the very configuration of a box, that runs something else.
    pub(crate) async fn twin(&self, command: Vec<String>) -> Result<ContainerCreateBody> {
        for id in self.running().await? {
            let inspected = self
                .docker
                .inspect_container(&id, None::<InspectContainerOptions>)
                .await;
            // It was there a moment ago, but boxes come and go.
            let Ok(ContainerInspectResponse {
                config: Some(config),
                host_config: Some(host_config),
                ..
            }) = inspected
            else {
                continue;
            };
            return Ok(ContainerCreateBody {
                image: config.image,
                entrypoint: Some(command),
                cmd: Some(Vec::new()),
                user: config.user,
                host_config: Some(host_config),
                ..Default::default()
            });
        }
        Err(Error::not_measured(format!(
            "there is no box of {} on this engine",
            self.language
        )))
    }
}
