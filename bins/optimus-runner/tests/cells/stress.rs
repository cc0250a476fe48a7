//! Very many runs in one box.

use std::{fs, path::Path};

use optimus_common::{facts::RunEnd, protocol::FrameKind};

use crate::session::{Job, Session};

/// What the agent holds, as the host sees it.
#[derive(Debug, PartialEq, Eq)]
struct Held {
    descriptors: usize,
    mounts: usize,
    /// Groups below the box's.
    groups: Vec<String>,
    children: String,
    memory_kib: u64,
}

impl Held {
    fn by_agent_of(session: &Session) -> Self {
        let agent = session.test_box.agent();
        let process = Path::new("/proc").join(agent.to_string());
        let status = fs::read_to_string(process.join("status")).expect("the agent lives");
        let memory = status
            .lines()
            .filter_map(|line| line.strip_prefix("RssAnon:"))
            .filter_map(|value| value.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        Self {
            descriptors: fs::read_dir(process.join("fd")).expect("root may look").count(),
            mounts: fs::read_to_string(process.join("mounts"))
                .expect("mounts")
                .lines()
                .count(),
            groups: session.test_box.groups(),
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
        // Two at a time, so that no answer waits for a request.
        for first in runs.step_by(2) {
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
    assert_eq!(
        after,
        Held {
            memory_kib: after.memory_kib,
            ..before
        }
    );
    session.send(FrameKind::End, &[]);
    session.expect_end();
}
