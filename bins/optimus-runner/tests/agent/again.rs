//! A close time-out is tried once more, and nothing else is.

use std::time::Duration;

use optimus_common::facts::{LimitKind, RunEnd};
use rustix::time::{ClockId, clock_gettime};

use crate::{
    limits::Crowd,
    session::{Job, Ran, Session},
};

const CPU: Duration = Duration::from_millis(400);
/// Over the limit and within its margin, with what it takes to start a program.
const CLOSE: &str = "burn(415);";
const EXITED: RunEnd = RunEnd::Exited { code: 0 };

fn job(source: &str) -> Job {
    Job::c(source).limit(|limits| limits.cpu_time = CPU)
}

fn assert_close(ran: &Ran) {
    assert!(ran.facts.cpu_time > CPU, "{ran:?}");
    assert_eq!(ran.facts.end, EXITED, "{ran:?}");
}

#[test]
fn a_close_time_out_is_tried_once_more_with_the_same_input() {
    let source =
        format!("int main() {{ int c; while ((c = getchar()) != EOF) putchar(c); {CLOSE} return 0; }}");
    for ran in job(&source).run(&[b"one", b"two"]) {
        assert_close(&ran);
        let earlier = ran.earlier.as_deref().expect("it was close");
        assert_close(earlier);
        assert!(earlier.earlier.is_none());
        assert_eq!(earlier.stdout, ran.stdout);
        assert!([b"one", b"two"].contains(&ran.stdout.as_slice().try_into().expect("three bytes")));
    }
}

/// Until some moment the program takes too long. The second try begins after it.
#[test]
fn the_second_try_decides_and_begins_afresh() {
    let source = format!(
        "int main() {{
            long until, left; scanf(\"%ld\", &until);
            if (open(\"/tmp/left\", O_RDONLY) >= 0) puts(\"a file of the first try\");
            close(creat(\"/tmp/left\", 0600));
            struct timespec now; clock_gettime(CLOCK_MONOTONIC, &now);
            if (now.tv_sec >= until) {{ puts(\"in time\"); return 0; }}
            puts(\"too late\"); fflush(stdout); {CLOSE}
            now.tv_sec = until; now.tv_nsec = 0;
            clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &now, 0);
            return 0; }}"
    );
    for slots in [1, 2] {
        let mut session = Session::start();
        session.send_job(&job(&source).slots(slots));
        session.expect_compiled();
        let until = clock_gettime(ClockId::Monotonic).tv_sec + 3;
        let runs = session.run_all(&[format!("{until}").as_bytes(), b"0", b"0"]);
        session.expect_end();
        let earlier = runs[0].earlier.as_deref().expect("it was close");
        assert_eq!(earlier.text(), "too late\n");
        assert_close(earlier);
        for ran in &runs {
            assert_eq!((&ran.facts.end, ran.text()), (&EXITED, "in time\n"));
        }
        assert!(runs[1].earlier.is_none() && runs[2].earlier.is_none());
    }
}

#[test]
fn what_is_far_over_the_limit_or_without_end_is_not_tried_again() {
    let source = "int main() { if (getchar() == 'e') for (;;); burn(460); return 0; }";
    for ran in job(source).run(&[b"e", b"115%"]) {
        assert!(ran.facts.cpu_time > CPU, "{ran:?}");
        assert!(ran.earlier.is_none(), "{ran:?}");
    }
}

#[test]
fn a_close_time_out_that_fails_otherwise_too_is_not_tried_again() {
    let source = format!(
        "int main() {{ touch(20 << 20); for (int i = 0; i < 40; i++) puts(\"x\"); fflush(stdout); {CLOSE} return 0; }}"
    );
    let memory = job(&source).limit(|limits| limits.memory_bytes = 18 << 20);
    let output = job(&source).limit(|limits| limits.output_bytes = 79);
    for job in [memory, output] {
        let ran = job.run_once();
        assert!(ran.earlier.is_none(), "{ran:?}");
    }
}

#[test]
fn a_sleeper_that_waited_for_no_cpu_is_not_tried_again() {
    let wall = Duration::from_secs(1);
    let ran = Job::command(&["sleep", "1000"])
        .limit(|limits| limits.wall_time = wall)
        .run_once();
    assert_eq!(
        ran.earlier.is_some(),
        ran.facts.waited_for_cpu >= Some(wall / 10),
        "{ran:?}"
    );
}

#[test]
fn a_wall_time_out_after_much_waiting_for_a_cpu_is_tried_once_more() {
    let wall = Duration::from_millis(600);
    let mut session = Session::start();
    session.send_job(&job("int main() { burn(100); sleep(1000); }").limit(|limits| limits.wall_time = wall));
    session.expect_compiled();
    let crowd = Crowd::of(4);
    let runs = session.run_all(&[b""]);
    drop(crowd);
    let ends = [&runs[0], runs[0].earlier.as_deref().expect("it waited")];
    for ran in ends {
        assert_eq!(
            ran.facts.end,
            RunEnd::Killed {
                limit: LimitKind::WallTime
            }
        );
    }
    assert!(ends[1].facts.waited_for_cpu >= Some(wall / 10), "{runs:?}");
}
