//! What a box may say next.
//!
//! A box is not trusted more than the guest in it: everything it says must fit what it was asked. What an end means, and
//! whether all output has come, is for whoever asked to find out.

use std::collections::{HashMap, VecDeque};

use optimus_common::facts::RunEnd;
use optimus_protocol::{
    CHUNK, Exec, ExecId, Exited, FileFound, OutputTag, StdinSource, StdoutFlow, Stream, Taken, WINDOW,
    WINDOW_SLACK,
};

use super::SessionError;

/// Output over the limit that is still taken: the agent notices an excess when it has read it.
const SLACK: u64 = CHUNK as u64;

/// The state of one box as seen from outside.
#[derive(Debug)]
pub(super) struct Ledger {
    /// Executions at once behind the seal; before it there is one.
    places: usize,
    /// Executions that are going on, or wait for their turn.
    open: HashMap<ExecId, Open>,
    newest: Option<ExecId>,
    seal: Seal,
    /// Whether the box was told that nothing follows: it reads no more.
    is_ended: bool,
    /// The most bytes of each file that was asked for, and not answered.
    asked: VecDeque<u64>,
    /// Bytes of a file that are still to come.
    coming: u64,
}

/// Whether the work directory is sealed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Seal {
    #[default]
    NotAsked,
    Asked,
    Done,
}

/// An execution without an end.
#[derive(Debug)]
struct Open {
    /// Bytes of each stream that may come.
    limit: u64,
    printed: Printed,
    /// Whether the work directory has to be sealed before anything comes of it.
    after_seal: bool,
    live: Option<Live>,
    /// Bytes of standard output that came and were not told as taken, where there is a window.
    untaken: Option<usize>,
    stdout_end: StdoutEnd,
    kill_asked: bool,
}

/// Whether the end of a standard output is told before that of its execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StdoutEnd {
    Never,
    ToCome,
    Told,
}

/// A standard input that is sent while its program runs.
#[derive(Debug, Clone, Copy, Default)]
struct Live {
    /// Bytes sent, and not told as taken.
    outstanding: usize,
    closed: bool,
}

/// Bytes received of each stream.
#[derive(Debug, Clone, Copy, Default)]
struct Printed {
    stdout: u64,
    stderr: u64,
}

impl Printed {
    fn add(&mut self, stream: Stream, bytes: usize, limit: u64) -> Result<(), SessionError> {
        let printed = match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        };
        *printed = printed.saturating_add(bytes as u64);
        if *printed > limit.saturating_add(SLACK) {
            return violation(format!("more output than the limit of {limit} bytes"));
        }
        Ok(())
    }
}

fn violation<T>(what: String) -> Result<T, SessionError> {
    Err(SessionError::violation(what))
}

impl Ledger {
    pub(super) fn new(places: u32) -> Self {
        Self {
            places: usize::try_from(places).unwrap_or(usize::MAX),
            open: HashMap::new(),
            newest: None,
            seal: Seal::NotAsked,
            is_ended: false,
            asked: VecDeque::new(),
            coming: 0,
        }
    }

    /// Notes an execution before it is sent.
    pub(super) fn announce(&mut self, exec: &Exec) {
        let id = exec.id;
        assert!(
            self.newest.is_none_or(|newest| newest < id),
            "execution {id} comes after one of a larger number"
        );
        assert!(!self.is_ended, "execution {id} comes behind the end");
        self.newest = Some(id);
        let limits = exec.command.limits;
        let open = Open {
            limit: exec
                .sent_bytes
                .map_or(limits.output_bytes, |sent| sent.min(limits.output_bytes)),
            printed: Printed::default(),
            after_seal: self.seal != Seal::NotAsked,
            live: (exec.stdin == StdinSource::Live).then(Live::default),
            untaken: (exec.stdout == StdoutFlow::Windowed).then_some(0),
            stdout_end: match exec.stdout {
                StdoutFlow::Free => StdoutEnd::Never,
                StdoutFlow::Windowed => StdoutEnd::ToCome,
            },
            kill_asked: false,
        };
        self.open.insert(id, open);
        self.check_places();
    }

    /// Whoever feeds an execution must not stand behind one that waits for a place.
    fn check_places(&self) {
        let after_seal = self.seal != Seal::NotAsked;
        let places = if after_seal { self.places } else { 1 };
        let beside = || self.open.values().filter(|open| open.after_seal == after_seal);
        let is_fed = |open: &Open| open.live.is_some_and(|live| !live.closed) || open.untaken.is_some();
        assert!(
            !beside().any(is_fed) || beside().count() <= places,
            "more executions than the {places} places, and one of them is fed"
        );
    }

    /// Bytes that may be sent to a live input now; `None` where nobody wants any: it is over, or was closed.
    pub(super) fn input_room(&self, id: ExecId) -> Option<usize> {
        let live = self.open.get(&id)?.live.filter(|live| !live.closed)?;
        Some(WINDOW.saturating_sub(live.outstanding))
    }

    /// Notes input before it is sent.
    pub(super) fn input(&mut self, id: ExecId, bytes: usize) {
        if let Some(live) = self.open.get_mut(&id).and_then(|open| open.live.as_mut()) {
            live.outstanding += bytes;
        }
    }

    /// Notes the end of an input before it is sent, and tells whether there is anybody to send it to.
    pub(super) fn close_input(&mut self, id: ExecId) -> bool {
        match self.open.get_mut(&id).and_then(|open| open.live.as_mut()) {
            Some(live) => !std::mem::replace(&mut live.closed, true),
            None => false,
        }
    }

    /// Notes that an execution is to be killed, and tells whether it goes on and is heard of in time: not behind a seal or an end,
    /// which the box comes to when it is over.
    pub(super) fn kill(&mut self, id: ExecId) -> bool {
        let is_sealed = self.seal != Seal::NotAsked;
        match self.open.get_mut(&id) {
            Some(open) if !self.is_ended && open.after_seal == is_sealed => {
                open.kill_asked = true;
                open.untaken = None;
                true
            }
            _ => false,
        }
    }

    /// Nothing follows at all.
    pub(super) fn end(&mut self) {
        self.is_ended = true;
        self.hear_no_more();
    }

    /// Nothing that was asked for until now hears of anything: its input ends, and it has no window any more.
    fn hear_no_more(&mut self) {
        for open in self.open.values_mut() {
            open.untaken = None;
            if let Some(live) = &mut open.live {
                live.closed = true;
            }
        }
    }

    /// Notes that so much of a standard output is taken before that is told, and tells whether anybody has to know.
    pub(super) fn take_output(&mut self, id: ExecId, bytes: usize) -> bool {
        let Some(untaken) = self.open.get_mut(&id).and_then(|open| open.untaken.as_mut()) else {
            return false;
        };
        *untaken = untaken.checked_sub(bytes).expect("what is taken has come");
        true
    }

    pub(super) fn seal(&mut self) {
        assert!(self.seal == Seal::NotAsked, "a box is sealed once");
        self.seal = Seal::Asked;
        self.hear_no_more();
    }

    pub(super) fn get(&mut self, most_bytes: u64) {
        self.asked.push_back(most_bytes);
    }

    pub(super) fn output(&mut self, tag: OutputTag, bytes: usize) -> Result<(), SessionError> {
        if bytes == 0 {
            return violation("an output frame without output".to_owned());
        }
        let open = self.open(tag.id)?;
        if tag.stream == Stream::Stdout && open.stdout_end == StdoutEnd::Told {
            return violation(format!("output of execution {} behind its end", tag.id));
        }
        if tag.stream == Stream::Stdout
            && let Some(untaken) = &mut open.untaken
        {
            *untaken += bytes;
            if *untaken > WINDOW + WINDOW_SLACK {
                return violation(format!("more output of execution {} than its window", tag.id));
            }
        }
        open.printed.add(tag.stream, bytes, open.limit)
    }

    pub(super) fn stdout_closed(&mut self, id: ExecId) -> Result<(), SessionError> {
        let open = self.open(id)?;
        if open.stdout_end != StdoutEnd::ToCome {
            return violation(format!(
                "an end of the standard output of execution {id}, which has none to tell"
            ));
        }
        open.stdout_end = StdoutEnd::Told;
        Ok(())
    }

    pub(super) fn exited(&mut self, exited: &Exited) -> Result<(), SessionError> {
        let Exited { id, facts } = exited;
        let open = self.open(*id)?;
        if facts.end == RunEnd::Stopped && !open.kill_asked {
            return violation(format!("execution {id} was stopped, which nobody asked for"));
        }
        self.open.remove(id);
        Ok(())
    }

    pub(super) fn sealed(&mut self) -> Result<(), SessionError> {
        let is_due = self.seal == Seal::Asked && self.open.values().all(|open| open.after_seal);
        if !is_due {
            return violation("an unexpected seal of the work directory".to_owned());
        }
        self.seal = Seal::Done;
        Ok(())
    }

    pub(super) fn input_taken(&mut self, taken: Taken) -> Result<(), SessionError> {
        let id = taken.id;
        let Some(live) = &mut self.open(id)?.live else {
            return violation(format!("execution {id} takes input, and has all of its own"));
        };
        let bytes = taken.bytes as usize;
        if bytes == 0 || bytes > live.outstanding {
            return violation(format!(
                "execution {id} takes {bytes} bytes of input, of which {} were sent",
                live.outstanding
            ));
        }
        live.outstanding -= bytes;
        Ok(())
    }

    pub(super) fn file(&mut self, found: FileFound) -> Result<(), SessionError> {
        if self.seal != Seal::Done || self.coming > 0 {
            return violation("a file at a time when none can come".to_owned());
        }
        let Some(most) = self.asked.pop_front() else {
            return violation("a file that it was not asked for".to_owned());
        };
        match found {
            FileFound::Bytes(bytes) if bytes <= most => self.coming = bytes,
            FileFound::TooLarge(bytes) if bytes > most => {}
            FileFound::Missing => {}
            FileFound::Bytes(bytes) | FileFound::TooLarge(bytes) => {
                return violation(format!("a file of {bytes} bytes, where {most} were allowed"));
            }
        }
        Ok(())
    }

    pub(super) fn file_data(&mut self, bytes: usize) -> Result<(), SessionError> {
        match self.coming.checked_sub(bytes as u64) {
            Some(left) if bytes > 0 => {
                self.coming = left;
                Ok(())
            }
            _ => violation(format!(
                "{bytes} bytes of a file, of which {} are left",
                self.coming
            )),
        }
    }

    fn open(&mut self, id: ExecId) -> Result<&mut Open, SessionError> {
        let is_sealed = self.seal == Seal::Done;
        match self.open.get_mut(&id) {
            Some(open) if open.after_seal && !is_sealed => violation(format!(
                "execution {id} goes on before the work directory is sealed"
            )),
            Some(open) => Ok(open),
            None if self.newest.is_some_and(|newest| id <= newest) => {
                violation(format!("execution {id} goes on after its end"))
            }
            None => violation(format!("execution {id}, which it was not asked for")),
        }
    }
}
