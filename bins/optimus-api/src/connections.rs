//! Connections: how many there are at once, and which of them goes first when there are too many.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashMap},
    future::pending,
    net::{IpAddr, Ipv6Addr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

/// Connections beside the most there may be: those that were told to give way and are on their way out.
pub(crate) const LEAVING: usize = 32;

/// A connection is not idle for certain before this: its request may be on the way.
const FRESH: Duration = Duration::from_millis(250);

/// Neither a body nor any other request gives way before it has been on its way for this long: most are over by then.
const QUICK: Duration = Duration::from_secs(1);

/// All connections of a server.
///
/// What costs a client nothing to hold gives way to a new connection where there is room for no more: an idle connection
/// is closed, a request that only waits for a job is answered at once with what there is to tell, one that follows a job is
/// cut off, since its client may go on where it was, one whose body is still on its way is refused. The client that has most connections gives way, so that nobody loses by what one hoards; it loses
/// first what it misses least. Any other request under way, such as an answer that is read slowly, stays, unless its client
/// has more connections than the new one's client will have: then it is cut off, so that nobody has more than a share of the
/// places where others need them. Among the connections of one client, such as a proxy, none is cut off for another.
#[derive(Debug)]
pub(crate) struct Connections {
    most: usize,
    state: Mutex<OpenConnections>,
}

#[derive(Debug, Default)]
struct OpenConnections {
    open: usize,
    /// The number of the next connection that may give way.
    next: u64,
    by_client: HashMap<Client, Held>,
}

/// Whose connections, and streams of events, are counted together: an address, or the network that one customer gets in IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Client(IpAddr);

impl Client {
    pub(crate) fn at(address: IpAddr) -> Self {
        /// The first half of an address names the network.
        const NETWORK: u128 = u128::MAX << 64;
        Self(match address.to_canonical() {
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & NETWORK).into(),
            address @ IpAddr::V4(_) => address,
        })
    }
}

/// A client's connections, numbered in the order in which they came to be as they are.
#[derive(Debug, Default)]
struct Held {
    /// Connections without a request under way, and since when. Told to give way, they are closed.
    idle: BTreeMap<u64, (Instant, Arc<Notify>)>,
    /// Connections whose request waits for a job, or follows one. Told to give way, it waits no more, or is cut off.
    waiting: BTreeMap<u64, Arc<Notify>>,
    /// Connections whose request's body is being received, and since when. Told to give way, it is refused.
    receiving: BTreeMap<u64, (Instant, Arc<Notify>)>,
    /// Connections with any other request under way, and since when. Told to give way, they are cut off.
    under_way: BTreeMap<u64, (Instant, Arc<Notify>)>,
}

impl Held {
    fn len(&self) -> usize {
        self.idle.len() + self.waiting.len() + self.receiving.len() + self.under_way.len()
    }

    /// The one longest so.
    fn first(&self) -> Option<u64> {
        let waiting = self.waiting.keys().next();
        let others = [&self.idle, &self.receiving, &self.under_way].into_iter();
        let others = others.filter_map(|others| others.keys().next());
        others.chain(waiting).min().copied()
    }

    /// Whether there are still more of them than of a client that has so many and gets another one, when one of them is gone.
    fn is_over(&self, others: usize) -> bool {
        self.len() > others + 1
    }

    /// Whether there is one that would give way now to a client that has so many.
    fn can_give_way(&self, others: usize) -> bool {
        !self.idle.is_empty()
            || !self.waiting.is_empty()
            || has_lasted(&self.receiving, QUICK)
            || self.is_over(others) && has_lasted(&self.under_way, QUICK)
    }

    /// Tells one to give way: the one idle longest, where none has been so for a while the one that waits longest, then the
    /// body longest on its way, then, where it may be, the request longest under way. What has just come goes last: its
    /// request may be there in a moment, and where one newcomer made room for the next, nobody would be served for as long as
    /// slow clients have every place.
    fn give_way(&mut self, others: usize) {
        let is_over = self.is_over(others);
        let told = pop_lasting(&mut self.idle, FRESH)
            .or_else(|| self.waiting.pop_first().map(|(_, told)| told))
            .or_else(|| pop_lasting(&mut self.receiving, QUICK))
            .or_else(|| is_over.then(|| pop_lasting(&mut self.under_way, QUICK)).flatten())
            .or_else(|| pop_lasting(&mut self.idle, Duration::ZERO));
        if let Some(told) = told {
            told.notify_one();
        }
    }
}

/// Whether the first of these has been so for this long.
fn has_lasted(these: &BTreeMap<u64, (Instant, Arc<Notify>)>, long: Duration) -> bool {
    let first = these.first_key_value();
    first.is_some_and(|(_, (since, _))| since.elapsed() >= long)
}

/// Takes the first of these, where it has been so for this long.
fn pop_lasting(these: &mut BTreeMap<u64, (Instant, Arc<Notify>)>, long: Duration) -> Option<Arc<Notify>> {
    if has_lasted(these, long) {
        these.pop_first().map(|(_, (_, told))| told)
    } else {
        None
    }
}

impl Connections {
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            state: Mutex::default(),
        })
    }

    /// A place for a new connection, at the cost of one that gives way where all are taken; `None` where none can.
    pub(crate) fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let client = Client::at(address);
        self.with(|state| {
            if state.open >= self.most {
                if state.open >= self.most + LEAVING {
                    return None;
                }
                state.give_way(client)?;
            }
            state.open += 1;
            let closed = Arc::default();
            Some(Place {
                connections: Arc::clone(self),
                client,
                number: Mutex::new(Some(state.rest(client, &closed))),
                closed,
                is_last: AtomicBool::new(false),
            })
        })
    }

    fn with<T>(&self, change: impl FnOnce(&mut OpenConnections) -> T) -> T {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl OpenConnections {
    fn rest(&mut self, client: Client, closed: &Arc<Notify>) -> u64 {
        let number = self.number();
        let idle = &mut self.by_client.entry(client).or_default().idle;
        idle.insert(number, (Instant::now(), Arc::clone(closed)));
        number
    }

    fn wait(&mut self, client: Client, told: &Arc<Notify>) -> u64 {
        let number = self.number();
        let waiting = &mut self.by_client.entry(client).or_default().waiting;
        waiting.insert(number, Arc::clone(told));
        number
    }

    fn receive(&mut self, client: Client, told: &Arc<Notify>) -> u64 {
        let number = self.number();
        let receiving = &mut self.by_client.entry(client).or_default().receiving;
        receiving.insert(number, (Instant::now(), Arc::clone(told)));
        number
    }

    fn work(&mut self, client: Client, told: &Arc<Notify>) -> u64 {
        let number = self.number();
        let under_way = &mut self.by_client.entry(client).or_default().under_way;
        under_way.insert(number, (Instant::now(), Arc::clone(told)));
        number
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Whether it still was there: not where it has been told to give way.
    fn leave(&mut self, client: Client, number: u64) -> bool {
        let Some(held) = self.by_client.get_mut(&client) else {
            return false;
        };
        let was_there = held.idle.remove(&number).is_some()
            || held.waiting.remove(&number).is_some()
            || held.receiving.remove(&number).is_some()
            || held.under_way.remove(&number).is_some();
        if held.len() == 0 {
            self.by_client.remove(&client);
        }
        was_there
    }

    /// Tells one to give way to a new one of this client; `None` where none can.
    fn give_way(&mut self, newcomer: Client) -> Option<()> {
        let others = self.by_client.get(&newcomer).map_or(0, Held::len);
        let clients = self
            .by_client
            .iter()
            .filter(|(_, held)| held.can_give_way(others));
        let most = clients.max_by_key(|(_, held)| (held.len(), Reverse(held.first())));
        let client = *most?.0;
        let held = self.by_client.get_mut(&client)?;
        held.give_way(others);
        if held.len() == 0 {
            self.by_client.remove(&client);
        }
        Some(())
    }
}

/// One connection's place among all.
#[derive(Debug)]
pub(crate) struct Place {
    connections: Arc<Connections>,
    client: Client,
    closed: Arc<Notify>,
    /// `None` while a request stands: that has a number of its own.
    number: Mutex<Option<u64>>,
    /// Whether its place is given to another one as soon as the request under way is answered.
    is_last: AtomicBool,
}

impl Place {
    /// Ready when this connection must give way.
    pub(crate) async fn lost(&self) {
        self.closed.notified().await;
    }

    /// A request is under way until the answer is dropped.
    pub(crate) fn work(self: &Arc<Self>) -> Busy {
        self.connections.with(|state| {
            let mut number = self.number();
            if let Some(number) = number.take() {
                state.leave(self.client, number);
            }
            *number = Some(state.work(self.client, &self.closed));
        });
        Busy(Arc::clone(self))
    }

    pub(crate) fn client(&self) -> Client {
        self.client
    }

    /// Whether the connection must be closed behind the answer to the request under way.
    pub(crate) fn is_last(&self) -> bool {
        self.is_last.load(Ordering::Relaxed)
    }

    /// The request under way does nothing but wait, until the answer is dropped.
    pub(crate) fn wait(self: &Arc<Self>) -> Standing {
        self.stand(OpenConnections::wait, Arc::default())
    }

    /// The request under way waits as well, but its answer has begun: told to give way, its connection is closed, since an
    /// answer that its client does not take would end by nothing else.
    pub(crate) fn follow(self: &Arc<Self>) -> Standing {
        self.stand(OpenConnections::wait, Arc::clone(&self.closed))
    }

    /// The body of the request under way is being received, until the answer is dropped.
    pub(crate) fn receive(self: &Arc<Self>) -> Standing {
        self.stand(OpenConnections::receive, Arc::default())
    }

    fn stand(
        self: &Arc<Self>,
        enter: impl FnOnce(&mut OpenConnections, Client, &Arc<Notify>) -> u64,
        told: Arc<Notify>,
    ) -> Standing {
        let number = self.connections.with(|state| {
            if let Some(number) = self.number().take() {
                state.leave(self.client, number);
            }
            enter(state, self.client, &told)
        });
        Standing {
            place: Arc::clone(self),
            number,
            told,
        }
    }

    fn number(&self) -> MutexGuard<'_, Option<u64>> {
        self.number.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.with(|state| {
            state.open -= 1;
            if let Some(number) = self.number().take() {
                state.leave(self.client, number);
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
            let mut number = place.number();
            if let Some(number) = number.take() {
                state.leave(place.client, number);
            }
            *number = Some(state.rest(place.client, &place.closed));
        });
    }
}

/// A request that waits, or whose body is being received.
#[derive(Debug)]
pub(crate) struct Standing {
    place: Arc<Place>,
    number: u64,
    told: Arc<Notify>,
}

impl Standing {
    /// Ready when the request must go on no longer, because its place is needed.
    pub(crate) async fn lost(&self) {
        self.told.notified().await;
    }
}

/// Ready when this is lost; never, where there is none: a request that came over no connection of a server.
pub(crate) async fn lost(standing: Option<Standing>) {
    match standing {
        Some(standing) => standing.lost().await,
        None => pending().await,
    }
}

impl Drop for Standing {
    fn drop(&mut self) {
        let Self { place, number, .. } = self;
        let kept = place.connections.with(|state| {
            // What is left of the request is under way as any other.
            place
                .number()
                .get_or_insert_with(|| state.work(place.client, &place.closed));
            state.leave(place.client, *number)
        });
        // Whatever ended it: another connection has its place.
        if !kept {
            place.is_last.store(true, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use futures_util::FutureExt;
    use tokio::time::advance;

    use super::*;

    const ONE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    const OTHER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));

    fn is_lost(place: &Place) -> bool {
        place.lost().now_or_never().is_some()
    }

    fn waits_no_more(standing: &Standing) -> bool {
        standing.lost().now_or_never().is_some()
    }

    #[test]
    fn the_connection_idle_longest_gives_way() {
        let connections = Connections::new(3);
        let places = [(); 3].map(|()| Arc::new(connections.enter(ONE).unwrap()));
        let work = places[0].work();
        let newest = Arc::new(connections.enter(ONE).unwrap());
        assert_eq!([0, 1, 2].map(|i| is_lost(&places[i])), [false, true, false]);
        drop(work);
        // Idle only now, so the third goes before the first.
        let newer = Arc::new(connections.enter(ONE).unwrap());
        assert_eq!([0, 2].map(|i| is_lost(&places[i])), [false, true]);
        drop(places);
        let work = [newest.work(), newer.work()];
        let _third = Arc::new(connections.enter(ONE).unwrap()).work();
        assert!(connections.enter(ONE).is_none(), "all have a request under way");
        drop(work);
        assert!(connections.enter(ONE).is_some());
    }

    #[test]
    fn a_request_that_waits_gives_way_where_nothing_is_idle() {
        let connections = Connections::new(3);
        let places = [(); 3].map(|()| Arc::new(connections.enter(ONE).unwrap()));
        let _work = places.each_ref().map(Place::work);
        let waits = [0, 1].map(|i| places[i].wait());
        let _newest = Arc::new(connections.enter(ONE).unwrap()).work();
        assert_eq!(waits.each_ref().map(waits_no_more), [true, false]);
        drop(waits);
        assert_eq!(
            places.each_ref().map(|place| place.is_last()),
            [true, false, false]
        );
        assert!(
            connections.enter(ONE).is_none(),
            "nothing waits that was not told"
        );
    }

    #[test]
    fn the_connection_of_an_answer_that_goes_on_is_closed_for_another() {
        let connections = Connections::new(1);
        let place = Arc::new(connections.enter(ONE).unwrap());
        let _work = place.work();
        let follows = place.follow();
        let newcomer = connections.enter(OTHER);
        assert!(newcomer.is_some() && is_lost(&place));
        drop(follows);
        assert!(place.is_last());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_idle_for_a_while_goes_before_what_waits_and_that_before_what_has_just_come() {
        let connections = Connections::new(3);
        let place = || Arc::new(connections.enter(ONE).unwrap());
        let [waits, idle] = [place(), place()];
        let _work = waits.work();
        let waiting = waits.wait();
        advance(FRESH).await;
        let fresh = place();
        let _places = [place(), place()];
        let told = (is_lost(&idle), waits_no_more(&waiting), is_lost(&fresh));
        assert_eq!(told, (true, true, false));
        let _place = place();
        assert!(is_lost(&fresh), "nothing else is left");
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_arrive_gives_way_before_what_has_just_come() {
        let connections = Connections::new(3);
        let place = |address| Arc::new(connections.enter(address).unwrap());
        let places = [place(ONE), place(ONE), place(ONE)];
        let _work = places.each_ref().map(Place::work);
        let bodies = [places[0].receive(), places[1].receive()];
        assert!(connections.enter(OTHER).is_none(), "they may be there at once");
        advance(QUICK).await;
        let fresh = place(ONE);
        let waiting = places[2].wait();
        let told = (bodies.each_ref().map(waits_no_more), is_lost(&fresh));
        assert_eq!(told, ([true, false], false));
        let [first, second] = bodies;
        drop(first);
        assert!(places[0].is_last());
        // Nor does it before a request that waits.
        let _newer = place(ONE);
        assert_eq!((waits_no_more(&waiting), waits_no_more(&second)), (true, false));
        let _newest = place(ONE);
        assert!(waits_no_more(&second) && !is_lost(&fresh));
        drop(second);
        let _last = place(ONE);
        assert!(is_lost(&fresh), "nothing else is left");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_whose_bodies_come_quickly_shields_nobody_else() {
        let connections = Connections::new(3);
        let place = |address| Arc::new(connections.enter(address).unwrap());
        let places = [place(ONE), place(OTHER), place(OTHER)];
        let _work = places.each_ref().map(Place::work);
        let slow = places[0].receive();
        advance(QUICK).await;
        let quick = [places[1].receive(), places[2].receive()];
        let _newest = place(OTHER);
        assert!(waits_no_more(&slow));
        assert_eq!(quick.each_ref().map(waits_no_more), [false, false]);
    }

    #[test]
    fn the_client_that_has_most_gives_way_first() {
        let connections = Connections::new(4);
        let place = |address| Arc::new(connections.enter(address).unwrap());
        let places = [place(OTHER), place(ONE), place(ONE), place(ONE)];
        let _work = places.each_ref().map(Place::work);
        let waits = [0, 1, 2].map(|i| places[i].wait());
        let newest = place(OTHER);
        let told = waits.each_ref().map(waits_no_more);
        assert_eq!(told, [false, true, false], "though it waits less long");
        let _newest = newest.work();
        let last = place(OTHER);
        let _last = last.work();
        let told = waits.each_ref().map(waits_no_more);
        assert_eq!(
            told,
            [false, false, true],
            "both have two, and its other request is older"
        );
        let _another = place(ONE);
        let told = waits.each_ref().map(waits_no_more);
        assert_eq!(told, [true, false, false], "now the other one has most");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_with_more_than_a_share_is_cut_off_where_another_needs_it() {
        let connections = Connections::new(4);
        let place = |address| Arc::new(connections.enter(address).unwrap());
        let places = [place(ONE), place(ONE), place(ONE), place(ONE)];
        let work = places.each_ref().map(Place::work);
        assert!(connections.enter(OTHER).is_none(), "they may be over at once");
        advance(QUICK).await;
        assert!(connections.enter(ONE).is_none(), "nobody is cut off for its own");
        let first = place(OTHER);
        let _first = first.work();
        assert_eq!(
            places.each_ref().map(|place| is_lost(place)),
            [true, false, false, false]
        );
        let second = place(OTHER);
        let _second = second.work();
        assert_eq!(
            places.each_ref().map(|place| is_lost(place)),
            [false, true, false, false]
        );
        advance(QUICK).await;
        assert!(connections.enter(OTHER).is_none(), "both have the same");
        assert!(connections.enter(ONE).is_none());
        // One that was told counts no more, nor when it ends.
        drop(work);
        drop(places);
        assert_eq!(connections.with(|state| state.open), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_of_one_connection_is_never_cut_off_for_another() {
        let connections = Connections::new(1);
        let place = Arc::new(connections.enter(ONE).unwrap());
        let _work = place.work();
        advance(QUICK).await;
        assert!(connections.enter(OTHER).is_none());
    }

    #[test]
    fn those_on_their_way_out_are_bounded() {
        let connections = Connections::new(1);
        let told: Vec<_> = (0..=LEAVING).map(|_| connections.enter(ONE)).collect();
        assert!(told.iter().all(Option::is_some));
        assert!(connections.enter(ONE).is_none());
        drop(told);
        assert!(connections.enter(ONE).is_some());
    }

    #[test]
    fn a_client_is_an_address_or_a_network() {
        let client = |address: &str| Client::at(address.parse().unwrap());
        assert_eq!(client("::ffff:192.0.2.1"), Client(ONE));
        assert_ne!(client("192.0.2.1"), client("192.0.2.2"));
        assert_eq!(client("2001:db8:0:1::5"), client("2001:db8:0:1:ffff::6"));
        assert_ne!(client("2001:db8:0:1::5"), client("2001:db8:0:2::5"));
    }
}
