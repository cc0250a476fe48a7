//! Accepting connections, and ending in good order.

use std::{io, sync::Arc, time::Duration};

use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{App, router::router};

/// Longest wait for a request's head, and longest rest of an idle connection.
const HEAD: Duration = Duration::from_secs(75);

/// Rest after a failed accept, such as for want of file descriptors.
const ACCEPT_RETRY: Duration = Duration::from_millis(200);

/// Serves the API until `shutdown` is ready, and then ends within `settings.api.shutdown`: no new connections, requests
/// under way are finished, those that wait for a job answer what they know shortly before the end.
pub async fn serve(
    listener: TcpListener,
    app: Arc<App>,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let mut tasks = JoinSet::new();
    tasks.spawn(Arc::clone(&app.waiting).dispatch(app.store.subscribe()));
    let mut connections = JoinSet::new();
    let graceful = GracefulShutdown::new();
    let service = TowerToHyperService::new(router(Arc::clone(&app)));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD);

    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let stream = tokio::select! {
            () = &mut shutdown => break,
            stream = accept(&listener) => stream,
            Some(_) = connections.join_next() => continue,
        };
        let connection = http.serve_connection(TokioIo::new(stream), service.clone());
        let connection = graceful.watch(connection);
        connections.spawn(async move {
            if let Err(error) = connection.await {
                // A client that went away, or one that does not speak HTTP.
                tracing::debug!(%error, "a connection broke");
            }
        });
    }
    drop(listener);

    tracing::info!("shutting down");
    let limit = app.settings.api.shutdown;
    tasks.spawn(async move {
        sleep(limit.mul_f64(0.9)).await;
        app.waiting.close();
    });
    if timeout(limit, graceful.shutdown()).await.is_err() {
        tracing::warn!(
            connections = connections.len(),
            "requests were still under way and are cut off"
        );
    }
    Ok(())
}

async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // Answers are small and awaited; one that cannot be sent at once fails by itself soon.
                let _ = stream.set_nodelay(true);
                return stream;
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                sleep(ACCEPT_RETRY).await;
            }
        }
    }
}
