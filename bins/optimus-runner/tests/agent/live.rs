//! Standard inputs that come while their programs run.

use std::collections::{HashMap, VecDeque};

use optimus_common::facts::{RunEnd, RunFacts};
use optimus_protocol::{ExecId, FrameKind, Stream, WINDOW, WINDOW_SLACK};

use crate::suite::{
    job::Job,
    session::{Message, Ran, Session},
};

const WELL: RunEnd = RunEnd::Exited { code: 0 };

fn started(job: &Job) -> Session {
    let mut session = Session::start();
    session.send_job(job);
    session.expect_compiled();
    session
}

/// Says that nothing follows, and sees the box leave.
fn end(mut session: Session) {
    session.send(FrameKind::End, &[]);
    session.expect_end();
}

/// What goes to live inputs, as far as their windows allow.
#[derive(Default)]
struct Feeder {
    inputs: HashMap<ExecId, Feed>,
}

#[derive(Default)]
struct Feed {
    waiting: VecDeque<u8>,
    outstanding: usize,
    taken: usize,
}

impl Feeder {
    fn push(&mut self, session: &mut Session, id: ExecId, bytes: &[u8]) {
        self.inputs.entry(id).or_default().waiting.extend(bytes);
        self.send(session, id);
    }

    fn send(&mut self, session: &mut Session, id: ExecId) {
        let feed = self.inputs.entry(id).or_default();
        let now = feed.waiting.len().min(WINDOW - feed.outstanding);
        if now > 0 {
            let bytes: Vec<_> = feed.waiting.drain(..now).collect();
            feed.outstanding += now;
            session.send_input(id, &bytes);
        }
    }

    fn taken(&mut self, session: &mut Session, id: ExecId, bytes: usize) {
        let feed = self.inputs.entry(id).or_default();
        feed.outstanding = feed.outstanding.checked_sub(bytes).expect("it was sent");
        feed.taken += bytes;
        self.send(session, id);
    }

    fn is_sent(&self, id: ExecId) -> bool {
        self.inputs[&id].waiting.is_empty()
    }

    /// Goes on until `until` says so of what comes; what is printed is kept.
    fn carry(&mut self, session: &mut Session, mut until: impl FnMut(&Self, &Message) -> bool) {
        loop {
            let message = session.next().expect("the box goes on");
            if let Message::InputTaken(taken) = &message {
                self.taken(session, taken.id, taken.bytes as usize);
            }
            if let Message::Output(id, stream, data) = &message {
                session.keep(*id, *stream, data);
            }
            if until(self, &message) {
                return;
            }
        }
    }
}

/// Feeds one program with all of it, and returns what comes of it.
fn fed(session: &mut Session, run: u32, bytes: &[u8]) -> Ran {
    let id = session.send_live(run);
    let mut feeder = Feeder::default();
    feeder.push(session, id, bytes);
    if !feeder.is_sent(id) {
        feeder.carry(session, |feeder, _| feeder.is_sent(id));
    }
    session.send(FrameKind::CloseInput, &id.encode());
    let (seen, ran) = session.next_run();
    assert_eq!(seen, run);
    ran
}

#[test]
fn many_windows_of_input_come_back_as_they_were_sent() {
    let mut session = started(&Job::command(&["cat"]));
    let bytes: Vec<_> = (0..=250_u8).cycle().take(WINDOW * 5 + 17).collect();
    let inputs = [&bytes[..], b"", b"one line\n", &bytes[..WINDOW]];
    for (run, input) in (0..).zip(inputs) {
        let ran = fed(&mut session, run, input);
        assert_eq!(ran.facts.end, WELL, "{:?}", ran.facts);
        assert!(
            ran.stdout == input,
            "{} bytes of {}",
            ran.stdout.len(),
            input.len()
        );
    }
    end(session);
}

#[test]
fn a_program_answers_what_it_is_told_before_more_is_said() {
    let mut session = started(&Job::sh("while read n; do echo $((n + 1)); done"));
    let id = session.send_live(0);
    for said in [1, 41, 1000] {
        session.send_input(id, format!("{said}\n").as_bytes());
        let mut heard = Vec::new();
        while !heard.ends_with(b"\n") {
            match session.next() {
                Some(Message::Output(_, Stream::Stdout, data)) => {
                    session.keep(id, Stream::Stdout, &data);
                    heard.extend(data);
                }
                Some(Message::InputTaken(_)) => {}
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(heard, format!("{}\n", said + 1).as_bytes());
    }
    session.send(FrameKind::CloseInput, &id.encode());
    assert_eq!(session.next_run().1.facts.end, WELL);
    end(session);
}

#[test]
fn standard_input_may_be_opened_anew_and_only_read() {
    let mut session = started(&Job::sh(
        "cat /dev/stdin; (echo x > /dev/stdin) 2>&- && echo wrote; test -p /dev/stdin && echo a pipe",
    ));
    let ran = fed(&mut session, 0, b"said\n");
    assert_eq!(ran.text(), "said\na pipe\n");
    end(session);
}

#[test]
fn a_guest_that_never_reads_stops_neither_the_agent_nor_its_neighbours() {
    let mut session = started(&Job::sh("read how; [ $how = deaf ] && exec sleep 1000; cat").slots(2));
    let deaf = session.send_live(0);
    let mut feeder = Feeder::default();
    // Far more than its pipe and its window take.
    feeder.push(&mut session, deaf, b"deaf\n");
    feeder.push(&mut session, deaf, &vec![b'x'; WINDOW * 8]);
    feeder.carry(&mut session, |feeder, _| {
        let feed = &feeder.inputs[&deaf];
        feed.outstanding == WINDOW && feed.taken > 0
    });
    let hears = session.send_live(1);
    let bytes = [b"hear\n", vec![b'y'; WINDOW * 4].as_slice()].concat();
    feeder.push(&mut session, hears, &bytes);
    if !feeder.is_sent(hears) {
        feeder.carry(&mut session, |feeder, _| feeder.is_sent(hears));
    }
    session.send(FrameKind::CloseInput, &hears.encode());
    let mut facts = None;
    feeder.carry(&mut session, |_, message| match message {
        Message::Exited(exited) if exited.id == hears => {
            facts = Some(exited.facts.clone());
            true
        }
        _ => false,
    });
    let facts = facts.unwrap();
    assert_eq!((&facts.end, facts.stdout_bytes), (&WELL, WINDOW as u64 * 4));
    // The deaf one has not taken more than a pipe holds.
    let feed = &feeder.inputs[&deaf];
    assert!(feed.outstanding <= WINDOW && !feed.waiting.is_empty());
    session.send(FrameKind::Kill, &deaf.encode());
    assert_eq!(session.next_run().1.facts.end, RunEnd::Stopped);
    end(session);
}

#[test]
fn a_guest_that_closes_its_input_or_ends_early_takes_all_that_is_sent() {
    let mut session = started(&Job::sh(
        "read how; exec 0<&-; [ $how = go ] && sleep 0.5; echo over",
    ));
    for (run, how) in [(0, "go"), (1, "end")] {
        let id = session.send_live(run);
        let mut feeder = Feeder::default();
        feeder.push(&mut session, id, format!("{how}\n").as_bytes());
        feeder.push(&mut session, id, &vec![b'x'; WINDOW * 6]);
        let mut over = false;
        feeder.carry(&mut session, |feeder, message| {
            over = matches!(message, Message::Exited(_));
            over || feeder.is_sent(id)
        });
        if over {
            assert_eq!(how, "end", "while it goes on, all is taken");
        } else {
            assert_eq!(session.next_run().1.text(), "over\n");
        }
        // Nobody is there any more.
        session.send_input(id, b"late");
        session.send(FrameKind::CloseInput, &id.encode());
        session.send(FrameKind::Kill, &id.encode());
    }
    assert_eq!(fed(&mut session, 2, b"end\n").text(), "over\n");
    end(session);
}

#[test]
fn the_end_of_the_session_is_the_end_of_live_inputs() {
    let mut session = started(&Job::sh("cat; echo end"));
    let id = session.send_live(0);
    session.send_input(id, b"said\n");
    session.send(FrameKind::End, &[]);
    assert_eq!(session.next_run().1.text(), "said\nend\n");
    session.expect_end();
}

#[test]
fn a_program_whose_window_is_full_is_held_back_alone() {
    let job = Job::sh("read how; [ $how = much ] && exec head -c 3000000 /dev/zero; cat").slots(2);
    let mut session = started(&job);
    let much = session.send_windowed(0);
    session.send_input(much, b"much\n");
    let mut untaken = 0;
    let mut facts = None;
    // What comes of it before anything is taken.
    while untaken < WINDOW {
        untaken += printed(&mut session, much, &mut facts);
    }
    let beside = fed(&mut session, 1, b"little\nword\n");
    assert_eq!((&beside.facts.end, beside.text()), (&WELL, "word\n"));
    // It was not heard of meanwhile but for what slips by.
    let mut all = untaken + session.kept(much);
    assert!(all <= WINDOW + WINDOW_SLACK, "{all}");
    session.send_taken(much, all);
    while facts.is_none() {
        let more = printed(&mut session, much, &mut facts);
        if more > 0 {
            all += more;
            session.send_taken(much, more);
        }
    }
    let facts = facts.unwrap();
    assert_eq!(
        (&facts.end, facts.stdout_bytes, all),
        (&WELL, 3_000_000, 3_000_000)
    );
    end(session);
}

/// Bytes of standard output that came with the next message about this execution; its facts once it is over.
fn printed(session: &mut Session, id: ExecId, over: &mut Option<RunFacts>) -> usize {
    match session.next() {
        Some(Message::Output(from, Stream::Stdout, data)) if from == id => data.len(),
        Some(Message::InputTaken(_) | Message::StdoutClosed(_)) => 0,
        Some(Message::Exited(exited)) if exited.id == id => {
            *over = Some(exited.facts);
            0
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_end_of_a_session_and_a_kill_lift_windows() {
    for kills in [true, false] {
        let mut session = started(&Job::sh("read how; head -c 3000000 /dev/zero; exec sleep $how"));
        let id = session.send_windowed(0);
        session.send_input(id, if kills { b"1000\n" } else { b"0\n" });
        let (mut bytes, mut facts) = (0, None);
        while bytes < WINDOW {
            bytes += printed(&mut session, id, &mut facts);
        }
        if kills {
            session.send(FrameKind::Kill, &id.encode());
        } else {
            session.send(FrameKind::End, &[]);
        }
        while facts.is_none() {
            bytes += printed(&mut session, id, &mut facts);
        }
        let facts = facts.unwrap();
        assert_eq!(bytes as u64, facts.stdout_bytes);
        if kills {
            assert_eq!(facts.end, RunEnd::Stopped);
            end(session);
        } else {
            assert_eq!((&facts.end, bytes), (&WELL, 3_000_000));
            session.expect_end();
        }
    }
}

#[test]
fn two_programs_that_feed_each_other_never_wait_for_each_other_in_vain() {
    let source = "
        static char block[1 << 20];
        static void all(int in, char *at, long n) {
            for (long r; n > 0; at += r, n -= r) if ((r = in ? read(0, at, n) : write(1, at, n)) <= 0) exit(3);
        }
        int main() {
            char role; all(1, &role, 1);
            // Word by word, and then far more than all pipes and windows hold.
            for (int n = 0; n < 500; n++) {
                int said = n;
                if (role == 'a') { all(0, (char *)&said, sizeof said); all(1, (char *)&said, sizeof said); if (said != n + 1) return 4; }
                else { all(1, (char *)&said, sizeof said); if (said != n) return 5; said++; all(0, (char *)&said, sizeof said); }
            }
            if (role == 'a') { memset(block, 7, sizeof block); all(0, block, sizeof block); memset(block, 0, sizeof block); all(1, block, sizeof block); }
            else { all(1, block, sizeof block); for (long n = 0; n < sizeof block; n++) block[n]++; all(0, block, sizeof block); }
            for (long n = 0; n < sizeof block; n++) if (block[n] != (role == 'a' ? 8 : 8)) return 6;
            return 0; }";
    let mut session = started(&Job::c(source).slots(2));
    let ids = [session.send_windowed(0), session.send_windowed(1)];
    let mut feeder = Feeder::default();
    for (id, role) in ids.into_iter().zip(b"ab") {
        feeder.push(&mut session, id, &[*role]);
    }
    let mut over = 0;
    while over < 2 {
        match session.next() {
            Some(Message::Output(from, Stream::Stdout, data)) => {
                let to = ids[usize::from(from == ids[0])];
                feeder.push(&mut session, to, &data);
                // As a carrier does that has them out of its hands.
                session.send_taken(from, data.len());
            }
            Some(Message::InputTaken(taken)) => feeder.taken(&mut session, taken.id, taken.bytes as usize),
            Some(Message::StdoutClosed(_)) => {}
            Some(Message::Exited(exited)) => {
                assert_eq!(exited.facts.end, WELL, "{exited:?}");
                over += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    end(session);
}

/// Sends something to a box.
type Send<'a> = &'a dyn Fn(&mut Session);

#[test]
fn input_that_nobody_was_to_send_is_a_fault() {
    let window = vec![b'x'; WINDOW];
    let cases: &[(&str, Send<'_>)] = &[
        ("which it has not sent", &|session| {
            session.send_input(ExecId(7), b"x");
        }),
        ("which it has not sent", &|session| {
            session.send(FrameKind::CloseInput, &ExecId(7).encode());
        }),
        ("which it has not sent", &|session| {
            session.send(FrameKind::Kill, &ExecId(7).encode());
        }),
        ("more input than the window", &|session| {
            let id = session.send_live(0);
            // Nothing is read, so no more than what the pipe takes may follow.
            for _ in 0..8 {
                session.try_send(FrameKind::Input, &[&id.encode(), &window[..]].concat());
            }
        }),
        ("after its end", &|session| {
            let id = session.send_live(0);
            session.send(FrameKind::CloseInput, &id.encode());
            session.send_input(id, b"x");
        }),
        ("has all of its own", &|session| {
            session.send_test(0, b"");
            session.send_input(ExecId(1), b"x");
        }),
        ("has taken more", &|session| {
            let id = session.send_windowed(0);
            session.send_taken(id, 1);
        }),
        ("which it has not sent", &|session| {
            session.send_taken(ExecId(7), 1);
        }),
        ("after", &|session| {
            let exec = session.send_live(0);
            let again = Job::sh("true").exec(exec, optimus_protocol::StdinSource::Live);
            session.send_message(FrameKind::Exec, &again);
        }),
    ];
    for (reason, send) in cases {
        let mut session = started(&Job::command(&["sleep", "1000"]).slots(2));
        send(&mut session);
        let told = session.expect_failure().expect("a reason");
        assert!(told.contains(reason), "{told:?} instead of {reason:?}");
    }
}
