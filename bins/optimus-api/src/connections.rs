//! Connections: how many there are at once, which of them goes first when there are too many, and how long one may leave
//! an answer unread.

use std::{
    collections::BTreeMap,
    io::{self, IoSlice},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::Notify,
    time::{Instant, Sleep, sleep},
};

use crate::pace::{Pace, Patience};

/// All connections of a server. An idle one costs a client nothing to hold, so it gives way to a new one where there is
/// room for no more; one with a request under way never does.
#[derive(Debug)]
pub(crate) struct Connections {
    most: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    open: usize,
    /// The number of the next connection to become idle.
    next: u64,
    /// Those without a request under way, the longest idle first.
    idle: BTreeMap<u64, Arc<Notify>>,
}

impl Connections {
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            state: Mutex::default(),
        })
    }

    /// A place for a new connection, at the cost of the one idle longest where all are taken; `None` where none is idle.
    pub(crate) fn enter(self: &Arc<Self>) -> Option<Place> {
        self.with(|state| {
            if state.open >= self.most {
                let (_, longest) = state.idle.pop_first()?;
                longest.notify_one();
            }
            state.open += 1;
            let leave = Arc::new(Notify::new());
            Some(Place {
                connections: Arc::clone(self),
                idle_since: Mutex::new(Some(state.rest(&leave))),
                leave,
            })
        })
    }

    fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl State {
    fn rest(&mut self, leave: &Arc<Notify>) -> u64 {
        let number = self.next;
        self.next += 1;
        self.idle.insert(number, Arc::clone(leave));
        number
    }
}

/// One connection's place among all.
#[derive(Debug)]
pub(crate) struct Place {
    connections: Arc<Connections>,
    leave: Arc<Notify>,
    /// `None` while a request is under way.
    idle_since: Mutex<Option<u64>>,
}

impl Place {
    /// Ready when this connection must give way.
    pub(crate) async fn lost(&self) {
        self.leave.notified().await;
    }

    /// A request is under way until the answer is dropped.
    pub(crate) fn work(self: &Arc<Self>) -> Busy {
        self.connections.with(|state| {
            if let Some(number) = self.idle_since().take() {
                state.idle.remove(&number);
            }
        });
        Busy(Arc::clone(self))
    }

    fn idle_since(&self) -> std::sync::MutexGuard<'_, Option<u64>> {
        self.idle_since.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.with(|state| {
            state.open -= 1;
            if let Some(number) = self.idle_since().take() {
                state.idle.remove(&number);
            }
        });
    }
}

/// A request under way.
#[derive(Debug)]
pub(crate) struct Busy(Arc<Place>);

impl Drop for Busy {
    fn drop(&mut self) {
        let place = &self.0;
        place.connections.with(|state| {
            // HTTP/1 has one request at a time.
            place.idle_since().get_or_insert_with(|| state.rest(&place.leave));
        });
    }
}

/// A client's socket. Writing to it fails when the client has left answers unread for too long.
#[derive(Debug)]
pub(crate) struct Watched {
    stream: TcpStream,
    patience: Patience,
    /// Since when nothing could be written, and when that has been too long.
    stalled: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl Watched {
    pub(crate) fn new(stream: TcpStream, pace: Pace) -> Self {
        Self {
            stream,
            patience: Patience::new(pace),
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
                    self.patience.waited(since.elapsed());
                }
                self.patience.moved(*result.as_ref().unwrap_or(&0));
                Poll::Ready(result)
            }
            Poll::Pending => {
                let left = self.patience.left();
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

    use futures_util::FutureExt;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
        time::timeout,
    };

    use super::*;

    fn is_lost(place: &Place) -> bool {
        place.lost().now_or_never().is_some()
    }

    #[test]
    fn the_connection_idle_longest_gives_way() {
        let connections = Connections::new(3);
        let places = [(); 3].map(|()| Arc::new(connections.enter().unwrap()));
        let work = places[0].work();
        let newest = Arc::new(connections.enter().unwrap());
        assert_eq!([0, 1, 2].map(|i| is_lost(&places[i])), [false, true, false]);
        drop(work);
        // Idle only now, so the third goes before the first.
        let newer = Arc::new(connections.enter().unwrap());
        assert_eq!([0, 2].map(|i| is_lost(&places[i])), [false, true]);
        drop(places);
        let work = [newest.work(), newer.work()];
        let _third = Arc::new(connections.enter().unwrap()).work();
        assert!(connections.enter().is_none(), "all have a request under way");
        drop(work);
        assert!(connections.enter().is_some());
    }

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
