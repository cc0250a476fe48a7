//! Several runs at once in one box.

use std::time::Duration;

use optimus_common::facts::{LimitKind, RunEnd};
use optimus_protocol::FrameKind;

use crate::{
    WAY,
    suite::{job::Job, session::Session},
};

#[test]
fn runs_go_on_at_the_same_time_under_different_users() {
    let job = Job::sh("date +%s%N; sleep 0.5; date +%s%N; id -u").slots(2);
    let runs = job.run(&[b"", b"", b"", b""]);
    let seen: Vec<_> = runs
        .iter()
        .map(|ran| {
            assert_eq!(ran.facts.end, RunEnd::Exited { code: 0 });
            let numbers: Vec<u64> = ran.text().lines().map(|line| line.parse().unwrap()).collect();
            (numbers[0], numbers[1], numbers[2])
        })
        .collect();
    let together = seen.iter().enumerate().any(|(n, (start, end, uid))| {
        seen[..n]
            .iter()
            .any(|other| *start < other.1 && other.0 < *end && (*uid != other.2) == WAY.has_uids())
    });
    assert!(together, "{seen:?}");
}

#[test]
fn each_run_is_measured_and_killed_alone() {
    let job = Job::c(
        "int main() {
            char how = getchar();
            if (how == 'b') { if (!fork()) for (;;); pause(); }
            if (how == 'm') { for (;;) { touch(1 << 20); usleep(1000); } }
            usleep(700000);
            puts(\"done\"); return 0; }",
    )
    .slots(3)
    .limit(|limits| {
        limits.cpu_time = Duration::from_secs(2);
        limits.memory_bytes = 16 << 20;
    });
    let runs = job.run(&[b"b", b"x", b"m", b"x", b"b", b"m", b"x"]);
    for (ran, how) in runs.iter().zip(*b"bxmxbmx") {
        match how {
            b'b' => assert_eq!(
                ran.facts.end,
                RunEnd::Killed {
                    limit: LimitKind::CpuTime
                },
                "{ran:?}"
            ),
            b'm' => assert_eq!(
                ran.facts.end,
                RunEnd::Killed {
                    limit: LimitKind::Memory
                },
                "{ran:?}"
            ),
            _ => {
                assert_eq!(
                    (&ran.facts.end, ran.text()),
                    (&RunEnd::Exited { code: 0 }, "done\n")
                );
                // It slept while another one beside it had a CPU all the time.
                assert!(ran.facts.cpu_time * 2 < ran.facts.wall_time, "{ran:?}");
                assert!(ran.facts.peak_memory_bytes < 8 << 20, "{ran:?}");
            }
        }
    }
}

#[test]
fn many_tests_share_few_slots() {
    let inputs: Vec<_> = (0..60).map(|n| format!("{n}\n").into_bytes()).collect();
    let inputs: Vec<_> = inputs.iter().map(Vec::as_slice).collect();
    let job = Job::sh("cat; echo x > /tmp/left-$$; ls /box").slots(4);
    for (run, input) in job.run(&inputs).iter().zip(&inputs) {
        assert_eq!(run.stdout, *input);
    }
}

#[test]
fn a_box_has_as_many_places_as_it_tells() {
    let places = Session::start().places;
    for too_many in [0, places + 1, u32::MAX] {
        let mut session = Session::start();
        session.send_message(FrameKind::Begin, &Job::sh("true").slots(too_many).begin());
        let reason = session.expect_failure().expect("a reason");
        assert!(reason.contains("at once"), "{reason}");
    }
    // As many as the limits of these boxes let go on.
    let at_once = places.min(7);
    let mut session = Session::start();
    session.send_job(&Job::sh("read line; echo $line").slots(at_once));
    session.expect_compiled();
    let ids: Vec<_> = (0..at_once).map(|run| session.send_live(run)).collect();
    // Each reads what is behind all of the others.
    for id in ids.iter().rev() {
        session.send_input(*id, b"said\n");
        assert_eq!(session.next_run().1.text(), "said\n");
    }
    session.send(FrameKind::End, &[]);
    session.expect_end();
}
