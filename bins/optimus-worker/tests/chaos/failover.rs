//! The master dies, or falls silent, and its replica takes over.

use optimus_testkit::{boxes::Kind, until};
use rustix::process::Signal;

use crate::{
    fleet::{Fleet, Options, Store},
    jobs::Mix,
    load::Load,
    report::Round,
    sentinel::Sentinel,
};

const CLIENTS: u64 = 4;

pub(crate) async fn what_was_accepted_survives_the_master() {
    let dir = tempfile::tempdir().unwrap();
    let mut sentinel = Sentinel::start(dir.path()).await;
    let options = Options::of(Kind::Native).set("OPTIMUS__REDIS__REPLICAS", "1");
    let mut fleet = Fleet::start(dir, Store::Url(sentinel.url()), options).await;
    let load = Load::start(&fleet.client, Mix::Python, CLIENTS, u64::MAX);
    let work = async |awaited: &str| {
        let before = load.ended();
        until(awaited, async || load.ended() >= before + 10).await;
    };

    work("jobs end before the failover").await;
    let first = sentinel.master().unwrap();
    sentinel.servers[first].kill().await;
    sentinel.until_not(first).await;
    // Comes back as a master, and is made a replica of the other one.
    sentinel.servers[first].start_again().await;
    sentinel.until_replicated().await;
    work("jobs end after the master's death").await;

    // Alive, and answers nobody; when it does again, it is the master no more.
    let second = sentinel.master().unwrap();
    assert_ne!(first, second);
    sentinel.servers[second].process().signal(Signal::STOP);
    sentinel.until_not(second).await;
    sentinel.servers[second].process().signal(Signal::CONT);
    sentinel.until_replicated().await;
    work("jobs end after the master's silence").await;

    let mut tally = load.finish().await;
    tally.look_again(&fleet.client).await;
    let round = Round {
        name: "failover".to_owned(),
        seed: 0,
        faults: 2,
        tally,
        finished: fleet.client.finished().await,
        acknowledged: fleet.acknowledged(),
        left_over: fleet.stop().await,
    };
    sentinel.stop().await;
    round.conclude();
}
