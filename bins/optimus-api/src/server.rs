//! Accepting connections, and ending in good order.

use std::{convert::Infallible, io, net::IpAddr, pin::Pin, sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, Bytes, HttpBody},
    http::{HeaderValue, header},
    response::Response,
};
use http_body::{Frame, SizeHint};
use hyper::{
    Request,
    body::Incoming,
    server::conn::http1,
    service::{Service, service_fn},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use optimus_common::causes;
use optimus_service::open_files;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    App,
    connections::{Busy, Connections, LEAVING, Place},
    content,
    pace::Pace,
    problem::Problem,
    router::router,
    watched::Watched,
};

/// Longest wait for a request's head, and longest rest of an idle connection.
const HEAD: Duration = Duration::from_secs(75);

/// Largest head of a request, and what is read or kept to be written at once.
const BUFFER: usize = 64 << 10;

/// What the system keeps of an answer until its client has it; it takes twice as much.
#[cfg(unix)]
const SEND_BUFFER: usize = 256 << 10;

/// Connections at once where the settings name no number, and files that are left to everything else.
const MOST_CONNECTIONS: u64 = 8192;
const OTHER_FILES: u64 = 64 + LEAVING as u64;

/// Clients for which there is no place that are told so at once, and how long one has to read it.
const TOLD_AT_ONCE: usize = 32;
const TELLING: Duration = Duration::from_secs(2);

/// Serves the API until `shutdown` is ready, and then ends within `settings.api.shutdown`: no new connections, requests
/// under way are finished, those that wait for a job answer what they know shortly before the
/// end, and streams of events end then.
pub async fn serve(
    listener: TcpListener,
    app: Arc<App>,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let mut tasks = JoinSet::new();
    let (waiting, store) = (Arc::clone(&app.waiting), Arc::clone(&app.store));
    tasks.spawn(waiting.keep_waking(move || store.subscribe()));
    tasks.spawn(content::keep_up(&app));
    let mut running = JoinSet::new();
    let graceful = GracefulShutdown::new();
    let routes = TowerToHyperService::new(router(Arc::clone(&app)));
    let least = Pace::of(&app.settings.api);
    let connections = Connections::new(most_connections(app.settings.api.max_connections));
    let telling = Arc::new(Semaphore::new(TOLD_AT_ONCE));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(BUFFER);

    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let (stream, address) = tokio::select! {
            () = &mut shutdown => break,
            accepted = accept(&listener) => accepted,
            Some(ended) = running.join_next() => {
                if let Err(error) = ended {
                    tracing::error!(error = causes(&error), "the task of a connection broke");
                }
                continue;
            }
        };
        let Some(place) = connections.enter(address) else {
            if let Ok(turn) = Arc::clone(&telling).try_acquire_owned() {
                running.spawn(async move {
                    let _turn = turn;
                    turn_away(stream).await;
                });
            }
            continue;
        };
        let place = Arc::new(place);
        let service = {
            let (routes, place) = (routes.clone(), Arc::clone(&place));
            service_fn(move |request| answer(routes.clone(), Arc::clone(&place), request))
        };
        let connection = http.serve_connection(TokioIo::new(Watched::new(stream, least)), service);
        let connection = graceful.watch(connection);
        running.spawn(async move {
            tokio::select! {
                ended = connection => if let Err(error) = ended {
                    // A client that went away, is too slow, or does not speak HTTP.
                    tracing::debug!(error = causes(&error), "a connection broke");
                },
                () = place.lost() => tracing::debug!("a connection made room for a new one"),
            }
        });
    }
    drop(listener);

    tracing::info!("shutting down");
    let limit = app.settings.api.shutdown;
    tasks.spawn(async move {
        sleep(limit.mul_f64(0.9)).await;
        app.closing.cancel();
    });
    if timeout(limit, graceful.shutdown()).await.is_err() {
        tracing::warn!(
            connections = running.len(),
            "requests were still under way and are cut off"
        );
    }
    Ok(())
}

/// As many as the settings say, below the limit on open files, or a number that leaves room for everything else.
fn most_connections(wanted: u32) -> usize {
    let files = open_files::raise_limit();
    let most = match u64::from(wanted) {
        0 => (files / 2).min(MOST_CONNECTIONS),
        wanted => {
            let possible = files.saturating_sub(OTHER_FILES).max(1);
            if wanted > possible {
                tracing::warn!(
                    wanted,
                    possible,
                    "api.max_connections is above what the limit on open files allows"
                );
            }
            wanted.min(possible)
        }
    };
    usize::try_from(most).unwrap_or(usize::MAX)
}

async fn accept(listener: &TcpListener) -> (TcpStream, IpAddr) {
    let (stream, address) = optimus_service::accept(listener).await;
    // Answers are small and awaited; one that cannot be sent at once fails by itself soon.
    let _ = stream.set_nodelay(true);
    // The system would keep megabytes for a client that does not read them.
    #[cfg(unix)]
    let _ = rustix::net::sockopt::set_socket_send_buffer_size(&stream, SEND_BUFFER);
    (stream, address.ip())
}

/// Tells a client that there is no place for it, whatever it asks.
async fn turn_away(mut stream: TcpStream) {
    let problem = Problem::too_many_connections().to_json();
    let head = format!(
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/problem+json\r\nContent-Length: {}\r\n\
         Retry-After: 2\r\nConnection: close\r\n\r\n",
        problem.len()
    );
    let tell = async {
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(&problem).await?;
        stream.shutdown().await?;
        // A connection closed with bytes unread is reset, and the answer on its way is lost.
        let mut unread = [0; 1024];
        while stream.read(&mut unread).await? > 0 {}
        io::Result::Ok(())
    };
    // Whether it was heard or not, the connection is closed now.
    let _ = timeout(TELLING, tell).await;
}

async fn answer(
    routes: TowerToHyperService<Router>,
    place: Arc<Place>,
    mut request: Request<Incoming>,
) -> Result<Response<Underway>, Infallible> {
    let busy = place.work();
    request.extensions_mut().insert(Arc::clone(&place));
    let mut response = routes.call(request).await?;
    if place.is_last() {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
    }
    Ok(response.map(|body| Underway { body, _busy: busy }))
}

/// An answer's body, which keeps its connection from being taken for an idle one.
struct Underway {
    body: Body,
    _busy: Busy,
}

impl HttpBody for Underway {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
