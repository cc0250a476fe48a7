//! A test may be sent once more, and its second run begins afresh.

use optimus_common::facts::RunEnd;
use optimus_protocol::FrameKind;

use crate::suite::{job::Job, session::Session};

#[test]
fn a_test_that_is_sent_again_runs_again_and_begins_afresh() {
    let job = Job::c(
        "int main() {
            if (open(\"/tmp/left\", O_RDONLY) >= 0) puts(\"a file of the first try\");
            close(creat(\"/tmp/left\", 0600));
            int c; while ((c = getchar()) != EOF) putchar(c);
            lseek(0, 1, SEEK_SET);
            return 0; }",
    );
    for slots in [1, 2] {
        let mut session = Session::start();
        session.send_job(&job.clone().slots(slots));
        session.expect_compiled();
        session.send_test(0, b"one");
        session.send_test(1, b"two");
        let mut runs: Vec<_> = [session.next_run(), session.next_run()].into();
        session.send_test(1, b"two");
        runs.push(session.next_run());
        session.send(FrameKind::End, &[]);
        session.expect_end();
        runs[..2].sort_by_key(|(run, _)| *run);
        let printed = |at: usize| (runs[at].0, runs[at].1.text(), &runs[at].1.facts.end);
        let end = &RunEnd::Exited { code: 0 };
        assert_eq!(printed(0), (0, "one", end));
        assert_eq!(printed(1), (1, "two", end));
        assert_eq!(printed(2), (1, "two", end));
    }
}
