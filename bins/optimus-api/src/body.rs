//! Receiving a request's body: at the least rate, within its limit, and within the memory set aside for all of them.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    body::{Body, BodyDataStream, HttpBody},
    http::{HeaderMap, header},
};
use futures_util::StreamExt;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use crate::{
    pace::{Pace, Patience},
    problem::Problem,
};

/// Bodies up to this size have memory of their own, which large ones cannot take.
const SMALL: usize = 64 << 10;

/// Memory for all small bodies, and for all large ones. One that is larger than that has all of it for itself.
const SMALL_BODIES: usize = 32 << 20;
const LARGE_BODIES: usize = 96 << 20;

/// What a body may have without a share of any memory: the number of connections bounds it. An ordinary submission is
/// smaller, so it waits for nobody.
const UNCOUNTED: usize = 8 << 10;

const KIB: usize = 1 << 10;

/// What is still read of a refused body, so that its sender gets to read the answer before the connection is closed.
const LINGER_BYTES: usize = 64 << 20;
const LINGER: Duration = Duration::from_secs(5);

/// Receives bodies.
#[derive(Debug)]
pub(crate) struct Intake {
    /// Largest body.
    limit: usize,
    pace: Pace,
    /// In KiB.
    small: Arc<Semaphore>,
    large: Arc<Semaphore>,
}

/// A body, and its share of the memory set aside for bodies.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) bytes: Vec<u8>,
    pub(crate) share: Share,
}

/// What a body holds of the memory until it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Share {
    small: Option<OwnedSemaphorePermit>,
    large: Option<OwnedSemaphorePermit>,
}

impl Intake {
    pub(crate) fn new(limit: usize, pace: Pace) -> Self {
        Self {
            limit,
            pace,
            small: Arc::new(Semaphore::new(SMALL_BODIES / KIB)),
            large: Arc::new(Semaphore::new(LARGE_BODIES / KIB)),
        }
    }

    pub(crate) async fn receive(&self, headers: &HeaderMap, body: Body) -> Result<Received, Problem> {
        let size = body.size_hint();
        if size.lower() > self.limit as u64 {
            // A client that asked first has sent nothing yet; to read on would tell it to.
            if !headers.contains_key(header::EXPECT) {
                tokio::spawn(linger(body.into_data_stream()));
            }
            return Err(Problem::body_too_large(self.limit));
        }
        let announced = size.exact().and_then(|exact| usize::try_from(exact).ok());
        let mut room = Room::new(self, announced.unwrap_or(self.limit));
        // All at once: bodies that each hold a part and wait for the rest would wait for each other. Nothing has to be
        // read meanwhile, so the client waits too.
        room.reach(announced.filter(|size| *size > SMALL).unwrap_or(0))
            .await?;
        let mut stream = body.into_data_stream();
        let mut bytes = Vec::with_capacity(announced.unwrap_or(0));
        let mut patience = Patience::new(self.pace);
        loop {
            let began = Instant::now();
            let next = timeout(patience.left(), stream.next()).await;
            patience.waited(began.elapsed());
            let chunk = match next {
                Err(_) => return Err(Problem::slow_body(self.pace.bytes_per_second)),
                Ok(None) => {
                    return Ok(Received {
                        bytes,
                        share: room.share,
                    });
                }
                Ok(Some(Err(_))) => return Err(Problem::unreadable_body()),
                Ok(Some(Ok(chunk))) => chunk,
            };
            patience.moved(chunk.len());
            let length = bytes.len() + chunk.len();
            let taken = if length > self.limit {
                Err(Problem::body_too_large(self.limit))
            } else {
                room.reach(length).await
            };
            if let Err(problem) = taken {
                tokio::spawn(linger(stream));
                return Err(problem);
            }
            bytes.extend_from_slice(&chunk);
        }
    }
}

/// The memory of one body while it is received.
struct Room<'a> {
    intake: &'a Intake,
    share: Share,
    /// The most it can become.
    most: usize,
    /// Bytes it may have by now.
    reached: usize,
    /// How long it may still wait for others to leave.
    wait: Duration,
}

impl<'a> Room<'a> {
    fn new(intake: &'a Intake, most: usize) -> Self {
        Self {
            intake,
            most,
            share: Share::default(),
            reached: UNCOUNTED,
            wait: intake.pace.grace,
        }
    }

    /// Makes room for a body of `length` bytes so far. A small body takes what it has; a large one takes more at once,
    /// for whose length was not announced.
    async fn reach(&mut self, length: usize) -> Result<(), Problem> {
        if length <= self.reached {
            return Ok(());
        }
        if length <= SMALL {
            let more = (length - self.reached).div_ceil(KIB);
            let permit = take(&self.intake.small, more, &mut self.wait).await?;
            merge(&mut self.share.small, permit);
            self.reached += more * KIB;
            return Ok(());
        }
        let held = self
            .share
            .large
            .as_ref()
            .map_or(0, OwnedSemaphorePermit::num_permits)
            * KIB;
        let wanted = length
            .next_multiple_of(SMALL)
            .min(self.most.next_multiple_of(KIB));
        let more = wanted.min(LARGE_BODIES).saturating_sub(held) / KIB;
        let permit = take(&self.intake.large, more, &mut self.wait).await?;
        merge(&mut self.share.large, permit);
        self.share.small = None;
        self.reached = wanted;
        Ok(())
    }
}

fn merge(held: &mut Option<OwnedSemaphorePermit>, more: OwnedSemaphorePermit) {
    match held {
        Some(held) => held.merge(more),
        None => *held = Some(more),
    }
}

/// So many KiB, as soon as others leave them, within what is left of the wait.
async fn take(
    memory: &Arc<Semaphore>,
    kib: usize,
    wait: &mut Duration,
) -> Result<OwnedSemaphorePermit, Problem> {
    let kib = u32::try_from(kib).map_err(|_| Problem::busy())?;
    let began = Instant::now();
    let taken = timeout(*wait, Arc::clone(memory).acquire_many_owned(kib)).await;
    *wait = wait.saturating_sub(began.elapsed());
    match taken {
        Ok(permit) => permit.map_err(|_| Problem::internal()),
        Err(_) => Err(Problem::busy()),
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
    let is_plain = match headers.get(header::CONTENT_ENCODING) {
        None => true,
        Some(encoding) => encoding.as_bytes().eq_ignore_ascii_case(b"identity"),
    };
    if is_json && is_plain {
        Ok(())
    } else {
        Err(Problem::not_json())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace = Pace {
        grace: Duration::from_millis(50),
        bytes_per_second: 1 << 20,
    };

    async fn received(intake: &Intake, body: impl Into<Body>) -> Result<Received, Problem> {
        intake.receive(&HeaderMap::new(), body.into()).await
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
        const LARGE: usize = 1024;
        let intake = Intake {
            large: Arc::new(Semaphore::new(LARGE)),
            ..Intake::new(LARGE * KIB, PACE)
        };
        let first = received(&intake, vec![b'x'; 700 * KIB]).await.unwrap();
        let second = received(&intake, vec![b'x'; 324 * KIB]).await.unwrap();
        assert_eq!(intake.large.available_permits(), 0);
        for large in [Body::from(vec![b'x'; SMALL + 1]), chunked(SMALL + 10_000)] {
            assert!(received(&intake, large).await.is_err(), "no room");
        }
        let small = received(&intake, vec![b'x'; SMALL]).await.unwrap();
        assert_eq!(small.bytes.len(), SMALL);
        drop(second);
        let again = received(&intake, chunked(300_000)).await.unwrap();
        assert_eq!(again.bytes.len(), 300_000);
        drop((first, again, small));
        assert_eq!(intake.large.available_permits(), LARGE);
        assert_eq!(intake.small.available_permits(), SMALL_BODIES / KIB);
    }

    #[tokio::test]
    async fn a_body_larger_than_all_the_memory_has_it_for_itself() {
        let intake = Intake::new(2 * LARGE_BODIES, PACE);
        let mut room = Room::new(&intake, 2 * LARGE_BODIES);
        room.reach(LARGE_BODIES + 1).await.unwrap();
        room.reach(2 * LARGE_BODIES).await.unwrap();
        assert_eq!(intake.large.available_permits(), 0);
        assert!(Room::new(&intake, SMALL + 1).reach(SMALL + 1).await.is_err());
        drop(room);
        assert_eq!(intake.large.available_permits(), LARGE_BODIES / KIB);
    }

    #[tokio::test]
    async fn an_ordinary_submission_needs_no_share() {
        let intake = Intake::new(1 << 20, PACE);
        let _all = Arc::clone(&intake.small)
            .acquire_many_owned(u32::try_from(SMALL_BODIES / KIB).unwrap())
            .await
            .unwrap();
        assert!(received(&intake, vec![b'x'; UNCOUNTED]).await.is_ok());
        assert!(received(&intake, vec![b'x'; UNCOUNTED + 1]).await.is_err());
    }

    #[tokio::test]
    async fn a_body_that_drips_after_a_quick_beginning_is_cut_off() {
        let intake = Intake::new(1 << 20, PACE);
        let quick = futures_util::stream::iter([Ok::<_, std::io::Error>(vec![b'x'; 1 << 19])]);
        let drip = futures_util::stream::repeat(()).then(|()| async {
            tokio::time::sleep(PACE.grace / 4).await;
            Ok(vec![b'x'])
        });
        let body = Body::from_stream(quick.chain(drip));
        let problem = timeout(Duration::from_secs(30), received(&intake, body))
            .await
            .unwrap();
        let problem: serde_json::Value = serde_json::from_slice(&problem.unwrap_err().to_json()).unwrap();
        assert_eq!(problem["status"], 408);
        assert_eq!(intake.large.available_permits(), LARGE_BODIES / KIB);
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
