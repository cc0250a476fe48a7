//! The task that keeps a pool. It alone touches the warm boxes.

use std::{
    collections::VecDeque,
    error::Error,
    future::{Future, poll_fn},
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use futures_util::future::join_all;
use optimus_common::causes;
use optimus_service::Backoff;
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::{JoinError, JoinSet},
    time::{Instant, sleep_until, timeout},
};
use tracing::{debug, info, warn};

use super::{
    start::{StartError, start_box},
    status::PoolStatus,
};
use crate::{
    backend::{Backend, BackendError, BoxHandle},
    root_digest::RootDigest,
    session::{Session, SessionError},
    spec::BoxSpec,
};

/// How long a closing pool waits for boxes that are being made, to destroy them. Those that come later end with their
/// standard input.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);

/// How often it is asked whether warm boxes still have the root that a new one would have. A pool without jobs makes no new
/// ones, which would show it.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// Between failures.
const FIRST_DELAY: Duration = Duration::from_millis(100);
const LONGEST_DELAY: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) enum PoolCommand {
    Acquire(oneshot::Sender<Session>),
    Close(oneshot::Sender<()>),
}

pub(super) struct PoolTask {
    backend: Arc<dyn Backend>,
    spec: BoxSpec,
    /// Boxes to keep warm.
    size: watch::Receiver<usize>,
    commands: mpsc::Receiver<PoolCommand>,
    report: watch::Sender<PoolStatus>,
    /// Ready boxes, the oldest first.
    warm: VecDeque<Session>,
    /// Those who could not be served at once, in order.
    waiting: VecDeque<oneshot::Sender<Session>>,
    starts: JoinSet<Result<Session, StartError>>,
    backoff: Backoff,
    /// No start before this.
    pause: Option<Instant>,
    made: u64,
    failures: u64,
    /// Why the last start failed.
    error: Option<String>,
    toolchain: Option<String>,
    /// The root of the latest box, or what it was said to be since. No warm box has another one.
    root: Option<RootDigest>,
    /// When to look whether new boxes still have this root.
    look: Instant,
    /// The look that is under way, at most one.
    looks: JoinSet<Result<RootDigest, BackendError>>,
    /// Boxes of former roots on their way out.
    ends: JoinSet<()>,
}

impl PoolTask {
    pub(super) fn new(
        backend: Arc<dyn Backend>,
        spec: BoxSpec,
        size: watch::Receiver<usize>,
        commands: mpsc::Receiver<PoolCommand>,
        report: watch::Sender<PoolStatus>,
    ) -> Self {
        Self {
            backend,
            spec,
            size,
            commands,
            report,
            warm: VecDeque::new(),
            waiting: VecDeque::new(),
            starts: JoinSet::new(),
            backoff: Backoff::new(FIRST_DELAY, LONGEST_DELAY),
            pause: None,
            made: 0,
            failures: 0,
            error: None,
            toolchain: None,
            root: None,
            look: Instant::now() + LOOK_AGAIN,
            looks: JoinSet::new(),
            ends: JoinSet::new(),
        }
    }

    pub(super) async fn run(mut self) {
        loop {
            self.serve();
            self.refill();
            self.publish();
            tokio::select! {
                // A start that ends is taken before it is asked for again.
                biased;
                Some(started) = self.starts.join_next() => self.started(started),
                // All who could change it are gone with those who could ask for a box.
                Ok(()) = self.size.changed() => {}
                error = one_fails(&mut self.warm) => self.failed(&error),
                command = self.commands.recv() => match command {
                    Some(PoolCommand::Acquire(to)) => self.waiting.push_back(to),
                    Some(PoolCommand::Close(done)) => {
                        self.close().await;
                        // Whoever asked may have stopped listening.
                        done.send(()).ok();
                        return;
                    }
                    None => return,
                },
                Some(looked) = self.looks.join_next() => self.looked(looked),
                Some(_) = self.ends.join_next() => {}
                () = sleep_until(self.look), if !self.warm.is_empty() && self.looks.is_empty() => self.look(),
                () = sleep_until(self.pause.unwrap_or_else(Instant::now)), if self.pause.is_some() => {
                    self.pause = None;
                }
            }
        }
    }

    /// Hands warm boxes to those who wait.
    fn serve(&mut self) {
        while let Some(session) = self.warm.pop_front() {
            let Some(to) = self.waiting.pop_front() else {
                self.warm.push_front(session);
                return;
            };
            // Comes back where that one no longer waits.
            if let Err(session) = to.send(session) {
                self.warm.push_front(session);
            }
        }
    }

    /// Begins as many boxes as are missing; after a failure a single one, to try.
    fn refill(&mut self) {
        if self.pause.is_some() {
            return;
        }
        self.waiting.retain(|to| !to.is_closed());
        let missing =
            ((*self.size.borrow_and_update()).max(1) + self.waiting.len()).saturating_sub(self.warm.len());
        let wanted = if self.backoff.failing() {
            missing.min(1)
        } else {
            missing
        };
        while self.starts.len() < wanted {
            let (backend, spec) = (Arc::clone(&self.backend), self.spec.clone());
            let ready_timeout = self.backend.ready_timeout();
            self.starts
                .spawn(async move { start_box(&*backend, &spec, ready_timeout).await });
        }
    }

    fn started(&mut self, started: Result<Result<Session, StartError>, JoinError>) {
        match started {
            Ok(Ok(session)) => {
                if self.backoff.failing() {
                    info!(language = %self.spec.root.language, "boxes can be made again");
                }
                self.backoff.reset();
                self.made += 1;
                self.error = None;
                self.toolchain = session.toolchain().map(str::to_owned);
                if self.root.as_ref().is_some_and(|root| root != session.root()) {
                    // It may be the one that was begun first and is the older.
                    self.look = Instant::now();
                }
                self.renew(session.root().clone());
                self.warm.push_back(session);
            }
            Ok(Err(error)) => self.failed(&error),
            Err(lost) => self.failed(&lost),
        }
    }

    /// Asks what root a box would have now.
    fn look(&mut self) {
        self.look = Instant::now() + LOOK_AGAIN;
        let (backend, spec) = (Arc::clone(&self.backend), self.spec.clone());
        self.looks.spawn(async move { backend.check(&spec).await });
    }

    fn looked(&mut self, looked: Result<Result<RootDigest, BackendError>, JoinError>) {
        match looked {
            Ok(Ok(root)) => self.renew(root),
            // There is no other root: what is warm is as good as it was.
            Ok(Err(error)) => {
                debug!(language = %self.spec.root.language, error = causes(&error), "no root for new boxes");
            }
            Err(lost) => {
                warn!(language = %self.spec.root.language, error = causes(&lost), "looking for another root broke");
            }
        }
    }

    /// New boxes have this root. Those that have another one are destroyed.
    fn renew(&mut self, root: RootDigest) {
        let all = self.warm.drain(..);
        let (same, former): (VecDeque<_>, VecDeque<_>) = all.partition(|session| *session.root() == root);
        self.warm = same;
        if !former.is_empty() {
            info!(
                language = %self.spec.root.language,
                %root,
                boxes = former.len(),
                "what its boxes see has changed: those made before are replaced"
            );
        }
        self.root = Some(root);
        for session in former {
            self.ends.spawn(async move {
                let handle = session.shared_handle();
                destroy(&*handle).await;
            });
        }
    }

    fn failed(&mut self, error: &dyn Error) {
        self.failures += 1;
        let reason = causes(error);
        let delay = self.backoff.next_delay();
        // Several starts that fail together are one failure of the engine, told once.
        if self.error.as_ref() != Some(&reason) {
            warn!(language = %self.spec.root.language, error = reason, "no new box");
        }
        self.error = Some(reason);
        self.pause = Some(Instant::now() + delay);
    }

    fn publish(&self) {
        let status = PoolStatus {
            warm: self.warm.len(),
            starting: self.starts.len(),
            made: self.made,
            failures: self.failures,
            error: self.error.clone(),
            toolchain: self.toolchain.clone(),
            root: self.root.clone(),
        };
        self.report.send_if_modified(|known| {
            let changed = *known != status;
            *known = status;
            changed
        });
    }

    async fn close(&mut self) {
        self.commands.close();
        self.waiting.clear();
        let late = async {
            while let Some(started) = self.starts.join_next().await {
                if let Ok(Ok(session)) = started {
                    self.warm.push_back(session);
                }
            }
        };
        if timeout(CLOSE_TIMEOUT, late).await.is_err() {
            warn!(language = %self.spec.root.language, "boxes were still being made when their pool closed");
        }
        join_all(self.warm.iter().map(|session| destroy(session.handle()))).await;
        while self.ends.join_next().await.is_some() {}
        self.warm.clear();
        self.publish();
    }
}

async fn destroy(handle: &dyn BoxHandle) {
    if let Err(error) = handle.destroy().await {
        warn!(
            box_name = handle.name(),
            error = causes(&error),
            "a box is left behind"
        );
    }
}

/// However the task ends, by a panic too, nobody may count on boxes that are no longer there.
impl Drop for PoolTask {
    fn drop(&mut self) {
        self.warm.clear();
        self.publish();
    }
}

/// Takes a box out that can no longer be used, when there is one. Cancel safe.
async fn one_fails(warm: &mut VecDeque<Session>) -> SessionError {
    poll_fn(|cx| {
        for index in 0..warm.len() {
            let failed = pin!(warm[index].failed()).poll(cx);
            if let Poll::Ready(error) = failed {
                warm.remove(index);
                return Poll::Ready(error);
            }
        }
        Poll::Pending
    })
    .await
}
