//! All parts of a store together.

use crate::{EventBus, JobQueue, Upkeep, WorkerRegistry};

/// A store of jobs: whatever has all the parts. Who needs one part takes that one: a `dyn JobStore` is each of them.
pub trait JobStore: JobQueue + WorkerRegistry + EventBus + Upkeep {}

impl<S: JobQueue + WorkerRegistry + EventBus + Upkeep> JobStore for S {}
