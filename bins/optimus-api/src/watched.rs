//! A client's socket, and how long it may leave an answer unread.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep, sleep},
};

use crate::pace::{Grace, Pace};

/// A client's socket. Writing to it fails when the client has left answers unread for too long.
#[derive(Debug)]
pub(crate) struct Watched {
    stream: TcpStream,
    grace: Grace,
    /// Since when nothing could be written, and when that has been too long.
    stalled: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl Watched {
    pub(crate) fn new(stream: TcpStream, pace: Pace) -> Self {
        Self {
            stream,
            grace: Grace::new(pace),
            stalled: None,
        }
    }

    fn watch(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(result) => {
                if let Some((since, _)) = self.stalled.take() {
                    self.grace.waited(since.elapsed());
                }
                self.grace.moved(*result.as_ref().unwrap_or(&0));
                Poll::Ready(result)
            }
            Poll::Pending => {
                let left = self.grace.left();
                let (_, deadline) = self
                    .stalled
                    .get_or_insert_with(|| (Instant::now(), Box::pin(sleep(left))));
                deadline.as_mut().poll(context).map(|()| {
                    Err(io::Error::new(
                        io::ErrorKind::TimedOut,
                        "the client reads too slowly",
                    ))
                })
            }
        }
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watch(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, bytes);
        self.watch(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
        time::timeout,
    };

    use super::*;

    /// A pair of connected sockets, ours watched.
    async fn pair(pace: Pace) -> (Watched, TcpStream) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (ours, _) = listener.accept().await.unwrap();
        (Watched::new(ours, pace), client)
    }

    const PACE: Pace = Pace {
        grace: Duration::from_millis(300),
        bytes_per_second: 1 << 20,
    };

    #[tokio::test]
    async fn a_client_that_does_not_read_is_cut_off() {
        let (mut ours, _client) = pair(PACE).await;
        let written = timeout(Duration::from_secs(30), ours.write_all(&vec![0; 64 << 20])).await;
        let error = written.expect("it does not wait for ever").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_client_that_reads_gets_it_all() {
        const BYTES: usize = 16 << 20;
        let (mut ours, mut client) = pair(PACE).await;
        let reading = tokio::spawn(async move {
            let mut all = Vec::new();
            client.read_to_end(&mut all).await.unwrap();
            all.len()
        });
        ours.write_all(&vec![0; BYTES]).await.unwrap();
        drop(ours);
        assert_eq!(reading.await.unwrap(), BYTES);
    }
}
