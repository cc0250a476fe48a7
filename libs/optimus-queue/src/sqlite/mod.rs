//! The store of one machine: one SQLite file, one process that owns it.
//!
//! Every transition is a few SQL statements in an immediate transaction on one thread, and is answered when it is on
//! disk (WAL, `synchronous=FULL`). Transitions that arrive while the disk is busy share the next transaction, each in
//! a savepoint of its own, so that many callers do not cost as many syncs. Reads have a thread and a connection of their
//! own.
//!
//! The owner holds a lock of the operating system on `<database>.lock`, which ends with the process however that ends.
//! Since nobody else can hold a lease, every lease is void when the database is opened: what ran goes back to its
//! queue at once. For the same reason workers are known in memory alone.
//!
//! The tables are described in `schema/`, the statements in `statements.rs`.

mod audit;
mod bus;
mod claim;
mod clock;
mod context;
#[cfg(test)]
mod depth;
mod error;
mod expiry;
mod file;
mod group_commit;
mod pending;
mod queries;
mod queue;
mod reader;
mod registry;
mod rules;
mod schema;
mod statements;
mod store;
mod submit;
mod transitions;
mod txn;
mod upkeep;
mod writer;

pub use store::SqliteStore;
