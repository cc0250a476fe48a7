//! Clients that follow jobs: how many there are at once, and which of them goes first when there are too many.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::connections::{Client, LEAVING};

/// All streams of events of a server.
///
/// A stream is cheap, but may last for as long as a job waits. Where there are as many as there may be, the client that has
/// most loses the one that it has had longest, if it keeps more of them than the new one's client has. It may go on after the
/// last number it has.
#[derive(Debug)]
pub(crate) struct Streams {
    most: usize,
    state: Mutex<OpenStreams>,
    /// Cancelled when the server goes down: all of them end, and those that still come.
    closing: CancellationToken,
}

#[derive(Debug, Default)]
struct OpenStreams {
    open: usize,
    /// The number of the next one.
    next: u64,
    /// Those that were not told to end, in the order in which they came. No client: one that came over no connection of a
    /// server.
    by_client: HashMap<Option<Client>, BTreeMap<u64, Arc<Notify>>>,
}

impl Streams {
    pub(crate) fn new(most: usize, closing: CancellationToken) -> Arc<Self> {
        Arc::new(Self {
            most,
            state: Mutex::default(),
            closing,
        })
    }

    /// A new stream, at the cost of one that gives way where there are too many; `None` where none can.
    pub(crate) fn enter(self: &Arc<Self>, client: Option<Client>) -> Option<EventStream> {
        let mut state = self.lock();
        if state.open >= self.most {
            if state.open >= self.most.saturating_add(LEAVING) {
                return None;
            }
            state.give_way(client)?;
        }
        state.open += 1;
        state.next += 1;
        let (number, told) = (state.next, Arc::<Notify>::default());
        let streams = state.by_client.entry(client).or_default();
        streams.insert(number, Arc::clone(&told));
        Some(EventStream {
            streams: Arc::clone(self),
            client,
            number,
            told,
        })
    }

    pub(crate) fn count(&self) -> usize {
        self.lock().open
    }

    fn lock(&self) -> MutexGuard<'_, OpenStreams> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OpenStreams {
    /// Tells one to end for a new one of this client; `None` where none can.
    fn give_way(&mut self, newcomer: Option<Client>) -> Option<()> {
        let others = self.by_client.get(&newcomer).map_or(0, BTreeMap::len);
        let over = self
            .by_client
            .values_mut()
            .filter(|streams| streams.len() > others + 1);
        let most = over.max_by_key(|streams| {
            let first = streams.first_key_value().map(|(number, _)| *number);
            (streams.len(), Reverse(first))
        });
        let (_, told) = most?.pop_first()?;
        told.notify_one();
        Some(())
    }
}

/// One stream, until it is dropped.
#[derive(Debug)]
pub(crate) struct EventStream {
    streams: Arc<Streams>,
    client: Option<Client>,
    number: u64,
    told: Arc<Notify>,
}

impl EventStream {
    /// Ready when it must end.
    pub(crate) async fn lost(&self) {
        tokio::select! {
            () = self.told.notified() => {}
            () = self.streams.closing.cancelled() => {}
        }
    }
}

impl Drop for EventStream {
    fn drop(&mut self) {
        let mut state = self.streams.lock();
        state.open -= 1;
        if let Some(streams) = state.by_client.get_mut(&self.client) {
            streams.remove(&self.number);
            if streams.is_empty() {
                state.by_client.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use futures_util::FutureExt;

    use super::*;

    fn new(most: usize) -> Arc<Streams> {
        Streams::new(most, CancellationToken::new())
    }

    fn enter(streams: &Arc<Streams>, last: u8) -> Option<EventStream> {
        let client = Client::at(IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)));
        streams.enter(Some(client))
    }

    fn must_end(stream: &EventStream) -> bool {
        stream.lost().now_or_never().is_some()
    }

    #[test]
    fn there_are_so_many_and_no_more() {
        let streams = new(2);
        let first = enter(&streams, 1).unwrap();
        let second = enter(&streams, 2).unwrap();
        assert!(enter(&streams, 3).is_none(), "nobody has more than one");
        assert!(enter(&streams, 1).is_none());
        assert_eq!(streams.count(), 2);
        drop(first);
        let third = enter(&streams, 3).unwrap();
        assert!(![&second, &third].into_iter().any(must_end));
        drop((second, third));
        assert!(streams.lock().by_client.is_empty());
        assert!(enter(&new(0), 1).is_none());
    }

    #[test]
    fn the_client_that_has_most_gives_way() {
        let streams = new(5);
        let held = [1, 1, 1, 2, 2].map(|last| enter(&streams, last).unwrap());
        let newcomer = enter(&streams, 3).unwrap();
        let ended = || held.each_ref().map(must_end);
        assert_eq!(ended(), [true, false, false, false, false]);
        assert!(enter(&streams, 2).is_none(), "nobody has more than that");
        drop(held);
        drop(newcomer);
        assert_eq!(streams.count(), 0);
        assert!(streams.lock().by_client.is_empty());
    }

    #[test]
    fn those_on_their_way_out_are_bounded() {
        const MANY: usize = 10 + 2 * LEAVING;
        let streams = new(MANY);
        let held: Vec<_> = (0..MANY).map(|_| enter(&streams, 1).unwrap()).collect();
        let newcomers: Vec<_> = (0..LEAVING).map(|_| enter(&streams, 2).unwrap()).collect();
        assert_eq!(held.iter().filter(|stream| must_end(stream)).count(), LEAVING);
        assert!(enter(&streams, 3).is_none());
        drop(newcomers);
        assert!(enter(&streams, 3).is_some());
    }

    #[test]
    fn all_end_with_the_server() {
        let closing = CancellationToken::new();
        let streams = Streams::new(2, closing.clone());
        let stream = enter(&streams, 1).unwrap();
        assert!(!must_end(&stream));
        closing.cancel();
        assert!(must_end(&stream));
        assert!(must_end(&enter(&streams, 1).unwrap()));
    }
}
