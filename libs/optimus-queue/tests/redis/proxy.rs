//! A path to the server that can fail without anybody being told.

use std::{net::SocketAddr, path::PathBuf};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream, UnixStream},
    sync::watch,
};

/// Passes bytes between TCP connections and the server's socket.
pub(crate) struct Proxy {
    address: SocketAddr,
    swallowing: watch::Sender<bool>,
}

impl Proxy {
    pub(crate) async fn to(socket: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let swallowing = watch::Sender::new(false);
        let state = swallowing.subscribe();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, socket.clone(), state.clone()));
            }
        });
        Self { address, swallowing }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// From now on connections stay open and carry nothing, for good; so do new ones, until [`Proxy::recover`].
    pub(crate) fn swallow(&self) {
        self.swallowing.send_replace(true);
    }

    pub(crate) fn recover(&self) {
        self.swallowing.send_replace(false);
    }
}

async fn pass(mut client: TcpStream, socket: PathBuf, mut swallowing: watch::Receiver<bool>) {
    if !*swallowing.borrow_and_update() {
        let mut server = UnixStream::connect(socket).await.unwrap();
        tokio::select! {
            _ = copy_bidirectional(&mut client, &mut server) => return,
            _ = swallowing.wait_for(|swallowing| *swallowing) => {}
        }
    }
    std::future::pending::<()>().await;
    drop(client);
}
