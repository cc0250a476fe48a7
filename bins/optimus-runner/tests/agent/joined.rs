//! Two programs, each of which reads what the other one prints.

use std::{collections::VecDeque, thread, time::Duration};

use optimus_common::facts::{LimitKind, RunEnd, RunFacts};
use optimus_protocol::{ExecId, Stream, WINDOW};

use crate::suite::session::{Job, Message, Session};

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
}

impl Carrier {
    fn new(session: &mut Session) -> Self {
        Self {
            ids: [session.send_windowed(0), session.send_windowed(1)],
            waiting: Default::default(),
            outstanding: [0; 2],
            ends: [None, None],
        }
    }

    fn place(&self, id: ExecId) -> usize {
        usize::from(id == self.ids[1])
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
