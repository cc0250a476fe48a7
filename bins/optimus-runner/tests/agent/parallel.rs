//! Several runs at once in one box.

use std::time::Duration;

use optimus_common::facts::{LimitKind, RunEnd};

use crate::session::Job;

#[test]
fn runs_go_on_at_the_same_time_under_different_users() {
    // Each waits for the other.
    let job = Job::sh(
        "read me other; id -u > /tmp/$me; while [ ! -s /tmp/$other ]; do sleep 0.01; done; sleep 0.2; id -u",
    )
    .slots(2);
    let runs = job.run(&[b"a b\n", b"b a\n", b"c d\n", b"d c\n"]);
    for pair in runs.chunks(2) {
        assert_eq!(pair[0].facts.end, RunEnd::Exited { code: 0 });
        assert_ne!(pair[0].text(), pair[1].text());
    }
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
        limits.cpu_time = Duration::from_millis(300);
        limits.memory_bytes = 64 << 20;
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
                assert!(ran.facts.cpu_time < Duration::from_millis(300), "{ran:?}");
                assert!(ran.facts.peak_memory_bytes < 32 << 20, "{ran:?}");
            }
        }
    }
}

#[test]
fn no_run_can_signal_its_neighbour_or_touch_its_files() {
    let job = Job::sh(
        "read me other; echo mine > /tmp/$me; echo $$ > /tmp/pid-$me
         while [ ! -s /tmp/pid-$other ]; do sleep 0.01; done
         kill -9 $(cat /tmp/pid-$other) 2>&- && echo killed; kill -9 -1 2>&-
         rm -f /tmp/$other 2>&- && echo removed; (echo forged > /tmp/$other) 2>&- && echo wrote
         sleep 0.3; cat /tmp/$me",
    )
    .slots(2);
    // kill -1 spares its sender's shell, and reaches nobody else: the neighbour has another UID.
    for ran in job.run(&[b"a b\n", b"b a\n"]) {
        assert_eq!(
            (&ran.facts.end, ran.text()),
            (&RunEnd::Exited { code: 0 }, "mine\n")
        );
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
