//! Connections for everything but blocking and listening, and what an error of theirs means.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use optimus_common::settings::Redis;
use redis::{
    AsyncConnectionConfig, Client, Cmd, Pipeline, RedisError, RedisFuture, RedisResult, ServerErrorKind,
    Value,
    aio::{ConnectionLike, ConnectionManager, ConnectionManagerConfig, MultiplexedConnection},
};

use crate::StoreError;

/// Connections that carry submissions and results: more than one, so that a large body holds up few others.
const BULK_LINKS: usize = 4;

/// Commands on their way at once on each connection.
const PIPELINE_DEPTH: usize = 512;

pub(super) fn unavailable(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StoreError {
    StoreError::Unavailable(error.into())
}

#[derive(Debug)]
pub(super) struct Connections {
    client: Client,
    connection_timeout: Duration,
    control: Link,
    bulk: Vec<Link>,
    next: AtomicUsize,
}

impl Connections {
    pub(super) fn open(settings: &Redis) -> RedisResult<Self> {
        let client = Client::open(settings.url.as_str())?;
        let link = || Link::new(&client, settings);
        Ok(Self {
            control: link()?,
            bulk: (0..BULK_LINKS).map(|_| link()).collect::<RedisResult<_>>()?,
            next: AtomicUsize::new(0),
            connection_timeout: settings.connection_timeout,
            client,
        })
    }

    /// For short commands with short answers: a renewal never waits behind a submission of 64 MiB.
    pub(super) fn control(&self) -> Link {
        self.control.clone()
    }

    /// For what may carry a submission or a result.
    pub(super) fn bulk(&self) -> Link {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        self.bulk[turn % self.bulk.len()].clone()
    }

    /// A connection of the caller's own whose answers may take any time. The caller bounds its waiting.
    pub(super) async fn open_blocking(&self) -> RedisResult<MultiplexedConnection> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.connection_timeout))
            .set_response_timeout(None);
        self.client
            .get_multiplexed_async_connection_with_config(&config)
            .await
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    pub(super) fn connection_timeout(&self) -> Duration {
        self.connection_timeout
    }
}

/// A connection that reopens itself, opened at its first use.
///
/// `ConnectionManager` reopens after a broken connection, but neither after a timeout (a path that swallows packets)
/// nor after a refusal at its opening (a replica, a changed password): then the whole manager is replaced.
#[derive(Debug, Clone)]
pub(super) struct Link(Arc<LinkInner>);

#[derive(Debug)]
struct LinkInner {
    client: Client,
    config: ConnectionManagerConfig,
    /// The manager in use, and how many there were before it, so that of many failing callers one replaces it.
    current: Mutex<(u64, ConnectionManager)>,
}

impl Link {
    fn new(client: &Client, settings: &Redis) -> RedisResult<Self> {
        let config = ConnectionManagerConfig::new()
            // Each use of a link tries to open it anew; to go on in the background as well would only delay errors.
            .set_number_of_retries(0)
            .set_connection_timeout(Some(settings.connection_timeout))
            .set_response_timeout(Some(settings.response_timeout))
            .set_pipeline_buffer_size(PIPELINE_DEPTH);
        let manager = ConnectionManager::new_lazy_with_config(client.clone(), config.clone())?;
        Ok(Self(Arc::new(LinkInner {
            client: client.clone(),
            config,
            current: Mutex::new((0, manager)),
        })))
    }

    fn current(&self) -> (u64, ConnectionManager) {
        self.0
            .current
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn replace(&self, generation: u64) {
        let mut current = self.0.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.0 == generation
            && let Ok(fresh) =
                ConnectionManager::new_lazy_with_config(self.0.client.clone(), self.0.config.clone())
        {
            *current = (generation + 1, fresh);
        }
    }
}

/// Whether the connection was found broken, so that the command may be sent once more. It may have been executed;
/// every transition is safe to ask for twice.
fn broke<T>(result: &RedisResult<T>) -> bool {
    result.as_ref().is_err_and(RedisError::is_connection_dropped)
}

impl ConnectionLike for Link {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(async move {
            let (generation, mut manager) = self.current();
            let mut result = manager.send_packed_command(cmd).await;
            if broke(&result) {
                result = manager.send_packed_command(cmd).await;
            }
            let useless = match &result {
                Err(error) => !error.is_connection_dropped(),
                // A failover made this server a replica.
                Ok(Value::ServerError(error)) => error.kind() == Some(ServerErrorKind::ReadOnly),
                Ok(_) => false,
            };
            if useless {
                self.replace(generation);
            }
            result
        })
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        Box::pin(async move {
            let (generation, mut manager) = self.current();
            let mut result = manager.send_packed_commands(pipeline, offset, count).await;
            if broke(&result) {
                result = manager.send_packed_commands(pipeline, offset, count).await;
            }
            if result.as_ref().is_err_and(|error| !error.is_connection_dropped()) {
                self.replace(generation);
            }
            result
        })
    }

    fn get_db(&self) -> i64 {
        self.current().1.get_db()
    }
}
