//! Executions that the worker ends.

use optimus_common::facts::RunEnd;
use optimus_protocol::{ExecId, FrameKind};

use crate::suite::{
    job::Job,
    session::{Message, Session},
};

#[test]
fn a_killed_execution_ends_with_all_its_processes_and_the_box_goes_on() {
    let job = Job::sh(
        "read how; [ $how = stay ] || { echo quick; exit; }
         (setsid sleep 1000 &); echo started; while :; do :; done",
    );
    let mut session = Session::start();
    session.send_job(&job);
    session.expect_compiled();
    for round in 0..2 {
        session.send_test(2 * round, b"stay\n");
        match session.next() {
            Some(Message::Output(id, stream, data)) => {
                session.keep(id, stream, &data);
                session.send(FrameKind::Kill, &id.encode());
                // Once more, which means nothing.
                session.send(FrameKind::Kill, &id.encode());
            }
            other => panic!("{other:?}"),
        }
        let (_, killed) = session.next_run();
        assert_eq!(
            (&killed.facts.end, killed.text()),
            (&RunEnd::Stopped, "started\n")
        );
        session.send_test(2 * round + 1, b"go\n");
        let (_, ran) = session.next_run();
        assert_eq!(
            (&ran.facts.end, ran.text()),
            (&RunEnd::Exited { code: 0 }, "quick\n")
        );
        session.send(FrameKind::Kill, &ExecId(1).encode());
    }
    session.send(FrameKind::End, &[]);
    session.expect_end();
}

#[test]
fn a_compile_step_can_be_killed() {
    let mut session = Session::start();
    session.send_job(&Job::sh("true").compile(&["sh", "-c", "echo started; sleep 1000"]));
    match session.next() {
        Some(Message::Output(id, stream, data)) => {
            session.keep(id, stream, &data);
            session.send(FrameKind::Kill, &id.encode());
        }
        other => panic!("{other:?}"),
    }
    let compiled = session.compiled().expect("there is a compile step");
    assert_eq!(compiled.facts.end, RunEnd::Stopped);
    session.expect_end();
}
