//! Two programs, each of which reads what the other one prints.

use std::{collections::VecDeque, thread, time::Duration};

use optimus_common::facts::{LimitKind, RunEnd, RunFacts};
use optimus_protocol::{ExecId, FrameKind, Stream, WINDOW};

use crate::suite::{
    job::Job,
    session::{Message, Session},
};

const TOO_LATE: RunEnd = RunEnd::Killed {
    limit: LimitKind::WallTime,
};

fn started(job: &Job) -> Session {
    let mut session = Session::start();
    session.send_job(job);
    session.expect_compiled();
    session
}

/// Carries what each of two programs prints to the other, as far as its window allows, until both are over.
struct Carrier {
    ids: [ExecId; 2],
    /// By the one that reads.
    waiting: [VecDeque<u8>; 2],
    outstanding: [usize; 2],
    ends: [Option<RunFacts>; 2],
    /// Whether nothing more comes for the one that reads, and whether it was told.
    is_all: [bool; 2],
    is_told: [bool; 2],
}

impl Carrier {
    fn new(session: &mut Session) -> Self {
        Self {
            ids: [session.send_windowed(0), session.send_windowed(1)],
            waiting: Default::default(),
            outstanding: [0; 2],
            ends: [None, None],
            is_all: [false; 2],
            is_told: [false; 2],
        }
    }

    fn place(&self, id: ExecId) -> usize {
        usize::from(id == self.ids[1])
    }

    /// Tells each which of the two it is.
    fn tell_roles(&mut self, session: &mut Session, roles: [&[u8]; 2]) {
        for (place, role) in roles.into_iter().enumerate() {
            self.outstanding[place] += role.len();
            session.send_input(self.ids[place], role);
        }
    }

    fn carry(mut self, session: &mut Session) -> [RunFacts; 2] {
        while self.ends.iter().any(Option::is_none) {
            match session.next() {
                Some(Message::Output(from, Stream::Stdout, data)) => {
                    let reader = 1 - self.place(from);
                    self.waiting[reader].extend(data);
                }
                Some(Message::InputTaken(taken)) => {
                    let reader = self.place(taken.id);
                    self.outstanding[reader] -= taken.bytes as usize;
                }
                Some(Message::Exited(exited)) => {
                    let over = self.place(exited.id);
                    self.ends[over] = Some(exited.facts);
                    self.is_all[1 - over] = true;
                }
                Some(Message::StdoutClosed(id)) => {
                    let reader = 1 - self.place(id);
                    assert!(
                        !self.is_all[reader],
                        "an end is told once, and before that of the program"
                    );
                    self.is_all[reader] = true;
                }
                Some(Message::Output(..)) => {}
                other => panic!("{other:?}"),
            }
            for reader in 0..2 {
                let room = match &self.ends[reader] {
                    Some(_) => usize::MAX,
                    None => WINDOW - self.outstanding[reader],
                };
                let now = room.min(self.waiting[reader].len());
                let bytes: Vec<_> = self.waiting[reader].drain(..now).collect();
                if now > 0 && self.ends[reader].is_none() {
                    self.outstanding[reader] += now;
                    session.send_input(self.ids[reader], &bytes);
                }
                if now > 0 && self.ends[1 - reader].is_none() {
                    session.send_taken(self.ids[1 - reader], now);
                }
                if self.is_all[reader] && self.waiting[reader].is_empty() && !self.is_told[reader] {
                    self.is_told[reader] = true;
                    session.send(FrameKind::CloseInput, &self.ids[reader].encode());
                }
            }
        }
        self.ends.map(|facts| facts.expect("both are over"))
    }
}

#[test]
fn two_programs_that_print_and_do_not_read_come_to_the_end_of_their_time() {
    let job = Job::sh("head -c 3000000 /dev/zero").slots(2).limit(|limits| {
        limits.wall_time = Duration::from_secs(1);
    });
    let mut session = started(&job);
    let ends = Carrier::new(&mut session).carry(&mut session);
    for facts in ends {
        assert_eq!(facts.end, TOO_LATE, "{facts:?}");
        assert!(facts.wall_time >= Duration::from_secs(1), "{facts:?}");
    }
}

#[test]
fn nobody_waits_for_free_behind_a_full_window() {
    let limit = Duration::from_secs(1);
    // More than a window lets through with all that slips by.
    let job = Job::sh("head -c 200000 /dev/zero; exec sleep 1000").limit(|limits| limits.wall_time = limit);
    let mut session = started(&job);
    let id = session.send_windowed(0);
    let (mut bytes, mut taken) = (0, 0);
    let facts = loop {
        match session.next() {
            Some(Message::Output(_, Stream::Stdout, data)) => bytes += data.len(),
            Some(Message::StdoutClosed(_)) => {}
            Some(Message::Exited(exited)) => break exited.facts,
            other => panic!("{other:?}"),
        }
        if bytes >= WINDOW {
            if taken == 0 {
                // Nobody reads it until its time is over.
                thread::sleep(limit * 3 / 2);
            }
            session.send_taken(id, bytes - taken);
            taken = bytes;
        }
    };
    assert_eq!(facts.end, TOO_LATE, "{facts:?}");
    assert!(facts.held < limit && limit <= facts.wall_time, "{facts:?}");
}

/// As between the programs of a shell's pipe.
#[test]
fn who_closes_its_output_is_answered_by_one_that_reads_to_the_end() {
    let job = Job::sh(
        "read role
         if [ $role = asks ]; then
             head -c 200000 /dev/zero; exec >&-; read answer; echo got $answer >&2; [ $answer = 200000 ]
         else
             wc -c
         fi",
    )
    .slots(2);
    let mut session = started(&job);
    let mut carrier = Carrier::new(&mut session);
    carrier.tell_roles(&mut session, [b"asks\n", b"answers\n"]);
    let ends = carrier.carry(&mut session);
    for facts in ends {
        assert_eq!(facts.end, RunEnd::Exited { code: 0 }, "{facts:?}");
    }
    session.send(FrameKind::End, &[]);
    session.expect_end();
}

/// The stream is open as long as any process has it.
#[test]
fn an_output_that_another_process_still_has_is_not_closed() {
    let job = Job::sh("exec 3<&0; (read word <&3; echo $word) & exec >&-; echo waits >&2; wait");
    let mut session = started(&job);
    let id = session.send_windowed(0);
    let mut heard = Vec::new();
    loop {
        match session.next() {
            Some(Message::Output(_, Stream::Stderr, _)) => session.send_input(id, b"word\n"),
            Some(Message::Output(_, Stream::Stdout, data)) => heard.extend(data),
            Some(Message::StdoutClosed(_)) => assert_eq!(heard, b"word\n"),
            Some(Message::Exited(exited)) => {
                assert_eq!(exited.facts.stdout_bytes, 5, "{exited:?}");
                break;
            }
            Some(Message::InputTaken(_)) => {}
            other => panic!("{other:?}"),
        }
    }
    session.send(FrameKind::End, &[]);
    session.expect_end();
}

#[test]
fn an_output_without_a_window_has_no_end_of_its_own() {
    let job = Job::sh("exec >&-; read word; exit 0");
    let mut session = started(&job);
    let id = session.send_live(0);
    session.send_input(id, b"word\n");
    loop {
        match session.next() {
            Some(Message::InputTaken(_)) => {}
            Some(Message::Exited(exited)) => {
                assert_eq!(exited.facts.end, RunEnd::Exited { code: 0 });
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    session.send(FrameKind::End, &[]);
    session.expect_end();
}
