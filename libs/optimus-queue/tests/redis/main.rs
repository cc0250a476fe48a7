//! The Redis store against real servers, which the tests start themselves.

#![expect(clippy::unwrap_used, reason = "a panic is how a test says what is wrong")]

mod content;
mod damage;
mod limits;
mod outages;
mod progress;
mod proxy;
mod replicas;
mod server;
mod versions;

mod conformance {
    optimus_queue::conformance_tests!(crate::server::RedisServer::start());
}
