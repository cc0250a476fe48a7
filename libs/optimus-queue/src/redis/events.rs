//! The process' one subscription to Redis' channels: events of all jobs, passed on, and what wakes those who follow a job.

use std::{sync::Arc, time::Duration};

use futures_util::StreamExt;
use optimus_common::{JobId, causes};
use optimus_service::supervise::supervise;
use redis::{
    Msg, RedisResult,
    aio::{PubSubSink, PubSubStream},
};
use tokio::{
    sync::{
        Mutex,
        broadcast::{self, Receiver},
        mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    },
    task::JoinHandle,
    time,
};

use super::{connection::Connections, keys::Keys};
use crate::{
    JobEvent,
    watchers::{Listener, Watch, Watchers},
};

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
    watchers: Arc<Watchers>,
    task: JoinHandle<()>,
}

impl Feed {
    /// Returns when the subscription stands, so that no later event is missed but by a broken connection.
    pub(super) async fn start(connections: Arc<Connections>, keys: Keys) -> RedisResult<Self> {
        let (changes, receiver) = unbounded_channel();
        let sender = broadcast::Sender::new(BACKLOG);
        let watchers = Arc::new(Watchers::with_listener(Changes(changes)));
        let subscriber = Arc::new(Subscriber {
            connections,
            keys,
            sender: sender.clone(),
            watchers: watchers.clone(),
            changed: Mutex::new(receiver),
        });
        let mut first = Some(subscriber.subscribe().await?);
        let task = tokio::spawn(supervise("the subscription to job events", move || {
            let (subscriber, first) = (subscriber.clone(), first.take());
            async move { subscriber.run(first).await }
        }));
        Ok(Self {
            sender,
            watchers,
            task,
        })
    }

    pub(super) fn subscribe(&self) -> Receiver<JobEvent> {
        self.sender.subscribe()
    }

    pub(super) fn watch(&self, job: JobId) -> Watch {
        self.watchers.watch(job)
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// That a job begins or ceases to be watched.
#[derive(Debug, Clone, Copy)]
enum Change {
    Begins(JobId),
    Ceases(JobId),
}

#[derive(Debug)]
struct Changes(UnboundedSender<Change>);

impl Listener for Changes {
    fn begins(&self, job: JobId) {
        // The task is gone with the store.
        let _ = self.0.send(Change::Begins(job));
    }

    fn ceases(&self, job: JobId) {
        let _ = self.0.send(Change::Ceases(job));
    }
}

type Subscription = (PubSubSink, PubSubStream);

struct Subscriber {
    connections: Arc<Connections>,
    keys: Keys,
    sender: broadcast::Sender<JobEvent>,
    watchers: Arc<Watchers>,
    changed: Mutex<UnboundedReceiver<Change>>,
}

impl Subscriber {
    async fn subscribe(&self) -> RedisResult<Subscription> {
        let opening = async {
            let client = self.connections.client().await?;
            let (mut sink, stream) = client.get_async_pubsub().await?.split();
            sink.subscribe(self.keys.events()).await?;
            for job in self.watchers.jobs() {
                sink.subscribe(self.keys.progress(job)).await?;
            }
            Ok((sink, stream))
        };
        time::timeout(self.connections.connection_timeout(), opening)
            .await
            .unwrap_or_else(|_elapsed| {
                Err(std::io::Error::new(
                    std::io::ErrorKind::TimedOut,
                    "no answer to the subscription in time",
                )
                .into())
            })
    }

    async fn run(&self, first: Option<Subscription>) {
        let mut changed = self.changed.lock().await;
        if let Some(first) = first {
            self.forward(first, &mut changed).await;
        }
        loop {
            tracing::warn!("the subscription to job events broke; opening it again");
            let mut pause = SHORTEST_PAUSE;
            let subscription = loop {
                match self.subscribe().await {
                    Ok(subscription) => break subscription,
                    Err(error) => {
                        tracing::debug!(error = causes(&error), "failed to subscribe to job events");
                    }
                }
                time::sleep(pause).await;
                pause = (2 * pause).min(LONGEST_PAUSE);
            };
            // Nobody listening is no error.
            let _ = self.sender.send(JobEvent::Missed);
            self.watchers.wake_all();
            self.forward(subscription, &mut changed).await;
        }
    }

    /// Passes events on until the connection breaks or no longer answers.
    async fn forward(&self, (mut sink, mut stream): Subscription, changed: &mut UnboundedReceiver<Change>) {
        let mut probe = time::interval(PROBE_EVERY);
        loop {
            tokio::select! {
                message = stream.next() => match message {
                    Some(message) => self.hear(&message),
                    None => return,
                },
                Some(change) = changed.recv() => {
                    if !matches!(time::timeout(PROBE_EVERY, self.follow(change, &mut sink)).await, Ok(Ok(()))) {
                        return;
                    }
                }
                _ = probe.tick() => {
                    if !matches!(time::timeout(PROBE_EVERY, sink.ping::<redis::Value>()).await, Ok(Ok(_))) {
                        return;
                    }
                }
            }
        }
    }

    async fn follow(&self, change: Change, sink: &mut PubSubSink) -> RedisResult<()> {
        match change {
            Change::Begins(job) => {
                sink.subscribe(self.keys.progress(job)).await?;
                // Something may have been told before this.
                self.watchers.wake(job);
                Ok(())
            }
            Change::Ceases(job) => sink.unsubscribe(self.keys.progress(job)).await,
        }
    }

    fn hear(&self, message: &Msg) {
        if let Some(event) = parse(message.get_payload_bytes()) {
            if let JobEvent::Finished(job) = event {
                self.watchers.wake(job);
            }
            // Nobody listening is no error.
            let _ = self.sender.send(event);
        } else if let Some(job) = message
            .get_channel_name()
            .strip_prefix(&self.keys.progress_prefix())
            .and_then(|id| id.parse().ok())
        {
            self.watchers.wake(job);
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
