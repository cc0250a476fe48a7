//! Events from Redis' publish/subscribe, passed on inside the process.

use std::{sync::Arc, time::Duration};

use futures_util::StreamExt;
use optimus_common::causes;
use optimus_service::supervise::supervise;
use redis::{
    RedisResult,
    aio::{PubSubSink, PubSubStream},
};
use tokio::{sync::broadcast, task::JoinHandle, time};

use super::connection::Connections;
use crate::JobEvent;

/// Events kept for a receiver that is slow; it is told when it missed some.
const BACKLOG: usize = 4096;

/// How often a silent connection is asked for a sign of life, and how long the answer may take.
const PROBE_EVERY: Duration = Duration::from_secs(5);

const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// One subscription of this process, alive until it is dropped.
#[derive(Debug)]
pub(super) struct Feed {
    sender: broadcast::Sender<JobEvent>,
    task: JoinHandle<()>,
}

impl Feed {
    /// Returns when the subscription stands, so that no later event is missed but by a broken connection.
    pub(super) async fn start(connections: Arc<Connections>, channel: String) -> RedisResult<Self> {
        let first = subscribe(&connections, &channel).await?;
        let sender = broadcast::Sender::new(BACKLOG);
        let (mut first, events) = (Some(first), sender.clone());
        let task = tokio::spawn(supervise("the subscription to job events", move || {
            keep_subscribed(
                Arc::clone(&connections),
                channel.clone(),
                first.take(),
                events.clone(),
            )
        }));
        Ok(Self { sender, task })
    }

    pub(super) fn subscribe(&self) -> broadcast::Receiver<JobEvent> {
        self.sender.subscribe()
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.task.abort();
    }
}

type Subscription = (PubSubSink, PubSubStream);

async fn subscribe(connections: &Connections, channel: &str) -> RedisResult<Subscription> {
    let opening = async {
        let (mut sink, stream) = connections.client().await?.get_async_pubsub().await?.split();
        sink.subscribe(channel).await?;
        Ok((sink, stream))
    };
    time::timeout(connections.connection_timeout(), opening)
        .await
        .unwrap_or_else(|_elapsed| {
            Err(std::io::Error::new(
                std::io::ErrorKind::TimedOut,
                "no answer to the subscription in time",
            )
            .into())
        })
}

async fn keep_subscribed(
    connections: Arc<Connections>,
    channel: String,
    first: Option<Subscription>,
    sender: broadcast::Sender<JobEvent>,
) {
    if let Some(first) = first {
        forward(first, &sender).await;
    }
    loop {
        tracing::warn!("the subscription to job events broke; opening it again");
        let mut pause = SHORTEST_PAUSE;
        let subscription = loop {
            match subscribe(&connections, &channel).await {
                Ok(subscription) => break subscription,
                Err(error) => tracing::debug!(error = causes(&error), "failed to subscribe to job events"),
            }
            time::sleep(pause).await;
            pause = (2 * pause).min(LONGEST_PAUSE);
        };
        forward(subscription, &sender).await;
    }
}

/// Passes events on until the connection breaks or no longer answers.
async fn forward((mut sink, mut stream): Subscription, sender: &broadcast::Sender<JobEvent>) {
    let mut probe = time::interval(PROBE_EVERY);
    loop {
        tokio::select! {
            message = stream.next() => match message {
                Some(message) => {
                    if let Some(event) = parse(message.get_payload_bytes()) {
                        // Nobody listening is no error.
                        let _ = sender.send(event);
                    }
                }
                None => return,
            },
            _ = probe.tick() => {
                if !matches!(time::timeout(PROBE_EVERY, sink.ping::<redis::Value>()).await, Ok(Ok(_))) {
                    return;
                }
            }
        }
    }
}

fn parse(payload: &[u8]) -> Option<JobEvent> {
    let (kind, id) = std::str::from_utf8(payload).ok()?.split_once(':')?;
    let id = id.parse().ok()?;
    match kind {
        "finished" => Some(JobEvent::Finished(id)),
        "cancel" => Some(JobEvent::CancelRequested(id)),
        _ => None,
    }
}
