//! The channel to the worker: when it breaks, and what the agent refuses.

use optimus_protocol::{Begin, ExecId, FrameKind, HEADER_LEN, Prepare, Put, StdinSource, VERSION, encode};

use optimus_testkit::waiting::until_blocking;

use crate::suite::{
    job::Job,
    session::{Message, Session},
};

#[test]
fn a_hang_up_before_the_job_ends_the_box() {
    let mut session = Session::start();
    session.input = None;
    assert_eq!(session.expect_failure(), None);
}

#[test]
fn a_hang_up_in_the_middle_of_a_file_ends_the_box() {
    let mut session = Session::start();
    let job = Job::sh("true");
    session.send_message(FrameKind::Begin, &job.begin());
    let path = "big".to_owned();
    session.send_message(FrameKind::Put, &Put { path, bytes: 1000 });
    session.send(FrameKind::Data, &[b'x'; 500]);
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
fn a_hang_up_behind_a_seal_or_the_end_ends_the_box() {
    for (last, payload) in [
        (
            FrameKind::Seal,
            &br#"{"program": null, "product": "unknown"}"#[..],
        ),
        (FrameKind::End, b""),
    ] {
        let mut session = Session::start();
        let job = Job::sh("echo started; exec sleep 1000");
        session.send_message(FrameKind::Begin, &job.begin());
        session.send_message(FrameKind::Prepare, &Prepare::default());
        session.send_message(FrameKind::Exec, &job.exec(ExecId(0), StdinSource::Bytes(0)));
        assert!(matches!(session.next(), Some(Message::Output(..))));
        session.send(last, payload);
        // So that it has been read.
        std::thread::sleep(std::time::Duration::from_millis(500));
        session.input = None;
        assert_eq!(session.expect_failure(), None, "{last:?}");
    }
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
    let exec = serde_json::to_vec(&job.exec(ExecId(1), StdinSource::Bytes(3))).unwrap();
    session.expect_run(ExecId(1), 1);
    let mut bytes = Vec::new();
    for (kind, payload) in [
        (FrameKind::Exec, exec.as_slice()),
        (FrameKind::Data, b"ab"),
        (FrameKind::Data, b"c"),
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
        session.send_message(FrameKind::Begin, &Job::sh("true").begin());
        let path = name.to_owned();
        session.send_message(FrameKind::Put, &Put { path, bytes: 1 });
        let reason = session.expect_failure().expect("a reason");
        assert!(reason.contains("cannot store"), "{reason}");
    }
}

#[test]
fn folders_that_lie_elsewhere_or_are_files_are_a_fault() {
    for name in ["../escape", "/tmp/x", "..", ".", "", "a/b", "there"] {
        let mut session = Session::start();
        session.send_message(FrameKind::Begin, &Job::sh("true").begin());
        let path = "there".to_owned();
        session.send_message(FrameKind::Put, &Put { path, bytes: 0 });
        let folders = vec![name.to_owned()];
        session.send_message(FrameKind::Prepare, &Prepare { folders });
        let reason = session.expect_failure().expect("a reason");
        assert!(reason.contains("cannot make"), "{reason}");
    }
}

#[test]
fn a_job_of_another_version_is_a_fault() {
    let mut session = Session::start();
    let begin = Begin {
        version: VERSION + 1,
        ..Job::sh("true").begin()
    };
    session.send_message(FrameKind::Begin, &begin);
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
        (FrameKind::Data, &b"x"[..]),
        (FrameKind::Begin, b"{}"),
        (FrameKind::Put, b"{}"),
        (FrameKind::Prepare, b"{}"),
        (FrameKind::Seal, br#"{"program": null, "product": "unknown"}"#),
        (FrameKind::Exec, b"{}"),
        (FrameKind::Exec, b""),
        (FrameKind::Ready, b"{}"),
    ] {
        let mut session = Session::start();
        tests(&mut session, kind, payload);
        assert!(session.expect_failure().is_some(), "{kind:?}");
    }
    let mut session = Session::start();
    tests(
        &mut session,
        FrameKind::Exec,
        &serde_json::to_vec(&Job::sh("true").exec(ExecId(1), StdinSource::Bytes(1))).unwrap(),
    );
    session.send(FrameKind::Data, b"too much");
    assert!(session.expect_failure().is_some());
}

#[test]
fn nothing_is_executed_or_sealed_before_the_files_are_there() {
    let exec = serde_json::to_vec(&Job::sh("true").exec(ExecId(0), StdinSource::Bytes(0))).unwrap();
    for (kind, payload) in [
        (FrameKind::Exec, &exec[..]),
        (FrameKind::Seal, br#"{"program": null, "product": "unknown"}"#),
        (FrameKind::Data, b"x"),
        (FrameKind::End, b""),
    ] {
        let mut session = Session::start();
        session.send_message(FrameKind::Begin, &Job::sh("true").begin());
        session.send(kind, payload);
        let reason = session.expect_failure().expect("a reason");
        assert!(reason.contains("out of order"), "{kind:?}: {reason}");
    }
}

#[test]
fn before_the_work_directory_is_sealed_no_file_can_be_had() {
    let get = br#"{"path": "made", "most_bytes": 1}"#;
    let mut session = Session::start();
    session.send_job(&Job::sh("true").compile(&["sleep", "1000"]));
    session.send(FrameKind::Get, get);
    let reason = session.expect_failure().expect("a reason");
    assert!(reason.contains("out of order"), "{reason}");
}

#[test]
fn a_box_may_be_ended_in_place_of_being_sealed() {
    let mut session = Session::start();
    let job = Job::sh("true");
    session.send_message(FrameKind::Begin, &job.begin());
    session.send_message(FrameKind::Prepare, &Prepare::default());
    session.send(FrameKind::End, &[]);
    session.expect_end();

    let mut session = Session::start();
    session.send_job(&Job::sh("true").compile(&["true"]));
    session.send(FrameKind::End, &[]);
    assert!(matches!(session.next(), Some(Message::Exited(_))));
    session.expect_end();
}

/// As for a program of two compilers, or one that is made in steps.
#[test]
fn what_is_executed_before_the_seal_finds_what_others_left_and_nothing_goes_on_beside_it() {
    let mut session = Session::start();
    session.send_message(FrameKind::Begin, &Job::sh("true").slots(4).begin());
    session.send_message(FrameKind::Prepare, &Prepare::default());
    let script = "cat made 2>&-; echo $$ > going; sleep 0.2; [ $(cat going) = $$ ] && echo step >> made";
    for id in 0..3 {
        let exec = Job::sh(script).exec(ExecId(id), StdinSource::Bytes(0));
        session.expect_run(ExecId(id), id);
        session.send_message(FrameKind::Exec, &exec);
    }
    for id in 0..3 {
        let (run, ran) = session.next_run();
        assert_eq!((run, ran.text()), (id, &*"step\n".repeat(id as usize)));
    }
    session.send(
        FrameKind::Seal,
        br#"{"program": null, "product": {"named": "made"}}"#,
    );
    assert!(matches!(session.next(), Some(Message::Sealed(sealed)) if !sealed.program_missing));
    session.send(FrameKind::End, &[]);
    session.expect_end();
}

/// The last words of an agent that cannot go on take as long as the worker lets them.
#[test]
fn programs_are_killed_before_a_fault_is_told() {
    let mut session = Session::start();
    // One of them writes nothing, so that it does not die of a pipe that nobody reads.
    session.send_job(&Job::sh("sleep 1000 & exec head -c 100000000 /dev/zero"));
    session.expect_compiled();
    let agent = session.test_box.agent().cast_signed();
    session.deaf_while(|session| {
        session.send_test(0, b"");
        let program = |session: &Session| session.test_box.running("head").first().copied();
        // What is printed fills the channel: the agent has nothing to do, and the program waits for it, again and again.
        let mut seen = 0;
        until_blocking("the channel is full", || {
            let waits = program(session).is_some_and(|program| {
                let before = written(program);
                let all_sleep = [program, agent, program].map(sleeps) == [true; 3];
                before > 0 && all_sleep && before == written(program)
            });
            seen = if waits { seen + 1 } else { 0 };
            seen >= 10
        });
        session.send(FrameKind::Ready, b"{}");
        let left = |session: &Session| session.test_box.running("sleep");
        until_blocking("the program is gone", || {
            program(session).is_none() && left(session).is_empty()
        });
        let agent = session.test_box.child.try_wait();
        assert!(agent.expect("it can be asked").is_none(), "it was to tell why");
    });
    assert!(
        session
            .expect_failure()
            .expect("a reason")
            .contains("out of order")
    );
}

/// Bytes that a process of a box has written.
fn written(pid: i32) -> u64 {
    let counts = std::fs::read_to_string(format!("/proc/{pid}/io")).unwrap_or_default();
    let count = counts.lines().find_map(|line| line.strip_prefix("wchar: "));
    count.and_then(|count| count.parse().ok()).unwrap_or(0)
}

fn sleeps(pid: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") S "))
}

#[test]
fn bytes_that_are_no_frame_are_a_fault() {
    let mut session = Session::start();
    let garbage = [0xff; HEADER_LEN];
    std::io::Write::write_all(session.input.as_mut().unwrap(), &garbage).unwrap();
    assert!(session.expect_failure().is_some());
}
