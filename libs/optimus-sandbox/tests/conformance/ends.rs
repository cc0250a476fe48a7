//! How boxes end.

use optimus_common::WorkerId;
use optimus_sandbox::session::SessionError;

use super::{Host, Job, TIMEOUT, eventually, first_output, open};

pub(crate) async fn a_destroyed_box_leaves_nothing(host: &dyn Host) {
    let worker = WorkerId::new();
    let backend = host.backend(worker.clone()).await;
    let session = open(&*backend, &host.spec()).await;
    session.handle().destroy().await.unwrap();
    assert!(!host.exists(session.handle().name()).await);
    session.handle().destroy().await.unwrap();
    assert_eq!(host.boxes(&worker).await, 0);
}

pub(crate) async fn a_dropped_box_leaves_nothing(host: &dyn Host) {
    let worker = WorkerId::new();
    let backend = host.backend(worker.clone()).await;
    let waiting = open(&*backend, &host.spec()).await;
    let mut working = Job::shell("echo started; exec sleep 3333")
        .start(open(&*backend, &host.spec()).await)
        .await;
    let (mut sender, mut receiver) = working.split();
    sender.test(0, b"").await.unwrap();
    first_output(&mut receiver).await;
    assert_eq!(host.boxes(&worker).await, 2);
    drop((waiting, working));
    eventually("both boxes are gone", async || host.boxes(&worker).await == 0).await;
}

pub(crate) async fn a_box_given_up_while_it_is_made_leaves_nothing(host: &dyn Host) {
    let worker = WorkerId::new();
    let backend = host.backend(worker.clone()).await;
    host.give_up(&*backend, &worker).await;
    eventually("it is gone", async || host.boxes(&worker).await == 0).await;
}

/// Without any call to destroy it: the agent leaves after the last test, and everything goes with it.
pub(crate) async fn a_box_that_has_done_its_job_leaves(host: &dyn Host) {
    let backend = host.backend(WorkerId::new()).await;
    let session = open(&*backend, &host.spec()).await;
    let name = session.handle().name().to_owned();
    let mut job = Job::shell("true").start(session).await;
    let (mut sender, mut receiver) = job.split();
    sender.test(0, b"").await.unwrap();
    sender.end().await.unwrap();
    let last = loop {
        if let Err(error) = tokio::time::timeout(TIMEOUT, receiver.next())
            .await
            .expect("the box stays")
        {
            break error;
        }
    };
    assert!(matches!(last, SessionError::Closed), "{last:?}");
    eventually("it is gone", async || !host.exists(&name).await).await;
    job.handle().destroy().await.unwrap();
}

pub(crate) async fn a_box_killed_in_the_middle_is_closed(host: &dyn Host) {
    let backend = host.backend(WorkerId::new()).await;
    let session = open(&*backend, &host.spec()).await;
    let name = session.handle().name().to_owned();
    let mut job = Job::shell("echo started; exec sleep 3333").start(session).await;
    let (mut sender, mut receiver) = job.split();
    sender.test(0, b"").await.unwrap();
    first_output(&mut receiver).await;
    host.kill(&name).await;
    let end = tokio::time::timeout(TIMEOUT, receiver.next())
        .await
        .expect("its end is not noticed");
    assert!(matches!(end, Err(SessionError::Closed)), "{end:?}");
    job.handle().destroy().await.unwrap();
    assert!(!host.exists(&name).await);
}

pub(crate) async fn only_boxes_of_dead_workers_are_orphans(host: &dyn Host) {
    let (dead, alive, me) = (WorkerId::new(), WorkerId::new(), WorkerId::new());
    let orphan = host.abandon(&dead).await;
    assert!(host.exists(&orphan.name).await);
    let kept = open(&*host.backend(alive.clone()).await, &host.spec()).await;
    let backend = host.backend(me.clone()).await;
    let mine = open(&*backend, &host.spec()).await;
    let all = [dead, alive.clone(), me.clone()];
    assert_eq!(backend.remove_orphans(&all).await.unwrap(), 0);
    assert_eq!(backend.remove_orphans(&[alive, me]).await.unwrap(), 1);
    assert!(!host.exists(&orphan.name).await);
    for session in [&kept, &mine] {
        assert!(host.exists(session.handle().name()).await);
    }
}
