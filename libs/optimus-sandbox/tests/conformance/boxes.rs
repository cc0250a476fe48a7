//! What boxes are.

use optimus_common::{WorkerId, facts::RunEnd};

use super::{Host, Job, first_output, open};

pub(crate) async fn a_box_becomes_ready(host: &dyn Host) {
    let worker = WorkerId::new();
    let backend = host.backend(worker.clone()).await;
    backend.check(&host.spec()).await.unwrap();
    let session = open(&*backend, &host.spec()).await;
    assert!(host.exists(session.handle().name()).await);
    assert_eq!(host.boxes(&worker).await, 1);
}

pub(crate) async fn what_is_missing_is_told_by_name(host: &dyn Host) {
    let backend = host.backend(WorkerId::new()).await;
    let spec = host.missing();
    let checked = backend.check(&spec).await.unwrap_err();
    let created = backend.create(&spec).await.unwrap_err();
    for error in [checked, created] {
        assert!(host.tells_missing(&error, &spec), "{error:?}");
    }
}

pub(crate) async fn a_box_can_get_more_memory(host: &dyn Host) {
    let backend = host.backend(WorkerId::new()).await;
    let mut spec = host.spec();
    spec.resources.memory_bytes = 64 << 20;
    let needs_128_mib = Job::shell(r"exec perl -e 'vec($x, (128 << 20) - 1, 8) = 1; print length $x'");

    let small = needs_128_mib.grade(open(&*backend, &spec).await, &[b""]).await;
    assert_ne!(small[0].facts.end, RunEnd::Exited { code: 0 });

    let session = open(&*backend, &spec).await;
    session.handle().grow_memory(256 << 20).await.unwrap();
    session.handle().grow_memory(16 << 20).await.unwrap();
    let large = needs_128_mib.grade(session, &[b""]).await;
    assert_eq!(large[0].facts.end, RunEnd::Exited { code: 0 }, "{:?}", large[0]);
    assert_eq!(large[0].stdout, b"134217728");
}

pub(crate) async fn boxes_do_not_see_each_other(host: &dyn Host) {
    let backend = host.backend(WorkerId::new()).await;
    let mut writer = Job::shell("echo s3cret | tee /tmp/x /dev/shm/x x; exec sleep 3333")
        .start(open(&*backend, &host.spec()).await)
        .await;
    let (mut sender, mut receiver) = writer.split();
    sender.test(0, b"").await.unwrap();
    first_output(&mut receiver).await;

    let spy = Job::shell("cat /tmp/x /dev/shm/x x; cat /proc/[0-9]*/cmdline | tr '\\0' ' '; true");
    let seen = spy.grade(open(&*backend, &host.spec()).await, &[b""]).await;
    let stdout = String::from_utf8_lossy(&seen[0].stdout);
    assert!(stdout.contains("cat /proc"), "it sees itself: {stdout}");
    assert!(!stdout.contains("s3cret") && !stdout.contains("3333"), "{stdout}");
}
