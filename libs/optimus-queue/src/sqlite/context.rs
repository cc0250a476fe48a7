//! What all transitions go by.

use super::{clock::Clock, file::DatabaseFile, rules::Rules};
use crate::notifier::Notifier;

/// One for each open database, shared by its threads.
#[derive(Debug)]
pub(super) struct StoreContext {
    pub(super) file: DatabaseFile,
    pub(super) rules: Rules,
    pub(super) clock: Clock,
    pub(super) notifier: Notifier,
}
