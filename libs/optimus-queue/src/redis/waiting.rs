//! Waiting for work without asking all the time.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use optimus_common::LanguageName;
use redis::aio::MultiplexedConnection;
use tokio::time;

use super::connection::{Connections, unavailable};
use crate::StoreError;

/// How much later than asked the server may answer before its connection is taken for dead.
const GRACE: Duration = Duration::from_secs(1);

/// Redis reads 0 as for ever.
const SHORTEST: Duration = Duration::from_millis(1);

type Slot = Arc<tokio::sync::Mutex<Option<MultiplexedConnection>>>;

/// One connection for each language that is waited for: a blocked connection does nothing else.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    slots: Mutex<HashMap<LanguageName, Slot>>,
}

impl Waiting {
    /// Takes one token from this wake list, waiting at most `longest` for it.
    pub(super) async fn wait(
        &self,
        connections: &Connections,
        language: &LanguageName,
        wake_list: &str,
        longest: Duration,
    ) -> Result<(), StoreError> {
        let slot = self.slot(language);
        // Another task of this process waits for the same language: as good as waiting oneself.
        let Ok(mut slot) = time::timeout(longest, slot.lock()).await else {
            return Ok(());
        };
        // Taken out while in use: if this future is dropped, the connection goes with it, and with that the command
        // the server would otherwise still execute, to the loss of the next token.
        let mut connection = match slot.take() {
            Some(connection) => connection,
            None => connections.open_blocking().await.map_err(unavailable)?,
        };
        let mut pop = redis::cmd("BLPOP");
        pop.arg(wake_list).arg(longest.max(SHORTEST).as_secs_f64());
        time::timeout(longest + GRACE, pop.query_async::<redis::Value>(&mut connection))
            .await
            .map_err(unavailable)?
            .map_err(unavailable)?;
        *slot = Some(connection);
        Ok(())
    }

    fn slot(&self, language: &LanguageName) -> Slot {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.entry(language.clone()).or_default().clone()
    }
}
