//! Receiving a request's body: at the least rate, within its limit, and within the memory set aside for all of them.

use std::{future::pending, pin::pin, sync::Arc, time::Duration};

use axum::{
    body::{Body, BodyDataStream, Bytes, HttpBody},
    http::{HeaderMap, header},
};
use futures_util::StreamExt;
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, timeout},
};

use crate::{
    connections::{self, Standing},
    pace::{Grace, Pace},
    problem::Problem,
    room::{NoRoom, Pool, Reservation},
};

/// Bodies up to this size have memory of their own, which large ones cannot take.
const SMALL: usize = 64 << 10;

/// Memory for all small bodies; and for all large ones at least, which is what the largest one needs and something for
/// others beside it.
const SMALL_BODIES: usize = 32 << 20;
const LARGE_BODIES: usize = 96 << 20;
const BESIDE_THE_LARGEST: usize = 16 << 20;

/// What a body may have without a share of any memory: the number of connections bounds it. An ordinary submission is
/// smaller, so it waits for nobody.
const UNCOUNTED: usize = 8 << 10;

/// What is still read of a refused body, so that its sender gets to read the answer before the connection is closed.
const LINGER_BYTES: usize = 64 << 20;
const LINGER: Duration = Duration::from_secs(5);

/// Receives bodies.
#[derive(Debug)]
pub(crate) struct BodyReceiver {
    /// Largest body.
    limit: usize,
    pace: Pace,
    small: Arc<Pool>,
    large: Arc<Pool>,
}

/// A body, and its share of the memory set aside for bodies.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) bytes: Vec<u8>,
    pub(crate) share: MemoryShare,
}

/// What a body holds of the memory until it is dropped.
#[derive(Debug)]
pub(crate) struct MemoryShare {
    _held: Option<OwnedSemaphorePermit>,
}

/// Where a body goes.
pub(crate) trait Destination: Send {
    /// The most of a body that is in memory at once.
    fn window(&self) -> usize;

    fn take(&mut self, chunk: Bytes) -> impl Future<Output = Result<(), Problem>> + Send;
}

/// Memory that has room for all of a body.
struct Whole {
    bytes: Vec<u8>,
    /// Bytes that the body may have.
    most: usize,
}

impl Destination for Whole {
    fn window(&self) -> usize {
        self.most
    }

    async fn take(&mut self, chunk: Bytes) -> Result<(), Problem> {
        let length = self.bytes.len() + chunk.len();
        grow(&mut self.bytes, length, self.most);
        self.bytes.extend_from_slice(&chunk);
        Ok(())
    }
}

impl BodyReceiver {
    /// For bodies of at most `limit` bytes, of which `window` bytes at most are in memory at once.
    pub(crate) fn new(limit: usize, window: usize, pace: Pace) -> Self {
        let large = LARGE_BODIES.max(window.saturating_add(BESIDE_THE_LARGEST));
        Self {
            limit,
            pace,
            small: Pool::new(SMALL_BODIES, pace),
            large: Pool::new(large, pace),
        }
    }

    /// Receives a body into memory.
    pub(crate) async fn receive(
        &self,
        headers: &HeaderMap,
        body: Body,
        standing: Option<Standing>,
    ) -> Result<Received, Problem> {
        let announced = body.size_hint().exact();
        let announced = announced.and_then(|exact| usize::try_from(exact).ok());
        let mut whole = Whole {
            bytes: Vec::new(),
            most: announced.unwrap_or(self.limit),
        };
        let share = self.pass_on(headers, body, standing, &mut whole).await?;
        Ok(Received {
            bytes: whole.bytes,
            share,
        })
    }

    /// Receives a body, within what is set aside for all of them, and for as long as nobody needs its connection's place.
    pub(crate) async fn pass_on(
        &self,
        headers: &HeaderMap,
        body: Body,
        standing: Option<Standing>,
        to: &mut impl Destination,
    ) -> Result<MemoryShare, Problem> {
        let mut place_lost = pin!(connections::lost(standing));
        if body.size_hint().lower() > self.limit as u64 {
            // A client that asked first has sent nothing yet; to read on would tell it to.
            if !headers.contains_key(header::EXPECT) {
                tokio::spawn(linger(body.into_data_stream()));
            }
            return Err(Problem::body_too_large(self.limit));
        }
        let mut room = Room::new(self);
        let mut stream = body.into_data_stream();
        let mut length = 0;
        let mut grace = Grace::new(self.pace);
        let refused = loop {
            let began = Instant::now();
            let next = tokio::select! {
                next = timeout(grace.left(), stream.next()) => next,
                () = room.lost() => break Problem::gave_way(),
                () = &mut place_lost => break Problem::too_many_connections(),
            };
            grace.waited(began.elapsed());
            let chunk = match next {
                Err(_) => return Err(Problem::slow_body(self.pace.bytes_per_second)),
                Ok(None) => return Ok(room.arrived()),
                Ok(Some(Err(_))) => return Err(Problem::unreadable_body()),
                Ok(Some(Ok(chunk))) => chunk,
            };
            grace.moved(chunk.len());
            length += chunk.len();
            if length > self.limit {
                break Problem::body_too_large(self.limit);
            }
            let reached = tokio::select! {
                biased;
                reached = room.reach(length.min(to.window())) => reached,
                () = &mut place_lost => break Problem::too_many_connections(),
            };
            if let Err(problem) = reached {
                break problem;
            }
            if let Err(problem) = to.take(chunk).await {
                break problem;
            }
        };
        drop(room);
        tokio::spawn(linger(stream));
        Err(refused)
    }
}

/// Makes room for `length` bytes of at most so many: much at once, so that it happens seldom, and never for more than
/// twice what has arrived, since what a head announces costs its client nothing.
fn grow(bytes: &mut Vec<u8>, length: usize, most: usize) {
    if length > bytes.capacity() {
        let wanted = bytes.capacity().saturating_mul(2).min(most).max(length);
        bytes.reserve_exact(wanted - bytes.len());
    }
}

/// The memory of one body while it is received.
struct Room<'a> {
    body_receiver: &'a BodyReceiver,
    began: Instant,
    small: Option<Reservation>,
    large: Option<Reservation>,
    /// How long it may still wait for others to leave.
    wait: Duration,
}

impl<'a> Room<'a> {
    fn new(body_receiver: &'a BodyReceiver) -> Self {
        Self {
            body_receiver,
            began: Instant::now(),
            small: None,
            large: None,
            wait: body_receiver.pace.grace,
        }
    }

    /// Makes room for a body of `length` bytes so far.
    async fn reach(&mut self, length: usize) -> Result<(), Problem> {
        let Self {
            body_receiver, began, ..
        } = *self;
        let reached = if length <= UNCOUNTED {
            Ok(())
        } else if length <= SMALL {
            let reservation = self
                .small
                .get_or_insert_with(|| Reservation::new(&body_receiver.small, began));
            reservation.reach(length - UNCOUNTED, &mut self.wait).await
        } else {
            let reservation = self
                .large
                .get_or_insert_with(|| Reservation::new(&body_receiver.large, began));
            // Meanwhile it holds room for small bodies, which others may need more.
            let reached = tokio::select! {
                biased;
                reached = reservation.reach(length.next_multiple_of(SMALL), &mut self.wait) => reached,
                () = lost(self.small.as_ref()) => Err(NoRoom::GaveWay),
            };
            self.small = None;
            reached
        };
        reached.map_err(|reason| match reason {
            NoRoom::Full => Problem::busy(),
            NoRoom::GaveWay => Problem::gave_way(),
        })
    }

    /// Ready when others need the room more.
    async fn lost(&self) {
        lost(self.large.as_ref().or(self.small.as_ref())).await;
    }

    fn arrived(self) -> MemoryShare {
        let reservation = self.large.or(self.small);
        MemoryShare {
            _held: reservation.and_then(Reservation::arrived),
        }
    }
}

/// Ready when others need the room of this reservation more.
async fn lost(reservation: Option<&Reservation>) {
    match reservation {
        Some(reservation) => reservation.lost().await,
        None => pending().await,
    }
}

/// Reads on and throws away. A connection closed with bytes unread is reset, and the answer on its way is lost.
async fn linger(mut stream: BodyDataStream) {
    let discard = async {
        let mut left = LINGER_BYTES;
        while let Some(Ok(chunk)) = stream.next().await {
            left = left.saturating_sub(chunk.len());
            if left == 0 {
                break;
            }
        }
    };
    // Whether it ended or the time did, the connection may be closed now.
    let _ = timeout(LINGER, discard).await;
}

/// Refuses what does not say that it is JSON, or is compressed.
pub(crate) fn require_json(headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let essence = text(header::CONTENT_TYPE)
        .and_then(|value| value.split(';').next())
        .unwrap_or_default();
    let essence = essence.trim().to_ascii_lowercase();
    let is_json =
        essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"));
    if is_json && is_plain(headers) {
        Ok(())
    } else {
        Err(Problem::not_json())
    }
}

/// Refuses what is compressed.
pub(crate) fn require_plain(headers: &HeaderMap) -> Result<(), Problem> {
    if is_plain(headers) {
        Ok(())
    } else {
        Err(Problem::encoded())
    }
}

fn is_plain(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_ENCODING)
        .is_none_or(|encoding| encoding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace = Pace {
        grace: Duration::from_millis(50),
        bytes_per_second: 1 << 20,
    };

    async fn received(body_receiver: &BodyReceiver, body: impl Into<Body>) -> Result<Received, Problem> {
        body_receiver.receive(&HeaderMap::new(), body.into(), None).await
    }

    /// A body whose length is not announced.
    fn chunked(bytes: usize) -> Body {
        let chunks = vec![vec![b'x'; 10_000]; bytes / 10_000];
        Body::from_stream(futures_util::stream::iter(
            chunks.into_iter().map(Ok::<_, std::io::Error>),
        ))
    }

    #[tokio::test]
    async fn large_bodies_leave_the_small_ones_their_memory() {
        let body_receiver = BodyReceiver {
            large: Pool::new(1 << 20, PACE),
            ..BodyReceiver::new(1 << 20, 1 << 20, PACE)
        };
        let first = received(&body_receiver, vec![b'x'; 700_000]).await.unwrap();
        let second = received(&body_receiver, vec![b'x'; 300_000]).await.unwrap();
        assert_eq!(body_receiver.large.left(), 0);
        for large in [Body::from(vec![b'x'; SMALL + 1]), chunked(SMALL + 10_000)] {
            assert!(received(&body_receiver, large).await.is_err(), "no room");
        }
        let small = received(&body_receiver, vec![b'x'; SMALL]).await.unwrap();
        assert_eq!(small.bytes.len(), SMALL);
        drop(second);
        let again = received(&body_receiver, chunked(300_000)).await.unwrap();
        assert_eq!(again.bytes.len(), 300_000);
        drop((first, again, small));
        assert_eq!(body_receiver.large.left(), 1 << 20);
        assert_eq!(body_receiver.small.left(), SMALL_BODIES);
    }

    #[tokio::test]
    async fn beside_the_largest_body_there_is_room() {
        const LIMIT: usize = 128 << 20;
        let body_receiver = BodyReceiver::new(LIMIT, LIMIT, PACE);
        let mut largest = Room::new(&body_receiver);
        largest.reach(LIMIT).await.unwrap();
        assert!(
            received(&body_receiver, vec![b'x'; BESIDE_THE_LARGEST])
                .await
                .is_ok()
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_small_body_that_becomes_large_gives_way_to_small_ones_while_it_waits() {
        let pace = Pace {
            grace: Duration::from_hours(1),
            bytes_per_second: 1 << 10,
        };
        let body_receiver = BodyReceiver {
            small: Pool::new(SMALL, pace),
            large: Pool::new(1 << 20, pace),
            ..BodyReceiver::new(1 << 20, 1 << 20, pace)
        };
        let _large = received(&body_receiver, vec![b'x'; 1 << 20]).await.unwrap();
        let grows = async {
            let mut room = Room::new(&body_receiver);
            room.reach(SMALL).await.unwrap();
            room.reach(SMALL + 1).await
        };
        let begun = Instant::now();
        let comes = async {
            let small = received(&body_receiver, vec![b'x'; SMALL]).await;
            (small, begun.elapsed())
        };
        let (refused, (small, waited)) = tokio::join!(grows, comes);
        let told = String::from_utf8(refused.unwrap_err().to_json()).unwrap();
        assert!(told.contains("more slowly than"), "{told}");
        small.unwrap();
        assert!(waited < pace.grace / 2, "{waited:?}");
    }

    #[tokio::test]
    async fn an_announcement_takes_no_memory() {
        /// Says that it will be so long, and is not.
        struct Announced(usize, Option<axum::body::Bytes>);
        impl HttpBody for Announced {
            type Data = axum::body::Bytes;
            type Error = std::convert::Infallible;
            fn poll_frame(
                mut self: std::pin::Pin<&mut Self>,
                _: &mut std::task::Context<'_>,
            ) -> std::task::Poll<Option<Result<http_body::Frame<Self::Data>, Self::Error>>> {
                match self.1.take() {
                    Some(bytes) => std::task::Poll::Ready(Some(Ok(http_body::Frame::data(bytes)))),
                    None => std::task::Poll::Pending,
                }
            }
            fn size_hint(&self) -> http_body::SizeHint {
                http_body::SizeHint::with_exact(self.0 as u64)
            }
        }
        const LIMIT: usize = 128 << 20;
        let body_receiver = Arc::new(BodyReceiver::new(
            LIMIT,
            LIMIT,
            Pace {
                grace: Duration::from_hours(1),
                ..PACE
            },
        ));
        let all = body_receiver.large.left();
        let begins = || Body::new(Announced(LIMIT, Some(vec![b'x'; SMALL + 1].into())));
        let receiving = (0..8).map(|_| {
            let (body_receiver, body) = (Arc::clone(&body_receiver), begins());
            tokio::spawn(async move { received(&body_receiver, body).await })
        });
        let receiving: Vec<_> = receiving.collect();
        let settled = async {
            while body_receiver.large.left() != all - 8 * 2 * SMALL {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(Duration::from_mins(1), settled)
            .await
            .expect("each has what has arrived of it");
        for body in receiving {
            body.abort();
        }
    }

    #[test]
    fn a_body_grows_with_what_has_arrived() {
        let mut bytes = Vec::new();
        let mut times = 0;
        for length in (1..1000).map(|chunk| chunk * 10_000) {
            let before = bytes.capacity();
            grow(&mut bytes, length, 9_990_000);
            times += usize::from(bytes.capacity() != before);
            bytes.resize(length, b'x');
            assert!(bytes.capacity() <= 2 * length);
        }
        assert_eq!(bytes.capacity(), 9_990_000);
        assert!(times < 20, "{times}");
    }

    #[tokio::test]
    async fn an_ordinary_submission_needs_no_share() {
        let body_receiver = BodyReceiver::new(1 << 20, 1 << 20, PACE);
        let mut all = Reservation::new(&body_receiver.small, Instant::now());
        all.reach(SMALL_BODIES, &mut PACE.grace.clone()).await.unwrap();
        let _all = all.arrived();
        assert!(received(&body_receiver, vec![b'x'; UNCOUNTED]).await.is_ok());
        assert!(received(&body_receiver, vec![b'x'; UNCOUNTED + 1]).await.is_err());
    }

    #[tokio::test]
    async fn a_body_that_drips_after_a_quick_beginning_is_cut_off() {
        let body_receiver = BodyReceiver::new(1 << 20, 1 << 20, PACE);
        let quick = futures_util::stream::iter([Ok::<_, std::io::Error>(vec![b'x'; 1 << 19])]);
        let drip = futures_util::stream::repeat(()).then(|()| async {
            tokio::time::sleep(PACE.grace / 4).await;
            Ok(vec![b'x'])
        });
        let body = Body::from_stream(quick.chain(drip));
        let problem = timeout(Duration::from_secs(30), received(&body_receiver, body))
            .await
            .unwrap();
        let problem: serde_json::Value = serde_json::from_slice(&problem.unwrap_err().to_json()).unwrap();
        assert_eq!(problem["status"], 408);
        assert_eq!(body_receiver.large.left(), LARGE_BODIES);
    }

    #[test]
    fn only_json_is_taken() {
        let with = |content_type: &str, encoding: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, content_type.parse().unwrap());
            if let Some(encoding) = encoding {
                headers.insert(header::CONTENT_ENCODING, encoding.parse().unwrap());
            }
            require_json(&headers).is_ok()
        };
        assert!(with("application/json", None));
        assert!(with("Application/JSON; charset=utf-8", Some("identity")));
        assert!(with("application/vnd.api+json", None));
        assert!(!with("text/plain", None));
        assert!(!with("application/jsonp", None));
        assert!(!with("application/json", Some("gzip")));
        assert!(require_json(&HeaderMap::new()).is_err());
    }
}
