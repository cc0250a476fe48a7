//! Jobs in boxes, from end to end.

use optimus_common::{WorkerId, facts::RunEnd};
use optimus_protocol::Stream;

use super::{Host, Job, TIMEOUT, job::Tally, open};

pub(crate) async fn a_job_runs_from_end_to_end(host: &dyn Host) {
    let backend = host.backend(WorkerId::new()).await;
    let session = open(&*backend, &host.spec()).await;
    let job = Job::shell("read name; echo \"hello $name\"; echo oops >&2; exit 3");
    let runs = job.grade(session, &[b"one\n", b"two\n", b"\xff\xfe\n"]).await;
    let stdouts: Vec<_> = runs.iter().map(|run| &run.stdout[..]).collect();
    assert_eq!(
        stdouts,
        [&b"hello one\n"[..], b"hello two\n", b"hello \xff\xfe\n"]
    );
    for run in runs {
        assert_eq!(run.stderr, b"oops\n");
        assert_eq!(run.facts.end, RunEnd::Exited { code: 3 });
        assert!(
            run.facts.peak_memory_bytes > 0 && !run.facts.wall_time.is_zero(),
            "{run:?}"
        );
    }
}

pub(crate) async fn a_compile_step_comes_first(host: &dyn Host) {
    let backend = host.backend(WorkerId::new()).await;
    let session = open(&*backend, &host.spec()).await;
    let job = Job::shell("cat made").compiled_by("echo made by the compiler > made; echo fine");
    let runs = job.grade(session, &[b"", b""]).await;
    for run in runs {
        assert_eq!(run.stdout, b"made by the compiler\n", "{run:?}");
    }
}

pub(crate) async fn a_failed_compile_step_ends_the_job(host: &dyn Host) {
    let backend = host.backend(WorkerId::new()).await;
    let session = open(&*backend, &host.spec()).await;
    let mut job = Job::shell("")
        .compiled_by("echo 'line 1: nonsense' >&2; exit 1")
        .start(session)
        .await;
    let (_, mut receiver) = job.split();
    let mut tally = Tally::default();
    while tally.compile.is_none() {
        tally.take(
            tokio::time::timeout(TIMEOUT, receiver.next())
                .await
                .unwrap()
                .unwrap(),
        );
    }
    let facts = tally.compile.as_ref().unwrap();
    assert_eq!(facts.end, RunEnd::Exited { code: 1 });
    assert_eq!(tally.printed(None, Stream::Stderr), b"line 1: nonsense\n");
}

/// 64 MiB in, 16 MiB of them out again, unchanged.
pub(crate) async fn large_inputs_and_outputs_pass(host: &dyn Host) {
    let backend = host.backend(WorkerId::new()).await;
    let session = open(&*backend, &host.spec()).await;
    let input: Vec<u8> = (0..16 << 20).flat_map(u32::to_le_bytes).collect();
    let runs = Job::shell("head -c 16777216; cat | wc -c >&2")
        .grade(session, &[&input, b"small"])
        .await;
    assert!(runs[0].stdout == input[..16 << 20], "{:?}", runs[0].facts);
    assert_eq!(String::from_utf8_lossy(&runs[0].stderr), "50331648\n");
    assert_eq!(runs[1].stdout, b"small");
}

pub(crate) async fn many_tests_pass_through_one_box(host: &dyn Host) {
    let backend = host.backend(WorkerId::new()).await;
    let session = open(&*backend, &host.spec()).await;
    let inputs: Vec<String> = (0..200).map(|n| n.to_string()).collect();
    let mut job = Job::shell("exec cat");
    job.parallel = 2;
    let runs = job
        .grade(session, &inputs.iter().map(String::as_bytes).collect::<Vec<_>>())
        .await;
    for (run, input) in runs.iter().zip(&inputs) {
        assert_eq!(run.stdout, input.as_bytes());
    }
}
