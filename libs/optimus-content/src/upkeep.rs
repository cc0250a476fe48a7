//! The task that removes content nobody uses.

use std::{sync::Arc, time::Duration};

use optimus_common::causes;
use tokio::time::sleep;

use crate::{ContentStore, Holders, Upkept};

/// Removes what may go, again and again. The first pass is only after a while: a process that is started over and over has
/// no time for it.
pub async fn keep_up(store: Arc<dyn ContentStore>, holders: Arc<dyn Holders>, every: Duration) {
    loop {
        sleep(every).await;
        match store.upkeep(&*holders).await {
            Ok(Upkept {
                released,
                removed,
                bytes,
                ..
            }) if released + removed > 0 => {
                tracing::info!(released, removed, bytes, "removed content that nobody uses");
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(error = causes(&error), "unused content was not removed"),
        }
    }
}
