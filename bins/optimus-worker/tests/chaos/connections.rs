//! Paths to Redis that fail in each way by itself, under load: every one of them is got over.

use std::time::Duration;

use optimus_testkit::{boxes::Kind, until};
use tokio::time::sleep;

use crate::{fleet::Options, jobs::Mix, load::Load, proxy::Proxy, scene::Scene};

/// Goes wrong on a path, and is put right by itself or by [`Proxy::recover`].
type Trouble = fn(&Proxy);

const TROUBLES: [(&str, Trouble); 4] = [
    ("delayed", |path| path.delay(Duration::from_millis(60))),
    ("cut", Proxy::cut),
    ("cut in an answer", Proxy::cut_in_answers),
    ("swallowing", Proxy::swallow),
];

pub(crate) async fn every_trouble_of_every_path() {
    let mut scene = Scene::start(Options::of(Kind::Native)).await;
    let load = Load::start(&scene.fleet.client, Mix::Python, 4, u64::MAX);
    for (name, trouble) in TROUBLES {
        for path in scene.fleet.paths() {
            trouble(path);
            scene.faults += 1;
            // Long enough for a command to be on its way, and for the longest of all waits for an answer.
            sleep(Duration::from_millis(1200)).await;
            path.recover();
            let before = load.ended();
            until(&format!("jobs end after a path was {name}"), async || {
                load.ended() > before + 4
            })
            .await;
        }
    }
    scene.tally = load.finish().await;
    scene.conclude("connections", 0).await;
}
