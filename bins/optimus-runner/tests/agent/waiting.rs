//! Requests behind one that cannot be carried out yet.

use std::{
    io::{self, Write},
    thread,
    time::{Duration, Instant},
};

use optimus_common::{
    facts::{LimitKind, RunEnd},
    limits::Limits,
};
use optimus_protocol::{CHUNK, ExecId, FrameKind, Get, StdinSource, Stream};

use crate::suite::{
    job::Job,
    session::{Message, Session, write_frame},
};

const WELL: RunEnd = RunEnd::Exited { code: 0 };

/// Takes as many processes as it gets and keeps them, where it is told to; else prints what it reads.
const CROWD: &str = r#"
    int main() {
        char how, line[64];
        if (read(0, &how, 1) != 1) return 1;
        if (how == 'q') { long n = read(0, line, sizeof line); return write(1, line, n) == n ? 0 : 2; }
        for (;;) {
            int child = fork();
            if (child == 0) for (;;) pause();
            if (child < 0) break;
        }
        if (write(1, "full", 4) != 4) return 3;
        for (;;) pause();
    }"#;

/// A session in which a program has filled the box, and another place is free.
fn crowded() -> (Session, ExecId) {
    crowded_with(|_| {})
}

fn crowded_with(change: impl FnOnce(&mut Limits)) -> (Session, ExecId) {
    let job = Job::c(CROWD).slots(2).limit(|limits| {
        limits.processes = 200;
        change(limits);
    });
    let mut session = Session::start();
    session.send_job(&job);
    session.expect_compiled();
    let crowd = session.send_live(0);
    session.send_input(crowd, b"x");
    loop {
        match session.next() {
            Some(Message::Output(id, stream, data)) => {
                session.keep(id, stream, &data);
                return (session, crowd);
            }
            Some(Message::InputTaken(_)) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn what_is_behind_an_execution_that_finds_no_process_is_carried_out() {
    let (mut session, crowd) = crowded();
    let next = session.send_live(1);
    session.send_input(next, b"qword");
    session.send(FrameKind::CloseInput, &next.encode());
    session.send(FrameKind::Kill, &crowd.encode());
    let mut ends = [session.next_run(), session.next_run()];
    ends.sort_by_key(|(run, _)| *run);
    let [(_, crowd), (_, next)] = ends;
    assert_eq!((&crowd.facts.end, crowd.text()), (&RunEnd::Stopped, "full"));
    assert_eq!((&next.facts.end, next.text()), (&WELL, "word"));
    session.send(FrameKind::End, &[]);
    session.expect_end();
}

#[test]
fn what_waits_for_a_place_can_be_killed() {
    let (mut session, crowd) = crowded();
    // Where it finds a process it waits to be told how.
    let next = session.send_live(1);
    session.send(FrameKind::Kill, &next.encode());
    let (run, killed) = session.next_run();
    assert_eq!((run, &killed.facts.end, killed.text()), (1, &RunEnd::Stopped, ""));
    session.send(FrameKind::Kill, &crowd.encode());
    assert_eq!(session.next_run().0, 0);
    // The place is as good as ever.
    let again = session.send_live(2);
    session.send_input(again, b"qagain");
    let (_, ran) = session.next_run();
    assert_eq!((&ran.facts.end, ran.text()), (&WELL, "again"));
    session.send(FrameKind::End, &[]);
    session.expect_end();
}

#[test]
fn what_waits_for_a_place_finds_no_input_when_nothing_follows() {
    let (mut session, _) = crowded_with(|limits| limits.wall_time = Duration::from_secs(5));
    session.send_live(1);
    session.send(FrameKind::End, &[]);
    let mut ends = [session.next_run(), session.next_run()];
    ends.sort_by_key(|(run, _)| *run);
    let [(_, crowd), (_, next)] = ends;
    let limit = LimitKind::WallTime;
    assert_eq!(crowd.facts.end, RunEnd::Killed { limit });
    assert_eq!(next.facts.end, RunEnd::Exited { code: 1 });
    session.expect_end();
}

#[test]
fn no_more_inputs_are_taken_in_than_there_are_places() {
    const BYTES: usize = 8 << 20;
    let (mut session, ExecId(crowd)) = crowded();
    let mut channel = session.input.take().expect("it is open");
    rustix::io::ioctl_fionbio(&channel, true).expect("it can be asked not to block");
    let mut frames = Vec::new();
    // None of them ends, should one find a process.
    for number in crowd + 1..crowd + 4 {
        let exec = Job::c(CROWD).exec(ExecId(number), StdinSource::Bytes(BYTES as u64));
        let exec = serde_json::to_vec(&exec).expect("a message");
        write_frame(&mut frames, FrameKind::Exec, &exec).expect("room");
        for chunk in vec![b'x'; BYTES].chunks(CHUNK) {
            write_frame(&mut frames, FrameKind::Data, chunk).expect("room");
        }
    }
    let (mut sent, mut last) = (0, Instant::now());
    // Nothing was read for so long, so nothing will be.
    while sent < frames.len() && (sent < BYTES || last.elapsed() < Duration::from_secs(1)) {
        match channel.write(&frames[sent..]) {
            Ok(bytes) => (sent, last) = (sent + bytes, Instant::now()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                thread::sleep(Duration::from_millis(1));
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert!(sent < 2 * BYTES, "{sent} bytes were taken in");
    drop(channel);
    assert_eq!(session.expect_failure(), None);
}

/// What a run leaves is removed before its place is used again, which takes long. Its end was heard of.
#[test]
fn what_another_run_left_keeps_no_input_from_its_program() {
    let job = Job::sh(
        "read how; if [ $how = mess ]; then
           for i in $(seq 40); do mkdir /tmp/d$i; (cd /tmp/d$i; seq 500 | xargs touch); done; exit
         fi
         read word; echo heard $word; exec sleep ${how#x}",
    )
    .slots(2);
    let mut session = Session::start();
    session.send_job(&job);
    session.expect_compiled();
    let waits = session.send_live(0);
    session.send_input(waits, b"x1000\n");
    let mess = session.send_live(1);
    session.send_input(mess, b"mess\n");
    assert_eq!(session.next_run().0, 1);
    // Its first line comes when there is a place for it, which is not before what is left is removed.
    let next = session.send_live(2);
    session.send_input(next, b"x0\nme too\n");
    session.send_input(waits, b"you\n");
    let (mut heard, mut ended) = (Vec::new(), 0);
    while heard.len() < 2 {
        match session.next() {
            Some(Message::Output(id, Stream::Stdout, data)) => {
                session.keep(id, Stream::Stdout, &data);
                heard.push(id);
            }
            Some(Message::InputTaken(_)) => {}
            Some(Message::Exited(exited)) if exited.id == next => ended += 1,
            other => panic!("{other:?}"),
        }
    }
    // In a cell there is nothing to remove, and the last one may even be over.
    assert!(heard[0] == waits || !crate::WAY.clears_up(), "{heard:?}");
    session.send(FrameKind::Kill, &waits.encode());
    for _ in ended..2 {
        session.next_run();
    }
    session.send(FrameKind::End, &[]);
    session.expect_end();
}

#[test]
fn a_file_that_waits_for_another_one_holds_back_no_kill() {
    const BYTES: usize = 70_000_000;
    let job =
        Job::sh("echo started; exec sleep 1000").compile(&["sh", "-c", "head -c 70000000 /dev/zero > large"]);
    let mut session = Session::start();
    session.send_job(&job);
    session.expect_compiled();
    let id = session.send_live(0);
    assert!(matches!(session.next(), Some(Message::Output(..))));
    for _ in 0..2 {
        let get = Get {
            path: "large".to_owned(),
            most_bytes: BYTES as u64,
        };
        session.send_message(FrameKind::Get, &get);
    }
    session.send(FrameKind::Kill, &id.encode());
    let (mut bytes, mut killed_at) = (0, None);
    while bytes < 2 * BYTES || killed_at.is_none() {
        match session.next() {
            Some(Message::File(_)) => {}
            Some(Message::Data(data)) => bytes += data.len(),
            Some(Message::Exited(exited)) => {
                assert_eq!(exited.facts.end, RunEnd::Stopped);
                killed_at = Some(bytes);
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(killed_at < Some(BYTES), "killed after {killed_at:?} bytes");
    session.send(FrameKind::End, &[]);
    session.expect_end();
}
