//! Very many runs in one box.

use std::{fs, path::Path};

use optimus_common::facts::RunEnd;
use optimus_protocol::FrameKind;

use crate::suite::{job::Job, session::Session};

/// What the agent holds, as the host sees it.
#[derive(Debug, PartialEq, Eq)]
struct Held {
    /// Without those of its cells' groups.
    descriptors: usize,
    /// For each of its cells' groups.
    descriptors_of_groups: usize,
    mounts: usize,
    /// Groups below the box's.
    groups: usize,
    children: String,
    memory_kib: u64,
}

/// Runs that go on at the same time.
const AT_ONCE: usize = 2;
/// The agent's own group, those of runs, and those at rest until the kernel has let go of what their last runs had.
const MOST_GROUPS: usize = 1 + AT_ONCE + 4;

impl Held {
    fn by_agent_of(session: &Session) -> Self {
        let agent = session.test_box.agent();
        let process = Path::new("/proc").join(agent.to_string());
        let status = fs::read_to_string(process.join("status")).expect("the agent lives");
        let memory = status
            .lines()
            .filter_map(|line| line.strip_prefix("RssAnon:"))
            .filter_map(|value| value.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        let (of_groups, others): (Vec<_>, Vec<_>) = fs::read_dir(process.join("fd"))
            .expect("root may look")
            .filter_map(|entry| fs::read_link(entry.expect("an entry").path()).ok())
            .partition(|target| target.to_string_lossy().contains("/cell-"));
        let groups = session.test_box.groups().len();
        Self {
            descriptors: others.len(),
            descriptors_of_groups: of_groups.len() / (groups - 1),
            mounts: fs::read_to_string(process.join("mounts"))
                .expect("mounts")
                .lines()
                .count(),
            groups,
            children: fs::read_to_string(process.join(format!("task/{agent}/children"))).expect("children"),
            memory_kib: memory.sum(),
        }
    }
}

#[test]
fn two_thousand_runs_leave_nothing_behind() {
    let source = "int main() {
        int fd = open(\"/tmp/file\", O_CREAT | O_WRONLY, 0600); write(fd, \"x\", 1); open(\"/box/file\", O_CREAT | O_WRONLY, 0600);
        if (!fork()) { setsid(); pause(); }
        return 0; }";
    let mut session = Session::start();
    session.send_job(&Job::c(source).slots(2));
    session.expect_compiled();
    let run = |session: &mut Session, runs: std::ops::Range<u32>| {
        // As many at a time, so that no answer waits for a request.
        for first in runs.step_by(AT_ONCE) {
            session.send_test(first, b"");
            session.send_test(first + 1, b"");
            for _ in 0..2 {
                assert_eq!(session.next_run().1.facts.end, RunEnd::Exited { code: 0 });
            }
        }
    };
    run(&mut session, 0..100);
    let before = Held::by_agent_of(&session);
    run(&mut session, 100..2100);
    let after = Held::by_agent_of(&session);
    assert!(
        after.memory_kib <= before.memory_kib + 64,
        "{before:?}, then {after:?}"
    );
    assert!(after.groups <= MOST_GROUPS, "{after:?}");
    assert_eq!(
        after,
        Held {
            groups: after.groups,
            memory_kib: after.memory_kib,
            ..before
        }
    );
    session.send(FrameKind::End, &[]);
    session.expect_end();
}
