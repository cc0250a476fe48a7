//! How an object store is asked over the network.

use std::{io, time::Duration};

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Incoming;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::{
    client::legacy::{
        Client,
        connect::{Connect, HttpConnector as Tcp},
    },
    rt::TokioExecutor,
};
use object_store::{
    ClientOptions,
    client::{
        HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody, HttpResponse,
        HttpResponseBody, HttpService,
    },
};
use tokio::time::timeout;

use crate::ContentError;

/// How long an answer may take.
#[derive(Debug, Clone, Copy)]
struct AnswerTimeouts {
    /// To begin. A part of an upload has come by then.
    first: Duration,
    /// From one piece of it to the next. What comes so slowly is asked for again from there.
    next: Duration,
}

const ANSWER_TIMEOUTS: AnswerTimeouts = AnswerTimeouts {
    first: Duration::from_mins(1),
    next: Duration::from_secs(30),
};

/// So long after its last word a server that says nothing is asked whether it is there, which one that went without a word
/// does not answer.
const SILENCE: Duration = Duration::from_secs(30);

/// How long a connection may take to come about.
const CONNECTING: Duration = Duration::from_secs(10);

/// The connector that the crate brings along takes another implementation of TLS, and a C compiler for it.
#[derive(Debug)]
pub(super) struct Connector(HttpClient);

impl Connector {
    /// Who certifies servers is what this machine says. Where it says nothing, only what needs no certificate can be reached.
    pub(super) fn new(is_plain: bool) -> Result<Self, ContentError> {
        Self::with_timeouts(is_plain, ANSWER_TIMEOUTS)
    }

    fn with_timeouts(is_plain: bool, timeouts: AnswerTimeouts) -> Result<Self, ContentError> {
        let mut tcp = Tcp::new();
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECTING));
        tcp.set_keepalive(Some(SILENCE));
        tcp.set_keepalive_interval(Some(SILENCE / 3));
        tcp.set_keepalive_retries(Some(3));
        let client = match HttpsConnectorBuilder::new().with_native_roots() {
            Ok(with_roots) => {
                tcp.enforce_http(false);
                // The builder of the store refuses an endpoint without TLS where it is not allowed.
                let https = with_roots.https_or_http().enable_http1();
                HttpClient::new(Service(client(https.wrap_connector(tcp)), timeouts))
            }
            Err(_) if is_plain => HttpClient::new(Service(client(tcp), timeouts)),
            Err(error) => return Err(without_roots(&error)),
        };
        Ok(Self(client))
    }
}

fn without_roots(error: &io::Error) -> ContentError {
    ContentError::Misconfigured(format!(
        "content.store is asked by HTTPS, and this machine trusts no certificate authority: {error}. The package \
         ca-certificates, or a file that SSL_CERT_FILE names, says which to trust"
    ))
}

fn client<C: Connect + Clone>(connector: C) -> Client<C, HttpRequestBody> {
    Client::builder(TokioExecutor::new()).build(connector)
}

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(self.0.clone())
    }
}

#[derive(Debug)]
struct Service<C>(Client<C, HttpRequestBody>, AnswerTimeouts);

fn failed(kind: HttpErrorKind, error: impl std::error::Error + Send + Sync + 'static) -> HttpError {
    HttpError::new(kind, error)
}

#[async_trait]
impl<C> HttpService for Service<C>
where
    C: Connect + Clone + std::fmt::Debug + Send + Sync + 'static,
{
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let Self(client, timeouts) = self;
        let answer = timeout(timeouts.first, client.request(request)).await;
        let answer = answer.map_err(|late| failed(HttpErrorKind::Timeout, late))?;
        let answer = answer.map_err(|error| {
            let kind = if error.is_connect() {
                HttpErrorKind::Connect
            } else {
                HttpErrorKind::Request
            };
            failed(kind, error)
        })?;
        Ok(answer.map(|body| in_time(body, timeouts.next)))
    }
}

/// A body each piece of which comes in its time, or an error instead.
fn in_time(body: Incoming, longest: Duration) -> HttpResponseBody {
    let pieces = stream::unfold(Some(body), move |body| async move {
        let mut body = body?;
        match timeout(longest, body.frame()).await {
            Ok(Some(Ok(piece))) => Some((Ok(piece), Some(body))),
            Ok(Some(Err(error))) => Some((Err(failed(HttpErrorKind::Interrupted, error)), None)),
            Ok(None) => None,
            Err(late) => Some((Err(failed(HttpErrorKind::Timeout, late)), None)),
        }
    });
    HttpResponseBody::new(StreamBody::new(pieces.fuse()))
}

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead, BufReader, Write},
        net::{SocketAddr, TcpListener},
        thread,
    };

    use futures_util::TryStreamExt;
    use object_store::{
        ObjectStore, ObjectStoreExt,
        aws::{AmazonS3, AmazonS3Builder},
        path::Path,
    };

    use super::*;

    const BYTES: &[u8] = b"what is to come, and comes in the end";
    const OBJECT: &str = "HTTP/1.1 200 OK\r\nETag: \"e\"\r\nLast-Modified: Fri, 27 Nov 2020 00:00:00 GMT";

    /// Sends so many bytes of its first answer and then nothing; whoever asks again for the rest gets it.
    fn stalling(at: usize) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let mut stalled = None;
            while let Ok((mut socket, _)) = listener.accept() {
                let head = BufReader::new(&socket).lines().map_while(Result::ok);
                let head: Vec<_> = head.take_while(|line| !line.is_empty()).collect();
                let rest = head.iter().find_map(|line| {
                    line.to_ascii_lowercase()
                        .strip_prefix("range: bytes=")?
                        .split_once('-')?
                        .0
                        .parse()
                        .ok()
                });
                let length = BYTES.len();
                let (head, rest) = match rest {
                    None => (OBJECT.to_owned(), BYTES),
                    Some(start) => (
                        format!("{OBJECT}\r\nContent-Range: bytes {start}-{}/{length}", length - 1)
                            .replace("200 OK", "206 Partial Content"),
                        &BYTES[start..],
                    ),
                };
                let head = format!(
                    "{head}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
                    rest.len()
                );
                socket.write_all(head.as_bytes()).unwrap();
                if stalled.is_some() {
                    socket.write_all(rest).unwrap();
                } else {
                    socket.write_all(&rest[..at]).unwrap();
                    stalled = Some(socket);
                }
            }
        });
        address
    }

    fn bucket(server: SocketAddr) -> AmazonS3 {
        let timeouts = AnswerTimeouts {
            first: Duration::from_mins(1),
            next: Duration::from_secs(1),
        };
        let bucket = AmazonS3Builder::new()
            .with_bucket_name("bucket")
            .with_region("here")
            .with_endpoint(format!("http://{server}"))
            .with_allow_http(true)
            .with_access_key_id("key")
            .with_secret_access_key("secret")
            .with_http_connector(Connector::with_timeouts(true, timeouts).unwrap());
        bucket.build().unwrap()
    }

    /// Without a bound it would be waited for without an end.
    async fn ends<T>(question: impl Future<Output = T>) -> T {
        timeout(Duration::from_mins(5), question).await.unwrap()
    }

    #[tokio::test]
    async fn what_stalls_is_asked_for_again_from_there() {
        for at in [0, 1, BYTES.len() / 2, BYTES.len() - 1] {
            let bucket = bucket(stalling(at));
            let path = Path::from("object");
            let object = ends(async { bucket.get(&path).await.unwrap().bytes().await });
            assert_eq!(object.await.unwrap(), BYTES, "stalled at {at}");
        }
    }

    #[tokio::test]
    async fn a_listing_that_stalls_is_an_error() {
        let bucket = bucket(stalling(5));
        let listed = ends(bucket.list(None).try_collect::<Vec<_>>()).await;
        let error = listed.unwrap_err();
        let mut causes =
            std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source());
        assert!(
            causes.any(<dyn std::error::Error>::is::<tokio::time::error::Elapsed>),
            "{error:?}"
        );
    }
}
