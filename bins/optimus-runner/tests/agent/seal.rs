//! What goes on when the work directory is to be sealed.

use optimus_common::facts::{RunEnd, RunFacts};
use optimus_protocol::{Exec, ExecId, FrameKind, Prepare, StdinSource, StdoutFlow, Stream, Taken, WINDOW};

use crate::suite::{
    job::Job,
    session::{Message, Session},
};

const WELL: RunEnd = RunEnd::Exited { code: 0 };
const EARLY: ExecId = ExecId(3);
const SEAL: &[u8] = br#"{"program": null, "product": "unknown"}"#;

/// A session in which this is executed in the work directory itself.
fn executing(script: &str, stdout: StdoutFlow) -> (Session, Job) {
    let job = Job::sh(script);
    let mut session = Session::start();
    session.send_message(FrameKind::Begin, &job.begin());
    session.send_message(FrameKind::Prepare, &Prepare::default());
    let exec = Exec {
        stdout,
        ..job.exec(EARLY, StdinSource::Live)
    };
    session.send_message(FrameKind::Exec, &exec);
    (session, job)
}

/// Bytes that come until this execution is over, and its facts.
fn until_over(session: &mut Session, id: ExecId) -> (usize, RunFacts) {
    let mut bytes = 0;
    loop {
        match session.next() {
            Some(Message::Output(from, Stream::Stdout, data)) if from == id => bytes += data.len(),
            Some(Message::InputTaken(_) | Message::StdoutClosed(_)) => {}
            Some(Message::Exited(exited)) if exited.id == id => return (bytes, exited.facts),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn what_is_said_behind_the_seal_of_an_execution_before_it_means_nothing() {
    let (mut session, job) = executing("cat; echo end", StdoutFlow::Windowed);
    session.send_input(EARLY, b"said\n");
    session.send(FrameKind::Seal, SEAL);
    session.send(FrameKind::Kill, &EARLY.encode());
    session.send(FrameKind::CloseInput, &EARLY.encode());
    session.send_input(EARLY, b"late\n");
    session.send(FrameKind::OutputTaken, &Taken { id: EARLY, bytes: 5 }.encode());
    let (bytes, facts) = until_over(&mut session, EARLY);
    assert_eq!((bytes, facts.end), (9, WELL));
    assert!(matches!(session.next(), Some(Message::Sealed(_))));
    let next = ExecId(EARLY.0 + 1);
    session.send_message(FrameKind::Exec, &job.exec(next, StdinSource::Bytes(0)));
    assert_eq!(until_over(&mut session, next).1.end, WELL);
    session.send(FrameKind::End, &[]);
    session.expect_end();
}

#[test]
fn a_number_is_not_used_again_behind_the_seal() {
    for id in [EARLY, ExecId(EARLY.0 - 1)] {
        let (mut session, job) = executing("true", StdoutFlow::Free);
        session.send(FrameKind::Seal, SEAL);
        until_over(&mut session, EARLY);
        assert!(matches!(session.next(), Some(Message::Sealed(_))));
        session.send_message(FrameKind::Exec, &job.exec(id, StdinSource::Bytes(0)));
        let reason = session.expect_failure().expect("a reason");
        assert!(reason.contains("after 3"), "{reason}");
    }
}

#[test]
fn the_seal_lifts_windows() {
    let (mut session, _) = executing("head -c 3000000 /dev/zero", StdoutFlow::Windowed);
    let mut before = 0;
    while before < WINDOW {
        match session.next() {
            Some(Message::Output(_, Stream::Stdout, data)) => before += data.len(),
            other => panic!("{other:?}"),
        }
    }
    session.send(FrameKind::Seal, SEAL);
    let (after, facts) = until_over(&mut session, EARLY);
    assert_eq!((before + after, facts.end), (3_000_000, WELL));
    assert!(matches!(session.next(), Some(Message::Sealed(_))));
    session.send(FrameKind::End, &[]);
    session.expect_end();
}
