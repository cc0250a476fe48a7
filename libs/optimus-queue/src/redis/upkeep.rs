//! [`Upkeep`]: leases that are over, results that make room.

use async_trait::async_trait;

use super::{scripts::Call, store::RedisStore};
use crate::{Audited, Reaped, StoreError, Upkeep};

#[async_trait]
impl Upkeep for RedisStore {
    async fn reap(&self) -> Result<Reaped, StoreError> {
        let mut total = Reaped::default();
        let languages = self.languages().await?;
        for language in &languages {
            let mut skipped = 0;
            loop {
                let call = self
                    .with_rules(self.call(&self.scripts.reap, language))
                    .arg(skipped);
                let (requeued, dead, newer, more): (u64, u64, u64, bool) = self.control_call(call).await?;
                total.requeued += requeued;
                total.dead += dead;
                skipped += newer;
                if !more {
                    break;
                }
            }
        }
        // The results of all languages have one bound.
        if let Some(any) = languages.first() {
            let keys = [self.keys.results()];
            loop {
                let call = Call::on(&self.scripts.make_room, &self.keys, any, &keys);
                if !self.control_call::<bool>(self.with_room(call)).await? {
                    break;
                }
            }
        }
        Ok(total)
    }

    async fn audit(&self) -> Result<Audited, StoreError> {
        self.run_audit().await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.control(&redis::cmd("PING")).await
    }
}
