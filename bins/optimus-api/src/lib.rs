//! The HTTP API of Optimus.
//!
//! [`serve`] runs it over any [`JobStore`], with a listener and a shutdown that come from outside. The way of a
//! submission: `routes::jobs` takes the request, `body` receives it, `json` and `submit` read and check it, the store
//! takes it; `waiting` lets the client wait for its end, `events` tells what happens until then, and `answer` sends its result. Content goes from
//! `routes::blobs` by way of `body` to its store; `content` is what submissions and jobs have to do with it. Every error leaves
//! as [`ProblemDetails`]; `observe` is around it all.
//!
//! Clients may be slow, greedy and many: `connections` bounds how many there are and `streams` how many follow jobs, `pace` how slow one may be, `body` and
//! `answer` what all of them hold in memory.
#![forbid(unsafe_code)]

mod alternatives;
mod answer;
mod auth;
mod body;
mod catalog;
mod connections;
mod content;
mod events;
mod extract;
mod fleet;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod host;
mod json;
mod metrics;
mod observe;
mod pace;
mod problem;
mod room;
mod router;
mod routes;
mod server;
pub mod settings;
mod streams;
mod submit;
mod trace;
mod waiting;
mod watched;

use std::{fmt, sync::Arc, thread::available_parallelism};

use optimus_common::language::LanguagesError;
use optimus_content::ContentStore;
use optimus_queue::JobStore;
use optimus_service::metrics::Metrics;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

pub use host::{Exposed, check_exposure};
pub use problem::{FieldError, ProblemDetails};
pub use router::document;
pub use server::serve;
pub use settings::Settings;

/// What all requests share.
pub struct App {
    store: Arc<dyn JobStore>,
    content: Arc<dyn ContentStore>,
    settings: Settings,
    catalog: catalog::Catalog,
    tokens: auth::Tokens,
    hosts: host::Hosts,
    body_receiver: body::BodyReceiver,
    /// Of content, which goes on to its store as it comes.
    content_receiver: body::BodyReceiver,
    outgoing: answer::Outgoing,
    /// Large bodies read at once: as many as there are processors.
    readers: Arc<Semaphore>,
    recent_workers: fleet::RecentWorkers,
    /// Cancelled when the server goes down, shortly before its end.
    closing: CancellationToken,
    waiting: Arc<waiting::Waiting>,
    streams: Arc<streams::Streams>,
    metrics: metrics::HttpMetrics,
}

impl App {
    /// Reads the languages from `settings.languages_file`, and again whenever that file changes.
    pub fn new(
        store: Arc<dyn JobStore>,
        content: Arc<dyn ContentStore>,
        settings: Settings,
    ) -> Result<Self, LanguagesError> {
        let pace = pace::Pace::of(&settings.api);
        let closing = CancellationToken::new();
        Ok(Self {
            store,
            catalog: catalog::Catalog::open(settings.languages_file.clone())?,
            tokens: auth::Tokens::new(&settings.api.tokens),
            hosts: host::Hosts::new(&settings.api),
            body_receiver: {
                let limit = settings.api.body_limit_bytes;
                body::BodyReceiver::new(limit, limit, pace)
            },
            content_receiver: {
                let limit = usize::try_from(content.max_bytes()).unwrap_or(usize::MAX);
                body::BodyReceiver::new(limit, content.incoming_memory(), pace)
            },
            content,
            outgoing: answer::Outgoing::new(pace),
            readers: Arc::new(Semaphore::new(available_parallelism().map_or(1, Into::into))),
            recent_workers: fleet::RecentWorkers::default(),
            waiting: Arc::new(waiting::Waiting::new(closing.clone())),
            streams: {
                let most = usize::try_from(settings.api.max_event_streams);
                streams::Streams::new(most.unwrap_or(usize::MAX), closing.clone())
            },
            closing,
            metrics: metrics::HttpMetrics::new(),
            settings,
        })
    }

    /// Shows these figures in `GET /metrics` as well: those of a worker in the same process.
    #[must_use]
    pub fn show_metrics(mut self, more: impl Metrics) -> Self {
        self.metrics.add(more);
        self
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
