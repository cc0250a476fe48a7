//! Where the server is: at one address for good, or wherever Sentinels say that the master is at the moment.

use std::{
    sync::{Mutex, PoisonError, Weak},
    time::Duration,
};

use optimus_common::causes;
use redis::{
    AsyncConnectionConfig, Client, ErrorKind, RedisError, RedisResult, Value, aio::MultiplexedConnection,
};
use tokio::time;

const SENTINEL_SCHEME: &str = "redis+sentinel://";
const SENTINEL_PORT: u16 = 26379;

/// How often the Sentinels are asked although nothing broke: a former master that is cut off from its replicas goes on
/// to answer, and knows nothing of what came since.
const LOOK_EVERY: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) enum Server {
    Fixed(Client),
    Watched(SentinelGroup),
}

/// A master with replicas, and the Sentinels that watch over them.
#[derive(Debug)]
pub(super) struct SentinelGroup {
    sentinels: Vec<Client>,
    /// What the Sentinels call the master and its replicas.
    name: String,
    /// Of the servers, not of the Sentinels: empty, or `user:password@`.
    credentials: String,
    database: String,
    /// Longest wait for each Sentinel, and for the server it names.
    timeout: Duration,
    /// Where the master was found last, and how many there were by then.
    known: Mutex<(String, u64)>,
}

impl Server {
    /// `redis://…`, `unix://…`, or `redis+sentinel://[user:password@]host:port,host:port/NAME[/DATABASE]`.
    pub(super) fn new(url: &str, timeout: Duration) -> RedisResult<Self> {
        match url.strip_prefix(SENTINEL_SCHEME) {
            Some(rest) => SentinelGroup::new(rest, timeout).map(Self::Watched),
            None => Client::open(url).map(Self::Fixed),
        }
    }

    /// Whether a connection that broke may be replaced by one to another server.
    pub(super) fn may_move(&self) -> bool {
        matches!(self, Self::Watched(_))
    }

    /// For the server as it is to be found now, and [`Server::moves`] as of that.
    pub(super) async fn client(&self) -> RedisResult<(Client, u64)> {
        match self {
            Self::Fixed(client) => Ok((client.clone(), 0)),
            Self::Watched(watched) => watched.master().await,
        }
    }

    /// Grows whenever another server is found than before: every connection of an earlier one is to be left then, also
    /// one that seems to work.
    pub(super) fn moves(&self) -> u64 {
        match self {
            Self::Fixed(_) => 0,
            Self::Watched(watched) => watched.known.lock().unwrap_or_else(PoisonError::into_inner).1,
        }
    }
}

/// Keeps looking for the master until the server is dropped.
pub(super) async fn keep_looking(server: Weak<Server>) {
    loop {
        time::sleep(LOOK_EVERY).await;
        let Some(server) = server.upgrade() else { return };
        if let Err(error) = server.client().await {
            tracing::warn!(
                error = causes(&error),
                "the master of the job store is not to be found"
            );
        }
    }
}

impl SentinelGroup {
    fn new(rest: &str, timeout: Duration) -> RedisResult<Self> {
        let malformed = || {
            RedisError::from((
                ErrorKind::InvalidClientConfig,
                "expected redis+sentinel://[user:password@]host:port,host:port/NAME[/DATABASE]",
            ))
        };
        let (credentials, rest) = match rest.rsplit_once('@') {
            Some((credentials, rest)) => (format!("{credentials}@"), rest),
            None => (String::new(), rest),
        };
        let (hosts, rest) = rest.split_once('/').ok_or_else(malformed)?;
        let (name, database) = rest.split_once('/').unwrap_or((rest, "0"));
        if name.is_empty() {
            return Err(malformed());
        }
        let sentinels = hosts
            .split(',')
            .map(|host| {
                let has_port = host
                    .rsplit_once(':')
                    .is_some_and(|(_, port)| !port.ends_with(']'));
                if has_port {
                    Client::open(format!("redis://{host}"))
                } else {
                    Client::open(format!("redis://{host}:{SENTINEL_PORT}"))
                }
            })
            .collect::<RedisResult<_>>()?;
        Ok(Self {
            sentinels,
            name: name.to_owned(),
            credentials,
            database: database.to_owned(),
            timeout,
            known: Mutex::default(),
        })
    }

    /// The first Sentinel that answers decides.
    async fn master(&self) -> RedisResult<(Client, u64)> {
        let mut last_error = RedisError::from((ErrorKind::InvalidClientConfig, "no Sentinel is named"));
        for sentinel in &self.sentinels {
            match self.ask(sentinel).await {
                Ok(found) => return Ok(found),
                Err(error) => last_error = error,
            }
        }
        Err(last_error)
    }

    async fn ask(&self, sentinel: &Client) -> RedisResult<(Client, u64)> {
        let mut question = redis::cmd("SENTINEL");
        question.arg("GET-MASTER-ADDR-BY-NAME").arg(&self.name);
        let mut connection = self.connect(sentinel).await?;
        let address: Option<(String, u16)> = self.in_time(question.query_async(&mut connection)).await?;
        let Some((host, port)) = address else {
            return Err((
                ErrorKind::MasterNameNotFoundBySentinel,
                "the Sentinel knows no master of this name",
                self.name.clone(),
            )
                .into());
        };
        let host = if host.contains(':') {
            format!("[{host}]")
        } else {
            host
        };
        let (credentials, database) = (&self.credentials, &self.database);
        let client = Client::open(format!("redis://{credentials}{host}:{port}/{database}"))?;

        // What a Sentinel says may be out of date: a replica answers reads, with whatever it has.
        let mut connection = self.connect(&client).await?;
        let role: Vec<Value> = self
            .in_time(redis::cmd("ROLE").query_async(&mut connection))
            .await?;
        if role.first() != Some(&Value::BulkString(b"master".to_vec())) {
            return Err((
                ErrorKind::Client,
                "the server that the Sentinel names is no master",
            )
                .into());
        }
        Ok((client, self.note_address(format!("{host}:{port}"))))
    }

    /// Takes down where the master is. How often it has moved by now.
    fn note_address(&self, address: String) -> u64 {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.0 != address {
            tracing::info!(name = self.name, address, "found the master of the job store");
            *known = (address, known.1 + 1);
        }
        known.1
    }

    async fn connect(&self, client: &Client) -> RedisResult<MultiplexedConnection> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.timeout))
            .set_response_timeout(Some(self.timeout));
        self.in_time(client.get_multiplexed_async_connection_with_config(&config))
            .await
    }

    async fn in_time<T>(&self, answer: impl Future<Output = RedisResult<T>>) -> RedisResult<T> {
        time::timeout(self.timeout, answer)
            .await
            .unwrap_or_else(|_elapsed| Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()))
    }
}

#[cfg(test)]
mod tests {
    use redis::ConnectionAddr;

    use super::*;

    fn watched(url: &str) -> SentinelGroup {
        match Server::new(url, Duration::from_secs(1)).unwrap() {
            Server::Watched(watched) => watched,
            Server::Fixed(client) => panic!("fixed: {client:?}"),
        }
    }

    #[test]
    fn sentinels_are_read_from_the_url() {
        let watched = watched("redis+sentinel://me:p@ss@one:7000,two,[::1]:7001,[::1]/jobs/3");
        let addresses: Vec<_> = watched
            .sentinels
            .iter()
            .map(|client| client.get_connection_info().addr().clone())
            .collect();
        let address = |host: &str, port| ConnectionAddr::Tcp(host.to_owned(), port);
        assert_eq!(
            addresses,
            [
                address("one", 7000),
                address("two", SENTINEL_PORT),
                address("::1", 7001),
                address("::1", SENTINEL_PORT),
            ]
        );
        assert_eq!((&*watched.credentials, &*watched.name), ("me:p@ss@", "jobs"));
        assert_eq!(watched.database, "3");
    }

    #[test]
    fn what_names_no_master_is_refused() {
        for url in ["redis+sentinel://one:7000", "redis+sentinel://one:7000/"] {
            let error = Server::new(url, Duration::from_secs(1)).unwrap_err().to_string();
            assert!(error.contains("/NAME"), "{error}");
        }
    }
}
