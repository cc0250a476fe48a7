//! Connections that come in.

use std::{net::SocketAddr, time::Duration};

use optimus_common::causes;
use tokio::{
    net::{TcpListener, TcpStream},
    time::sleep,
};
use tracing::warn;

/// Rest after a failed accept, such as for want of file descriptors.
const RETRY: Duration = Duration::from_millis(200);

/// The next connection, however often one cannot be accepted.
pub async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) => {
                warn!(error = causes(&error), "cannot accept a connection");
                sleep(RETRY).await;
            }
        }
    }
}
