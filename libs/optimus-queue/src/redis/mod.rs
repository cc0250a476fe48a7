//! The store for a fleet: one Redis (7.0 or newer), any number of APIs and workers around it.
//!
//! Every transition is one Lua script (`lua/`), so it happened wholly or not at all, by Redis' own clock. Waiting for
//! work blocks on a wake-up list only; the claim is always the script, so nothing is lost between a pop and a lease.
//! Scripts that let jobs drain also run when Redis' memory is full; only `submit` is refused then.
//!
//! Keys are described in `keys.rs`. Some scripts reach job keys that are known only inside them: Redis Cluster is
//! not supported, and refused at start. For failover there is Sentinel (`server.rs`).

mod arguments;
mod audit;
mod bus;
mod connection;
mod content;
mod events;
mod keys;
mod progress;
mod publisher;
mod queue;
mod reachable;
mod record;
mod registry;
mod replicas;
mod scripts;
mod server;
mod startup;
mod store;
mod upkeep;
mod waiting;

pub use content::RedisContent;
pub use store::RedisStore;
