//! The process' one subscription to Redis' channels: events of all jobs, passed on, and what wakes those who follow a job.

use std::{collections::HashSet, sync::Arc, time::Duration};

use futures_util::StreamExt;
use optimus_common::{JobId, causes};
use optimus_service::supervise::supervise;
use redis::{
    Msg, RedisResult,
    aio::{PubSubSink, PubSubStream},
};
use tokio::{
    sync::broadcast::{self, Receiver},
    task::JoinHandle,
    time,
};

use super::{connection::Connections, keys::Keys, publisher::UnwrittenLogs};
use crate::{
    JobEvent,
    watchers::{Watch, Watchers},
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
    pub(super) async fn start(
        connections: Arc<Connections>,
        keys: Keys,
        logs: Arc<UnwrittenLogs>,
    ) -> RedisResult<Self> {
        let sender = broadcast::Sender::new(BACKLOG);
        let watchers = Arc::<Watchers>::default();
        let subscriber = Arc::new(Subscriber {
            connections,
            keys,
            sender: sender.clone(),
            watchers: watchers.clone(),
            logs,
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

struct Subscription {
    sink: PubSubSink,
    stream: PubSubStream,
    /// Jobs to whose channels it subscribes.
    followed: HashSet<JobId>,
}

struct Subscriber {
    connections: Arc<Connections>,
    keys: Keys,
    sender: broadcast::Sender<JobEvent>,
    watchers: Arc<Watchers>,
    /// What this process tells of jobs, which has to be written where somebody follows them.
    logs: Arc<UnwrittenLogs>,
}

impl Subscriber {
    async fn subscribe(&self) -> RedisResult<Subscription> {
        let opening = async {
            let client = self.connections.client().await?;
            let (mut sink, stream) = client.get_async_pubsub().await?.split();
            sink.subscribe(self.keys.events()).await?;
            let mut subscription = Subscription {
                sink,
                stream,
                followed: HashSet::new(),
            };
            self.follow_watched(&mut subscription).await?;
            Ok(subscription)
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
        if let Some(first) = first {
            self.forward(first).await;
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
            self.forward(subscription).await;
        }
    }

    /// Passes events on until the connection breaks or no longer answers.
    async fn forward(&self, mut subscription: Subscription) {
        let mut probe = time::interval(PROBE_EVERY);
        loop {
            tokio::select! {
                message = subscription.stream.next() => match message {
                    Some(message) => self.hear(&message),
                    None => return,
                },
                () = self.watchers.watch_others() => {
                    let following = time::timeout(PROBE_EVERY, self.follow_watched(&mut subscription));
                    if !matches!(following.await, Ok(Ok(()))) {
                        return;
                    }
                }
                _ = probe.tick() => {
                    if !matches!(time::timeout(PROBE_EVERY, subscription.sink.ping::<redis::Value>()).await, Ok(Ok(_))) {
                        return;
                    }
                }
            }
        }
    }

    /// Subscribes to the channels of the jobs that are watched, and of no others: however quickly clients come and go, there is
    /// no more to do than that.
    async fn follow_watched(&self, subscription: &mut Subscription) -> RedisResult<()> {
        let Subscription { sink, followed, .. } = subscription;
        let watched = self.watchers.jobs();
        let channels =
            |jobs: &[JobId]| -> Vec<_> { jobs.iter().map(|job| self.keys.progress(*job)).collect() };
        let begun: Vec<_> = watched.difference(followed).copied().collect();
        let ceased: Vec<_> = followed.difference(&watched).copied().collect();
        if !begun.is_empty() {
            sink.subscribe(channels(&begun)).await?;
        }
        if !ceased.is_empty() {
            sink.unsubscribe(channels(&ceased)).await?;
        }
        *followed = watched;
        // What was told before the subscription stood was not heard: who follows these jobs looks again.
        for job in begun {
            self.watchers.wake(job);
        }
        Ok(())
    }

    fn hear(&self, message: &Msg) {
        if let Some(heard) = parse(message.get_payload_bytes()) {
            let event = match heard {
                Heard::Followed(job) => return self.logs.follow(job),
                Heard::Event(event) => event,
            };
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

/// What is said to all processes.
enum Heard {
    Event(JobEvent),
    /// Somebody follows this job.
    Followed(JobId),
}

fn parse(payload: &[u8]) -> Option<Heard> {
    let (kind, id) = std::str::from_utf8(payload).ok()?.split_once(':')?;
    let id = id.parse().ok()?;
    match kind {
        "finished" => Some(Heard::Event(JobEvent::Finished(id))),
        "cancel" => Some(Heard::Event(JobEvent::CancelRequested(id))),
        "follow" => Some(Heard::Followed(id)),
        _ => None,
    }
}
