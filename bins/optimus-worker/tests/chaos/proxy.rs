//! A path to Redis that fails as networks do: late, in the middle of an answer, or without a word. It can also stop
//! exactly one command or one answer, by which a process is caught exactly between two of its steps.

use std::{
    net::Ipv4Addr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use optimus_testkit::waiting::TIMEOUT;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinHandle,
    time::{sleep, timeout},
};

/// Passes bytes between its clients and one server.
#[derive(Debug)]
pub(crate) struct Proxy {
    port: u16,
    path: Arc<Path>,
    accepting: JoinHandle<()>,
}

#[derive(Debug)]
struct Path {
    server: u16,
    weather: watch::Sender<Weather>,
    holds: Mutex<Vec<Arc<Catch>>>,
    connections: AtomicU64,
}

/// What is wrong with the path at the moment.
#[derive(Debug, Clone, Copy, Default)]
struct Weather {
    /// Connections stay open and carry nothing; those that meet this never do again.
    swallowing: bool,
    delay: Duration,
    /// Connections with a lower number are closed.
    cut_below: u64,
    /// Connections with a lower number are closed in the middle of their next answer.
    halve_below: u64,
}

/// What a hold waits for, and what it lets pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Point {
    /// A command: it does not reach the server.
    Command,
    /// A command: the server executes it, and its answer does not come back.
    AnswerTo,
    /// An answer: it does not come back.
    Answer,
}

#[derive(Debug)]
struct Catch {
    point: Point,
    marker: Vec<u8>,
    state: watch::Sender<Caught>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Caught {
    NotYet,
    Held,
    /// What was held goes on.
    Released,
    /// It has been passed on.
    Passed,
}

impl Catch {
    fn marker(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.marker)
    }
}

/// One command or answer that will be held. From then on its connection carries nothing, until it is released.
#[derive(Debug)]
pub(crate) struct Hold(Arc<Catch>);

impl Hold {
    /// Returns when it is held.
    pub(crate) async fn reached(&self) {
        self.becomes(Caught::Held).await;
    }

    /// Lets it go on, however late, and returns when it has been passed on.
    pub(crate) async fn release(&self) {
        self.0.state.send_replace(Caught::Released);
        self.becomes(Caught::Passed).await;
    }

    async fn becomes(&self, wanted: Caught) {
        let mut state = self.0.state.subscribe();
        timeout(TIMEOUT, state.wait_for(|state| *state == wanted))
            .await
            .unwrap_or_else(|_| panic!("{:?} of {:?}: never {wanted:?}", self.0.point, self.0.marker()))
            .unwrap();
    }
}

impl Proxy {
    pub(crate) async fn to(server: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let path = Arc::new(Path {
            server,
            weather: watch::Sender::default(),
            holds: Mutex::default(),
            connections: AtomicU64::new(0),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&path)));
        Self {
            port,
            path,
            accepting,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Everything arrives so much later, in both directions.
    pub(crate) fn delay(&self, delay: Duration) {
        self.path.weather.send_modify(|weather| weather.delay = delay);
    }

    /// Closes every connection.
    pub(crate) fn cut(&self) {
        let all = self.path.connections.load(Ordering::Relaxed);
        self.path.weather.send_modify(|weather| weather.cut_below = all);
    }

    /// Closes each connection in the middle of its next answer.
    pub(crate) fn cut_in_answers(&self) {
        let all = self.path.connections.load(Ordering::Relaxed);
        self.path.weather.send_modify(|weather| weather.halve_below = all);
    }

    /// From now on connections stay open and carry nothing, for good; so do new ones, until [`Proxy::recover`].
    pub(crate) fn swallow(&self) {
        self.path.weather.send_modify(|weather| weather.swallowing = true);
    }

    /// New connections work again, and at once.
    pub(crate) fn recover(&self) {
        self.path.weather.send_modify(|weather| {
            weather.swallowing = false;
            weather.delay = Duration::ZERO;
        });
    }

    /// Holds the first command or answer from now on in which this text stands.
    pub(crate) fn hold(&self, point: Point, marker: &str) -> Hold {
        let catch = Arc::new(Catch {
            point,
            marker: marker.as_bytes().to_vec(),
            state: watch::Sender::new(Caught::NotYet),
        });
        self.path.holds.lock().unwrap().push(Arc::clone(&catch));
        Hold(catch)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        // Ends the tasks of all connections.
        self.path
            .weather
            .send_modify(|weather| weather.cut_below = u64::MAX);
    }
}

async fn accept(listener: TcpListener, path: Arc<Path>) {
    while let Ok((client, _)) = listener.accept().await {
        let number = path.connections.fetch_add(1, Ordering::Relaxed);
        tokio::spawn(serve(client, number, Arc::clone(&path)));
    }
}

async fn serve(client: TcpStream, number: u64, path: Arc<Path>) {
    let mut weather = path.weather.subscribe();
    let cut = async {
        let _ = weather.wait_for(|weather| number < weather.cut_below).await;
    };
    let passing = async {
        // A server that is not there is a connection that closes.
        let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, path.server)).await else {
            return;
        };
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        let frozen = watch::Sender::new(false);
        let pump = |from, to, way| {
            let pump = Pump {
                from,
                to,
                way,
                number,
                path: &path,
                frozen: &frozen,
                tail: Vec::new(),
            };
            pump.run()
        };
        // Either end is the end of both.
        tokio::select! {
            () = pump(from_client, to_server, Way::ToServer) => {}
            () = pump(from_server, to_client, Way::ToClient) => {}
        }
    };
    tokio::select! {
        () = cut => {}
        () = passing => {}
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    ToServer,
    ToClient,
}

/// One direction of a connection.
struct Pump<'a> {
    from: OwnedReadHalf,
    to: OwnedWriteHalf,
    way: Way,
    number: u64,
    path: &'a Path,
    /// Nothing passes in either direction.
    frozen: &'a watch::Sender<bool>,
    /// The end of what passed before: a marker may come in two pieces.
    tail: Vec<u8>,
}

impl Pump<'_> {
    /// Returns when the connection is over.
    async fn run(mut self) {
        let mut buffer = vec![0; 64 << 10];
        loop {
            let Ok(count @ 1..) = self.from.read(&mut buffer).await else {
                return;
            };
            let data = &buffer[..count];
            let caught = self.catch(data);
            if let Some(catch) = &caught {
                // Before anything of it goes on: no answer may overtake this.
                self.frozen.send_replace(true);
                if catch.point == Point::AnswerTo && self.to.write_all(data).await.is_err() {
                    return;
                }
                catch.state.send_replace(Caught::Held);
                let released = |state: &Caught| *state == Caught::Released;
                // Its answer is held by the other direction, for as long.
                let _ = catch.state.subscribe().wait_for(released).await;
                self.frozen.send_replace(false);
                if catch.point == Point::AnswerTo {
                    continue;
                }
            } else {
                let _ = self.frozen.subscribe().wait_for(|frozen| !frozen).await;
            }
            let weather = *self.path.weather.borrow();
            if weather.swallowing {
                std::future::pending::<()>().await;
            }
            if !weather.delay.is_zero() {
                sleep(weather.delay).await;
            }
            if self.way == Way::ToClient && self.number < weather.halve_below {
                // Whatever becomes of it: the connection closes.
                let _ = self.to.write_all(&data[..count / 2]).await;
                return;
            }
            if self.to.write_all(data).await.is_err() {
                return;
            }
            if let Some(catch) = caught {
                catch.state.send_replace(Caught::Passed);
            }
        }
    }

    /// The hold that this is the first to match, if any. It matches no more after that.
    fn catch(&mut self, data: &[u8]) -> Option<Arc<Catch>> {
        let mut holds = self.path.holds.lock().unwrap();
        if holds.is_empty() {
            self.tail.clear();
            return None;
        }
        self.tail.extend_from_slice(data);
        let way = self.way;
        let matches = |catch: &Arc<Catch>| {
            let in_this_way = (catch.point == Point::Answer) == (way == Way::ToClient);
            in_this_way
                && self
                    .tail
                    .windows(catch.marker.len())
                    .any(|window| window == catch.marker)
        };
        let found = holds.iter().position(matches).map(|index| holds.remove(index));
        let longest = holds.iter().map(|catch| catch.marker.len()).max().unwrap_or(0);
        let kept = self.tail.len().saturating_sub(longest);
        self.tail.drain(..kept);
        found
    }
}
