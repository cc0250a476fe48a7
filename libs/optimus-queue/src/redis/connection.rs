//! Connections for everything but blocking and listening, and what an error of theirs means.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use optimus_service::supervise::supervise;
use redis::{
    AsyncConnectionConfig, Client, Cmd, Pipeline, RedisError, RedisFuture, RedisResult, ServerErrorKind,
    Value,
    aio::{ConnectionLike, ConnectionManager, ConnectionManagerConfig, MultiplexedConnection},
};
use tokio::time::Instant;

use super::server::{self, Server};
use crate::{StoreError, settings::RedisSettings};

/// Connections that carry submissions and results: more than one, so that a large body holds up few others.
const BULK_CONNECTIONS: usize = 4;

/// Commands on their way at once on each connection.
const PIPELINE_DEPTH: usize = 512;

/// Rest after a search for the server that found none: those who waited for it do not all search again.
const SEARCH_REST: Duration = Duration::from_millis(100);

pub(super) fn unavailable(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StoreError {
    StoreError::Unavailable(error.into())
}

#[derive(Debug)]
pub(super) struct Connections {
    server: Arc<Server>,
    connection_timeout: Duration,
    control: ReconnectingConnection,
    bulk: Vec<ReconnectingConnection>,
    next: AtomicUsize,
}

impl Connections {
    /// Inside a runtime.
    pub(super) fn open(settings: &RedisSettings) -> RedisResult<Self> {
        let server = Arc::new(Server::new(&settings.url, settings.connection_timeout)?);
        if server.may_move() {
            let watched = Arc::downgrade(&server);
            tokio::spawn(supervise("looking for the master of the job store", move || {
                server::keep_looking(watched.clone())
            }));
        }
        let connection = || ReconnectingConnection::new(&server, settings);
        Ok(Self {
            control: connection(),
            bulk: (0..BULK_CONNECTIONS).map(|_| connection()).collect(),
            next: AtomicUsize::new(0),
            connection_timeout: settings.connection_timeout,
            server,
        })
    }

    /// For short commands with short answers: a renewal never waits behind a submission of 64 MiB.
    pub(super) fn control(&self) -> ReconnectingConnection {
        self.control.clone()
    }

    /// For what may carry a submission or a result.
    pub(super) fn bulk(&self) -> ReconnectingConnection {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        self.bulk[turn % self.bulk.len()].clone()
    }

    /// A connection of the caller's own whose answers may take any time. The caller bounds its waiting.
    pub(super) async fn open_blocking(&self) -> RedisResult<MultiplexedConnection> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.connection_timeout))
            .set_response_timeout(None);
        self.client()
            .await?
            .get_multiplexed_async_connection_with_config(&config)
            .await
    }

    /// For the server as it is to be found now.
    pub(super) async fn client(&self) -> RedisResult<Client> {
        self.server.client().await.map(|(client, _moves)| client)
    }

    pub(super) fn connection_timeout(&self) -> Duration {
        self.connection_timeout
    }
}

/// A connection that reopens itself, opened at its first use.
///
/// `ConnectionManager` reopens after a broken connection, but neither after a timeout (a path that swallows packets)
/// nor after a refusal at its opening (a replica, a changed password), and never to another server: then the whole
/// manager is replaced.
#[derive(Debug, Clone)]
pub(super) struct ReconnectingConnection(Arc<ReconnectingInner>);

#[derive(Debug)]
struct ReconnectingInner {
    server: Arc<Server>,
    config: ConnectionManagerConfig,
    current: Mutex<Option<Opened>>,
    /// Held while the server is searched for: when that last was in vain.
    search: tokio::sync::Mutex<Option<(Instant, RedisError)>>,
}

/// The manager in use.
#[derive(Debug, Clone)]
struct Opened {
    manager: ConnectionManager,
    /// How many managers there were before it, so that of many failing callers one replaces it.
    generation: u64,
    /// How often the server had moved when it was made.
    moves: u64,
}

impl ReconnectingConnection {
    fn new(server: &Arc<Server>, settings: &RedisSettings) -> Self {
        let config = ConnectionManagerConfig::new()
            // Each use of a connection tries to open it anew; to go on in the background as well would only delay errors.
            .set_number_of_retries(0)
            .set_connection_timeout(Some(settings.connection_timeout))
            .set_response_timeout(Some(settings.response_timeout))
            .set_pipeline_buffer_size(PIPELINE_DEPTH);
        Self(Arc::new(ReconnectingInner {
            server: server.clone(),
            config,
            current: Mutex::default(),
            search: tokio::sync::Mutex::default(),
        }))
    }

    fn current(&self) -> MutexGuard<'_, Option<Opened>> {
        self.0.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn opened(&self) -> RedisResult<Opened> {
        let current = self.current().clone();
        match current {
            Some(opened) if opened.moves == self.0.server.moves() => Ok(opened),
            stale => self.replace(stale.as_ref()).await,
        }
    }

    /// Puts a fresh manager in the place of that one, unless another caller has done so.
    async fn replace(&self, stale: Option<&Opened>) -> RedisResult<Opened> {
        let next = stale.map_or(0, |stale| stale.generation + 1);
        let mut search = self.0.search.lock().await;
        if let Some(newer) = &*self.current()
            && newer.generation >= next
        {
            return Ok(newer.clone());
        }
        if let Some((failed, error)) = &*search
            && failed.elapsed() < SEARCH_REST
        {
            return Err(error.clone());
        }
        let found = async {
            let (client, moves) = self.0.server.client().await?;
            let manager = ConnectionManager::new_lazy_with_config(client, self.0.config.clone())?;
            Ok::<_, RedisError>(Opened {
                manager,
                generation: next,
                moves,
            })
        };
        match found.await {
            Ok(fresh) => {
                *self.current() = Some(fresh.clone());
                *search = None;
                Ok(fresh)
            }
            Err(error) => {
                *search = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    /// Before something is sent again over a connection that broke: the server may be another one by now, and what was
    /// the master answers reads as well.
    async fn follow_failover(&self, used: &mut Opened) {
        if self.0.server.may_move()
            && let Ok(fresh) = self.replace(Some(used)).await
        {
            *used = fresh;
        }
    }

    /// Replaces a manager that will answer no better the next time.
    async fn replace_if_useless<T>(
        &self,
        used: &Opened,
        result: &RedisResult<T>,
        refused: impl FnOnce(&T) -> bool,
    ) {
        let useless = match result {
            Err(_) => self.0.server.may_move() || !connection_lost(result),
            Ok(answer) => refused(answer),
        };
        if useless {
            // What went wrong with the old one says more than why there is no new one.
            let _ = self.replace(Some(used)).await;
        }
    }
}

/// Whether the connection was found broken, so that the command may be sent once more. It may have been executed;
/// every transition is safe to ask for twice.
fn connection_lost<T>(result: &RedisResult<T>) -> bool {
    result.as_ref().is_err_and(RedisError::is_connection_dropped)
}

/// A failover made this server a replica.
fn is_replica(answer: &Value) -> bool {
    matches!(answer, Value::ServerError(error) if error.kind() == Some(ServerErrorKind::ReadOnly))
}

impl ConnectionLike for ReconnectingConnection {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        Box::pin(async move {
            let mut used = self.opened().await?;
            let mut result = used.manager.send_packed_command(cmd).await;
            if connection_lost(&result) {
                self.follow_failover(&mut used).await;
                result = used.manager.send_packed_command(cmd).await;
            }
            self.replace_if_useless(&used, &result, is_replica).await;
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
            let mut used = self.opened().await?;
            let mut result = used.manager.send_packed_commands(pipeline, offset, count).await;
            if connection_lost(&result) {
                self.follow_failover(&mut used).await;
                result = used.manager.send_packed_commands(pipeline, offset, count).await;
            }
            let refused = |answers: &Vec<Value>| answers.iter().any(is_replica);
            self.replace_if_useless(&used, &result, refused).await;
            result
        })
    }

    fn get_db(&self) -> i64 {
        self.current()
            .as_ref()
            .map_or(0, |opened| opened.manager.get_db())
    }
}
