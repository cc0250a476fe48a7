//! Memory that the kernel keeps after a run has ended, and is charged to whoever asked for it.

use optimus_common::facts::RunEnd;

use crate::session::{Job, Session};

/// Names of files that are not there, which the kernel remembers: some 200 bytes for each.
const NAMES: &str = "500000";

#[test]
fn what_an_earlier_run_made_the_kernel_keep_is_not_the_next_ones() {
    let job = Job::c("int main() {
        int names = 0; scanf(\"%d\", &names);
        char path[64]; struct stat s;
        for (int i = 0; i < names; i++) { snprintf(path, 64, \"/usr/no-such-file-%d-%d\", i, names); stat(path, &s); }
        return 0; }");
    let mut session = Session::start();
    session.send_job(&job.limit(|limits| limits.memory_bytes = 256 << 20));
    session.expect_compiled();
    let mut peak_of = |run: u32, input: &str| {
        session.send_test(run, input.as_bytes());
        let facts = session.next_run().1.facts;
        assert_eq!(facts.end, RunEnd::Exited { code: 0 }, "{facts:?}");
        (facts.peak_memory_bytes, session.test_box.groups())
    };
    let (alone, before) = peak_of(0, "0");
    let (_, same) = peak_of(1, NAMES);
    assert_eq!(before, same, "what leaves nothing needs no other group");
    for run in 2..5 {
        let (after, groups) = peak_of(run, "0");
        assert_ne!(groups, same);
        assert!(
            after < 1 << 20 && alone < 1 << 20,
            "{after} after it, {alone} before"
        );
    }
}
