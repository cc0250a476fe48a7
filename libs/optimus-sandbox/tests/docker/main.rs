//! The Docker backend against a real engine, with the real agent.
//!
//! Needs an engine, a Debian base image (`OPTIMUS_TEST_BASE_IMAGE`, by default `optimus/debian-base:bookworm`) and the
//! built agent in `dockerfiles/`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../conformance/mod.rs"]
mod conformance;
mod hardening;
mod host;

macro_rules! tests {
    ($($check:ident)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $check() {
            conformance::$check(&host::DockerHost::new().await).await;
        }
    )*};
}
conformance::checks!(tests);
