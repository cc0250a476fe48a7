//! The channel to the worker: when it breaks, and what the agent refuses.

use optimus_protocol::{FileHeader, FrameKind, HEADER_LEN, TestHeader, encode};

use crate::suite::session::{Job, Session};

#[test]
fn a_hang_up_before_the_job_ends_the_box() {
    let mut session = Session::start();
    session.input = None;
    assert_eq!(session.expect_failure(), None);
}

#[test]
fn a_hang_up_in_the_middle_of_a_file_ends_the_box() {
    let mut session = Session::start();
    let job = Job::sh("true").file("big", &[b'x'; 1000]);
    session.send_message(FrameKind::Job, &job.header());
    session.send(FrameKind::FileData, &[b'x'; 500]);
    session.input = None;
    assert_eq!(session.expect_failure(), None);
}

#[test]
fn a_hang_up_while_compiling_ends_the_box() {
    let mut session = Session::start();
    session.send_job(&Job::sh("true").compile(&["sh", "-c", "(setsid sleep 1000 &); sleep 1000"]));
    session.input = None;
    assert_eq!(session.expect_failure(), None);
}

#[test]
fn a_hang_up_during_a_run_ends_the_box_even_with_tests_unread() {
    let mut session = Session::start();
    session.send_job(&Job::sh("echo started; (setsid sleep 1000 &); sleep 1000"));
    session.expect_compiled();
    for run in 0..3 {
        session.send_test(run, b"input");
    }
    assert!(matches!(
        session.next(),
        Some(crate::suite::session::Message::Output(..))
    ));
    session.input = None;
    assert_eq!(session.expect_failure(), None);
}

#[test]
fn a_hang_up_between_tests_ends_the_box() {
    let mut session = Session::start();
    session.send_job(&Job::sh("true"));
    session.expect_compiled();
    session.send_test(0, b"");
    session.next_run();
    session.input = None;
    assert_eq!(session.expect_failure(), None);
}

#[test]
fn frames_may_arrive_byte_by_byte() {
    let mut session = Session::start();
    let job = Job::sh("cat");
    session.send_job(&job);
    session.expect_compiled();
    let header = serde_json::to_vec(&TestHeader {
        run: 1,
        input_bytes: 3,
    })
    .unwrap();
    let mut bytes = Vec::new();
    for (kind, payload) in [
        (FrameKind::Test, header.as_slice()),
        (FrameKind::InputData, b"ab"),
        (FrameKind::InputData, b"c"),
    ] {
        encode(&mut bytes, kind, &[payload]);
    }
    for byte in bytes {
        std::io::Write::write_all(session.input.as_mut().unwrap(), &[byte]).unwrap();
        std::thread::yield_now();
    }
    assert_eq!(session.next_run().1.stdout, b"abc");
    session.send(FrameKind::End, &[]);
    session.expect_end();
}

#[test]
fn file_names_that_lead_elsewhere_are_a_fault() {
    for name in ["../escape", "/etc/passwd", "a/../../b", "", "./x", "a//b", "-o"] {
        let mut session = Session::start();
        let mut header = Job::sh("true").header();
        header.files = vec![FileHeader {
            name: name.to_owned(),
            bytes: 1,
        }];
        session.send_message(FrameKind::Job, &header);
        let reason = session.expect_failure().expect("a reason");
        assert!(reason.contains("cannot store"), "{reason}");
    }
}

#[test]
fn a_job_of_another_version_is_a_fault() {
    let mut session = Session::start();
    let mut header = Job::sh("true").header();
    header.version += 1;
    session.send_message(FrameKind::Job, &header);
    assert!(session.expect_failure().expect("a reason").contains("version"));
}

#[test]
fn frames_out_of_order_are_a_fault() {
    let tests = |session: &mut Session, kind, payload: &[u8]| {
        session.send_job(&Job::sh("true"));
        session.expect_compiled();
        session.send(kind, payload);
    };
    let mut session = Session::start();
    session.send(FrameKind::End, &[]);
    assert!(session.expect_failure().is_some());
    for (kind, payload) in [
        (FrameKind::InputData, &b"x"[..]),
        (FrameKind::Job, b"{}"),
        (FrameKind::Test, b"{}"),
        (FrameKind::Test, b""),
    ] {
        let mut session = Session::start();
        tests(&mut session, kind, payload);
        assert!(session.expect_failure().is_some(), "{kind:?}");
    }
    let mut session = Session::start();
    tests(&mut session, FrameKind::Test, br#"{"run": 1, "input_bytes": 1}"#);
    session.send(FrameKind::InputData, b"too much");
    assert!(session.expect_failure().is_some());
}

#[test]
fn bytes_that_are_no_frame_are_a_fault() {
    let mut session = Session::start();
    let garbage = [0xff; HEADER_LEN];
    std::io::Write::write_all(session.input.as_mut().unwrap(), &garbage).unwrap();
    assert!(session.expect_failure().is_some());
}
