//! [`Upkeep`]: leases that are over, what has expired, lists that are counted again.

use async_trait::async_trait;

use super::{
    audit,
    expiry::{self, Pass},
    store::SqliteStore,
    transitions::{self, LeaseScope},
};
use crate::{Audited, Reaped, StoreError, Upkeep};

#[async_trait]
impl Upkeep for SqliteStore {
    /// Also clears away what has expired.
    async fn reap(&self) -> Result<Reaped, StoreError> {
        let mut total = Reaped::default();
        loop {
            let (reaped, more) = self
                .writer
                .make(|txn| transitions::reap(txn, LeaseScope::Expired))
                .await?;
            total.requeued += reaped.requeued;
            total.dead += reaped.dead;
            if !more {
                break;
            }
        }
        while self.writer.make(expiry::expire).await? == Pass::More {}
        while self.writer.make(transitions::make_room).await? == Pass::More {}
        while self.writer.make(expiry::give_back).await? == Pass::More {}
        Ok(total)
    }

    async fn audit(&self) -> Result<Audited, StoreError> {
        if self.reader.ask(audit::is_miscounted).await? {
            self.writer.make(audit::recount).await?;
            tracing::warn!("the audit corrected the lengths of the lists");
        }
        Ok(Audited::default())
    }

    /// Asks the thread that writes, without which nothing goes on.
    async fn ping(&self) -> Result<(), StoreError> {
        self.writer.make(|_| Ok(())).await
    }
}
