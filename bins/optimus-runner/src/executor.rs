//! Executes what the worker asks for, in the order in which it comes, and decides nothing.
//!
//! One reactor for both kinds of executions: those that work in the work directory itself, and those that have a copy of
//! it. No guest and no worker is ever waited for alone: what a guest does not read waits in its own window, what the worker
//! does not read keeps guests from writing, and requests are read on meanwhile.

use anyhow::{Context, bail, ensure};
use optimus_cell::{Event, LiveInput, OutputFlow, Slot, StartResult, Stdin, Supervisor};
use optimus_protocol::{
    CommandSpec, Exec, ExecId, Exited, FrameKind, Get, OutputTag, Seal, StdoutFlow, Stream, Taken, WINDOW,
};
use rustix::event::{PollFd, PollFlags};

use crate::{
    artefacts::ArtefactSender,
    channel::{self, Outbox},
    inbox::{Execution, Inbox, OutOfOrder, Request},
    live_input::WindowedInput,
};

/// The work directory that executions find.
#[derive(Debug)]
pub(crate) enum WorkDirectory {
    /// The box's own, which they change.
    Kept,
    /// Copies, of which nothing is kept. Files of the original may be asked for.
    Sealed(ArtefactSender),
}

/// Why there is nothing more to execute here.
#[derive(Debug)]
pub(crate) enum Finished {
    /// The work directory is to be sealed.
    Seal(Seal),
    End,
}

#[derive(Debug)]
pub(crate) struct Executor<'a> {
    supervisor: Supervisor,
    work_directory: WorkDirectory,
    inbox: Inbox,
    outbox: &'a mut Outbox,
    /// What goes on in each slot. There is nothing while the slot is cleared up after an execution.
    going_on: Vec<Option<Going>>,
    /// It waits for a place.
    next: Option<Execution>,
    /// Of all that have come.
    newest: Option<ExecId>,
    /// The last that the worker has said, once it has.
    finished: Option<Finished>,
}

/// An execution that goes on.
#[derive(Debug)]
struct Going {
    id: ExecId,
    /// How much of each stream is still sent.
    stdout_room: u64,
    stderr_room: u64,
    live: Option<WindowedInput>,
    /// Bytes of standard output sent and not told as taken, where there is a window.
    untaken: Option<u64>,
}

/// Whether there is something to read that is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Arrived {
    Yes,
    No,
}

impl<'a> Executor<'a> {
    pub(crate) fn new(
        supervisor: Supervisor,
        work_directory: WorkDirectory,
        inbox: Inbox,
        outbox: &'a mut Outbox,
    ) -> Self {
        Self {
            going_on: supervisor.slots().map(|_| None).collect(),
            supervisor,
            work_directory,
            inbox,
            outbox,
            next: None,
            newest: None,
            finished: None,
        }
    }

    /// Carries out this request, and all that follow.
    pub(crate) fn run_from(mut self, first: Request) -> anyhow::Result<Finished> {
        self.take(first)?;
        self.run()
    }

    /// Carries out what the worker asks for until it says that nothing follows, and all of it is done and told.
    pub(crate) fn run(mut self) -> anyhow::Result<Finished> {
        loop {
            self.start_next()?;
            self.feed()?;
            if let WorkDirectory::Sealed(artefacts) = &mut self.work_directory {
                artefacts.send(self.outbox)?;
            }
            self.outbox.flush()?;
            if self.is_done()
                && let Some(finished) = self.finished.take()
            {
                self.outbox.flush_all()?;
                return Ok(finished);
            }
            let output_flow = if self.outbox.is_full() {
                OutputFlow::Paused
            } else {
                OutputFlow::Reading
            };
            if self.wait(output_flow)? == Arrived::Yes
                && let Some(request) = self.inbox.receive()?
            {
                self.take(request)?;
            }
            self.advance(output_flow)?;
        }
    }

    fn is_done(&self) -> bool {
        let sent = match &self.work_directory {
            WorkDirectory::Kept => true,
            WorkDirectory::Sealed(artefacts) => artefacts.is_idle(),
        };
        sent && self.next.is_none() && self.supervisor.is_idle()
    }

    fn take(&mut self, request: Request) -> anyhow::Result<()> {
        match request {
            Request::Exec(execution) => self.announce(execution),
            Request::Input(id, bytes) => match self.live(id)? {
                Some(live) => live.push(&bytes),
                None => Ok(()),
            },
            Request::CloseInput(id) => {
                if let Some(live) = self.live(id)? {
                    live.close();
                }
                Ok(())
            }
            Request::OutputTaken(taken) => self.taken(taken),
            Request::Kill(id) => {
                if let Some((slot, going)) = self.find(id)? {
                    // Whoever has it killed waits for its end alone.
                    going.untaken = None;
                    self.supervisor.stop(slot);
                    self.hold_back();
                }
                Ok(())
            }
            Request::Get(get) => self.get(get),
            Request::Seal(seal) => match self.work_directory {
                WorkDirectory::Kept => {
                    self.finish(Finished::Seal(seal));
                    Ok(())
                }
                WorkDirectory::Sealed(_) => Err(OutOfOrder(FrameKind::Seal).into()),
            },
            Request::End => {
                self.finish(Finished::End);
                Ok(())
            }
        }
    }

    fn announce(&mut self, execution: Execution) -> anyhow::Result<()> {
        let id = execution.exec.id;
        ensure!(
            self.newest.is_none_or(|newest| id > newest),
            "the worker sent execution {id} after {}",
            self.newest.unwrap_or(id)
        );
        self.newest = Some(id);
        self.next = Some(execution);
        Ok(())
    }

    fn get(&mut self, get: Get) -> anyhow::Result<()> {
        match &mut self.work_directory {
            WorkDirectory::Kept => Err(OutOfOrder(FrameKind::Get).into()),
            WorkDirectory::Sealed(artefacts) => {
                artefacts.ask(get);
                Ok(())
            }
        }
    }

    /// Nothing follows from the worker, so no live input and no window goes on.
    fn finish(&mut self, finished: Finished) {
        self.finished = Some(finished);
        for going in self.going_on.iter_mut().flatten() {
            // Nor can what is printed be told as taken.
            going.untaken = None;
            if let Some(live) = &mut going.live {
                live.close();
            }
        }
        self.hold_back();
    }

    fn taken(&mut self, Taken { id, bytes }: Taken) -> anyhow::Result<()> {
        if let Some((_, going)) = self.find(id)?
            && let Some(untaken) = &mut going.untaken
        {
            *untaken = untaken
                .checked_sub(bytes.into())
                .with_context(|| format!("the worker has taken more of execution {id} than it was sent"))?;
            self.hold_back();
        }
        Ok(())
    }

    /// Holds back those programs whose windows are full, and no others.
    fn hold_back(&mut self) {
        for (slot, going) in self.supervisor.slots().zip(&self.going_on) {
            let Some(going) = going else { continue };
            let is_full = going.untaken.is_some_and(|untaken| untaken >= WINDOW as u64);
            let flow = if is_full {
                OutputFlow::Paused
            } else {
                OutputFlow::Reading
            };
            self.supervisor.set_stdout_flow(slot, flow);
        }
    }

    /// The execution of this number; `None` if it is over, which the worker may not know yet.
    fn find(&mut self, id: ExecId) -> anyhow::Result<Option<(Slot, &mut Going)>> {
        ensure!(
            self.newest.is_some_and(|newest| id <= newest),
            "the worker spoke of execution {id}, which it has not sent"
        );
        let slots = self.supervisor.slots();
        let found = slots.zip(&mut self.going_on).find_map(|(slot, going)| {
            let going = going.as_mut()?;
            (going.id == id).then_some((slot, going))
        });
        Ok(found)
    }

    fn live(&mut self, id: ExecId) -> anyhow::Result<Option<&mut WindowedInput>> {
        match self.find(id)? {
            None => Ok(None),
            Some((_, going)) => match &mut going.live {
                Some(live) => Ok(Some(live)),
                None => bail!("the worker sent input to execution {id}, which has all of its own"),
            },
        }
    }

    /// Starts the next execution as soon as a slot is free.
    fn start_next(&mut self) -> anyhow::Result<()> {
        let Some(slot) = self.supervisor.free_slot() else {
            return Ok(());
        };
        let Some(execution) = self.next.take() else {
            return Ok(());
        };
        match start(&mut self.supervisor, slot, &execution)? {
            Some(going) => {
                let going = self.going_on[slot.index()].insert(going);
                // Nothing that could be for it is read any more.
                if self.finished.is_some() {
                    going.untaken = None;
                    if let Some(live) = &mut going.live {
                        live.close();
                    }
                }
            }
            None if self.supervisor.is_idle() => {
                bail!("the box's process limit leaves no room for an execution");
            }
            // Another one has used the limit up. When it ends, there is room.
            None => self.next = Some(execution),
        }
        Ok(())
    }

    /// Gives guests what they read now, and tells the worker of it.
    fn feed(&mut self) -> anyhow::Result<()> {
        for Going { id, live, .. } in self.going_on.iter_mut().flatten() {
            let Some(live) = live else { continue };
            live.feed()?;
            // A worker that does not read is told of everything at once when it does, and not of every piece.
            if !self.outbox.is_full()
                && let Some(bytes) = live.take_untold()
            {
                let taken = Taken { id: *id, bytes };
                self.outbox.push(FrameKind::InputTaken, &[&taken.encode()]);
            }
        }
        Ok(())
    }

    /// Whether the next request is to be read. What cannot be carried out holds back everything behind it, so that no more
    /// inputs are in memory than there are places.
    fn reads_on(&self) -> bool {
        let answers = match &self.work_directory {
            WorkDirectory::Kept => true,
            WorkDirectory::Sealed(artefacts) => artefacts.is_free(),
        };
        let has_place = !self.inbox.is_inside_execution() || self.supervisor.free_slot().is_some();
        answers && has_place && self.next.is_none()
    }

    /// Whether there is something for the outbox that did not fit into it.
    fn has_more_to_tell(&self) -> bool {
        let files = match &self.work_directory {
            WorkDirectory::Kept => false,
            WorkDirectory::Sealed(artefacts) => !artefacts.is_idle(),
        };
        let mut lives = self
            .going_on
            .iter()
            .flatten()
            .filter_map(|going| going.live.as_ref());
        files || lives.any(WindowedInput::is_untold)
    }

    /// Waits for whatever comes first, and tells whether the worker has sent something that is wanted now.
    fn wait(&self, output_flow: OutputFlow) -> anyhow::Result<Arrived> {
        let mut ends = Vec::with_capacity(8);
        if self.finished.is_none() {
            let data = if self.reads_on() {
                PollFlags::IN
            } else {
                PollFlags::empty()
            };
            ends.push(PollFd::from_borrowed_fd(
                channel::input(),
                data | channel::ONLY_HANG_UP,
            ));
        }
        if !self.outbox.is_empty() || self.has_more_to_tell() {
            ends.push(PollFd::from_borrowed_fd(channel::output(), PollFlags::OUT));
        }
        let lives = self
            .going_on
            .iter()
            .flatten()
            .filter_map(|going| going.live.as_ref());
        ends.extend(
            lives
                .filter_map(WindowedInput::wants_room)
                .map(|pipe| PollFd::from_borrowed_fd(pipe, PollFlags::OUT)),
        );
        self.supervisor.wait(&mut ends, output_flow)?;
        if self.finished.is_some() {
            return Ok(Arrived::No);
        }
        let seen = ends[0].revents();
        channel::check_worker(seen)?;
        Ok(if seen.contains(PollFlags::IN) {
            Arrived::Yes
        } else {
            Arrived::No
        })
    }

    fn advance(&mut self, output_flow: OutputFlow) -> anyhow::Result<()> {
        let Self {
            supervisor,
            going_on,
            outbox,
            ..
        } = self;
        let mut over = Vec::new();
        supervisor.advance(output_flow, &mut |event| match event {
            Event::Output { slot, stream, data } => {
                if let Some(going) = &mut going_on[slot.index()] {
                    going.send(stream, data, outbox);
                }
            }
            Event::Ended { slot, facts } => over.extend(going_on[slot.index()].take().zip(Some(facts))),
        })?;
        for (Going { id, .. }, facts) in over {
            outbox.push_message(FrameKind::Exited, &Exited { id, facts })?;
        }
        self.hold_back();
        Ok(())
    }
}

/// `None` where the box has as many processes as it may.
fn start(supervisor: &mut Supervisor, slot: Slot, execution: &Execution) -> anyhow::Result<Option<Going>> {
    let Execution { exec, input } = execution;
    let mut begin = |command: &CommandSpec, stdin: Stdin<'_>| supervisor.start(slot, command, stdin);
    let (result, live) = if let Some(input) = input {
        (begin(&exec.command, Stdin::File(input))?, None)
    } else {
        let (writer, reader) = LiveInput::new()?;
        let result = begin(&exec.command, Stdin::Pipe(&reader))?;
        (result, Some(WindowedInput::new(writer)))
    };
    Ok(match result {
        StartResult::Started => Some(Going::new(exec, live)),
        StartResult::Crowded => None,
    })
}

impl Going {
    fn new(exec: &Exec, live: Option<WindowedInput>) -> Self {
        let room = exec.sent_bytes.unwrap_or(u64::MAX);
        Self {
            id: exec.id,
            stdout_room: room,
            stderr_room: room,
            live,
            untaken: (exec.stdout == StdoutFlow::Windowed).then_some(0),
        }
    }

    fn send(&mut self, stream: Stream, data: &[u8], outbox: &mut Outbox) {
        let room = match stream {
            Stream::Stdout => &mut self.stdout_room,
            Stream::Stderr => &mut self.stderr_room,
        };
        let sent = usize::try_from(*room).map_or(data.len(), |room| data.len().min(room));
        *room -= sent as u64;
        if stream == Stream::Stdout
            && let Some(untaken) = &mut self.untaken
        {
            *untaken += sent as u64;
        }
        if sent > 0 {
            let tag = OutputTag { id: self.id, stream };
            outbox.push(FrameKind::Output, &[&tag.encode(), &data[..sent]]);
        }
    }
}
