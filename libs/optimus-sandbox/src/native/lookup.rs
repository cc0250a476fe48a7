//! Roots that are found on this host, without holding anybody up.
//!
//! To find a root may mean to search the host's folders and to run its toolchains, for seconds where a disk or a shell
//! hangs. That happens on a thread of its own, once at a time for each language, and what was missing is not looked for
//! at every try of a pool that wants a box.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex as StdMutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use optimus_common::{LanguageName, causes};
use tokio::{
    sync::Mutex,
    task::{JoinHandle, spawn_blocking},
    time::Instant,
};

use super::roots::Root;
use crate::{
    backend::BackendError,
    roots::{Resolved, RootProvider},
    spec::RootRef,
};

/// How long a language stays missing before it is looked for again. Somebody who has just installed it waits as long.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// The root of each language, or why it has none here. Clones share what they know.
#[derive(Clone)]
pub struct Roots(Arc<Lookups>);

type Find = dyn Fn(&LanguageName) -> Result<Root, String> + Send + Sync;

struct Lookups {
    find: Arc<Find>,
    languages: StdMutex<HashMap<LanguageName, Arc<Mutex<PendingLookup>>>>,
}

/// What is known of one language. Locked while it is looked for, so that others wait for the same answer.
#[derive(Debug, Default)]
struct PendingLookup {
    /// Goes on when whoever asked has given up, and is taken up by the next one.
    looking: Option<JoinHandle<Result<Root, String>>>,
    missing: Option<(Instant, String)>,
}

impl Roots {
    /// `find` is asked whenever a box is made, on a thread that may wait.
    pub fn new(find: impl Fn(&LanguageName) -> Result<Root, String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(Lookups {
            find: Arc::new(find),
            languages: StdMutex::default(),
        }))
    }

    /// The language's root, or why there is none. Cancel safe.
    async fn find(&self, language: &LanguageName) -> Result<Root, String> {
        let pending = Arc::clone(
            self.0
                .languages
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .entry(language.clone())
                .or_default(),
        );
        let mut pending = pending.lock().await;
        if let Some((since, reason)) = &pending.missing
            && since.elapsed() < LOOK_AGAIN
        {
            return Err(reason.clone());
        }
        let looking = pending.looking.get_or_insert_with(|| {
            let (find, language) = (Arc::clone(&self.0.find), language.clone());
            spawn_blocking(move || find(&language))
        });
        let found = looking.await.unwrap_or_else(|panic| Err(causes(&panic)));
        pending.looking = None;
        pending.missing = found
            .as_ref()
            .err()
            .map(|reason| (Instant::now(), reason.clone()));
        found
    }
}

#[async_trait]
impl RootProvider for Roots {
    type Root = Root;

    async fn resolve(&self, root: &RootRef) -> Result<Resolved<Root>, BackendError> {
        let found = self.find(&root.language).await;
        let root = found.map_err(|reason| BackendError::Unavailable {
            language: root.language.clone(),
            reason,
        })?;
        Ok(Resolved {
            digest: root.digest(),
            root,
        })
    }
}

impl fmt::Debug for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Roots").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        path::PathBuf,
        sync::{
            atomic::{AtomicUsize, Ordering},
            mpsc,
        },
    };

    use tokio::time::{advance, timeout};

    use super::*;

    fn python() -> LanguageName {
        "python".parse().unwrap()
    }

    /// Answers when it is told what, and counts how often it was asked.
    fn slow_roots() -> (mpsc::Sender<Result<Root, String>>, Arc<AtomicUsize>, Roots) {
        let (answer, answers) = mpsc::channel();
        let (answers, pending) = (StdMutex::new(answers), Arc::new(AtomicUsize::new(0)));
        let count = Arc::clone(&pending);
        let roots = Roots::new(move |_| {
            count.fetch_add(1, Ordering::SeqCst);
            answers.lock().unwrap().recv().unwrap()
        });
        (answer, pending, roots)
    }

    fn root() -> Root {
        Root::Image {
            folder: PathBuf::from("/images/python"),
            stamp: String::new(),
        }
    }

    /// On a runtime of one thread, a search that blocks it would never let the timeout strike.
    #[tokio::test]
    async fn a_search_that_hangs_holds_up_nobody_and_is_not_begun_twice() {
        let (answer, pending, lookup) = slow_roots();
        for _ in 0..3 {
            timeout(Duration::from_millis(5), lookup.find(&python()))
                .await
                .unwrap_err();
        }
        answer.send(Ok(root())).unwrap();
        assert_eq!(lookup.find(&python()).await, Ok(root()));
        assert_eq!(pending.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn what_is_missing_is_looked_for_again_only_after_a_while() {
        let (answer, pending, lookup) = slow_roots();
        let missing = Err("it is not here".to_owned());
        answer.send(missing.clone()).unwrap();
        for _ in 0..10 {
            assert_eq!(lookup.find(&python()).await, missing);
        }
        assert_eq!(pending.load(Ordering::SeqCst), 1);
        tokio::time::pause();
        advance(LOOK_AGAIN).await;
        tokio::time::resume();
        answer.send(Ok(root())).unwrap();
        assert_eq!(lookup.find(&python()).await, Ok(root()));
    }
}
