//! Executes what the worker asks for, in the order in which it comes, and decides nothing.
//!
//! One reactor for both kinds of executions: those that work in the work directory itself, and those that have a copy of
//! it. No guest and no worker is ever waited for alone: what a guest does not read waits in its own window, what the worker
//! does not read keeps guests from writing, and requests are read on meanwhile.

use std::collections::VecDeque;

use anyhow::{bail, ensure};
use optimus_cell::{Event, OutputFlow, Supervisor};
use optimus_common::facts::{RunEnd, RunFacts};
use optimus_protocol::{ExecId, Exited, FrameKind, Get, Seal, Taken};
use rustix::event::{PollFd, PollFlags};

use crate::{
    artefacts::ArtefactSender,
    channel::{self, Outbox},
    going::{Going, Waiting},
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
    /// The work directory is to be sealed. The last execution that has come before, if any has.
    Seal(Seal, Option<ExecId>),
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
    /// What waits for a place, in order. With what goes on there are no more of them than slots, see [`Self::reads_on`].
    waiting: VecDeque<Waiting>,
    /// The latest of all executions that have come.
    newest: Option<ExecId>,
    /// Set once the worker has said that nothing more is to be executed.
    finished: Option<Finished>,
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
        newest: Option<ExecId>,
        outbox: &'a mut Outbox,
    ) -> Self {
        Self {
            going_on: supervisor.slots().map(|_| None).collect(),
            supervisor,
            work_directory,
            inbox,
            outbox,
            waiting: VecDeque::new(),
            newest,
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
            self.start_waiting()?;
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
        sent && self.waiting.is_empty() && self.supervisor.is_idle()
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
            Request::Kill(id) => self.kill(id),
            Request::Get(get) => self.get(get),
            Request::Seal(seal) => match self.work_directory {
                WorkDirectory::Kept => {
                    self.finish(Finished::Seal(seal, self.newest));
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
        self.waiting.push_back(Waiting::new(execution)?);
        Ok(())
    }

    fn kill(&mut self, id: ExecId) -> anyhow::Result<()> {
        // One that waits for a place never begins.
        if let Some(place) = self.waiting.iter().position(|waiting| waiting.going.id == id) {
            self.waiting.remove(place);
            let facts = RunFacts::not_begun(RunEnd::Stopped);
            return self.outbox.push_message(FrameKind::Exited, &Exited { id, facts });
        }
        let slots = self.supervisor.slots();
        if let Some(going) = self.find(id)? {
            // Whoever has it killed waits for its end alone.
            going.lift_window();
            for (slot, going) in slots.zip(&self.going_on) {
                if going.as_ref().is_some_and(|going| going.id == id) {
                    self.supervisor.stop(slot);
                }
            }
            self.hold_back();
        }
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
        self.asked_for().for_each(Going::hear_no_more);
        self.hold_back();
    }

    fn taken(&mut self, Taken { id, bytes }: Taken) -> anyhow::Result<()> {
        if let Some(going) = self.find(id)? {
            going.taken(bytes)?;
            self.hold_back();
        }
        Ok(())
    }

    /// Holds back those programs whose windows are full, and no others.
    fn hold_back(&mut self) {
        for (slot, going) in self.supervisor.slots().zip(&self.going_on) {
            let Some(going) = going else { continue };
            let flow = if going.is_window_full() {
                OutputFlow::Paused
            } else {
                OutputFlow::Reading
            };
            self.supervisor.set_stdout_flow(slot, flow);
        }
    }

    /// All executions that go on or wait for a place.
    fn asked_for(&mut self) -> impl Iterator<Item = &mut Going> {
        let waiting = self.waiting.iter_mut().map(|waiting| &mut waiting.going);
        self.going_on.iter_mut().flatten().chain(waiting)
    }

    /// The execution of this number; `None` if it is over, which the worker may not know yet.
    fn find(&mut self, id: ExecId) -> anyhow::Result<Option<&mut Going>> {
        ensure!(
            self.newest.is_some_and(|newest| id <= newest),
            "the worker spoke of execution {id}, which it has not sent"
        );
        Ok(self.asked_for().find(|going| going.id == id))
    }

    fn live(&mut self, id: ExecId) -> anyhow::Result<Option<&mut WindowedInput>> {
        match self.find(id)? {
            None => Ok(None),
            Some(going) => match &mut going.live {
                Some(live) => Ok(Some(live)),
                None => bail!("the worker sent input to execution {id}, which has all of its own"),
            },
        }
    }

    /// Starts what waits, as far as there are free slots and room for processes.
    fn start_waiting(&mut self) -> anyhow::Result<()> {
        while let Some(slot) = self.supervisor.free_slot()
            && let Some(next) = self.waiting.pop_front()
        {
            match next.start(&mut self.supervisor, slot)? {
                Ok(going) => self.going_on[slot.index()] = Some(going),
                Err(_) if self.supervisor.is_idle() => {
                    bail!("the box's process limit leaves no room for an execution");
                }
                // Another one has used the limit up. When it ends, there is room.
                Err(next) => {
                    self.waiting.push_front(next);
                    break;
                }
            }
        }
        Ok(())
    }

    /// Gives guests what they read now, and tells the worker of it.
    fn feed(&mut self) -> anyhow::Result<()> {
        let waiting = self.waiting.iter_mut().map(|waiting| &mut waiting.going);
        for Going { id, live, .. } in self.going_on.iter_mut().flatten().chain(waiting) {
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

    /// Whether what the worker has sent is to be read on. A request that cannot be taken in now holds back everything behind it:
    /// a file while another one waits to be looked for, an execution while there are as many as slots. So no more inputs are in
    /// memory than there are places, and a worker that keeps to those is always heard: a place is free for it when it has heard of
    /// an end, however long that takes to be cleared up behind.
    fn reads_on(&self) -> bool {
        match self.inbox.coming() {
            Some(FrameKind::Exec) => {
                let going_on = self.going_on.iter().flatten().count();
                going_on + self.waiting.len() < self.going_on.len()
            }
            Some(FrameKind::Get) => match &self.work_directory {
                WorkDirectory::Kept => true,
                WorkDirectory::Sealed(artefacts) => artefacts.is_free(),
            },
            _ => true,
        }
    }

    /// Whether there is something for the outbox that did not fit into it.
    fn has_more_to_tell(&self) -> bool {
        let files = match &self.work_directory {
            WorkDirectory::Kept => false,
            WorkDirectory::Sealed(artefacts) => !artefacts.is_idle(),
        };
        files || self.lives().any(WindowedInput::is_untold)
    }

    fn lives(&self) -> impl Iterator<Item = &WindowedInput> {
        let waiting = self.waiting.iter().map(|waiting| &waiting.going);
        let asked_for = self.going_on.iter().flatten().chain(waiting);
        asked_for.filter_map(|going| going.live.as_ref())
    }

    /// Waits for whatever comes first, and tells whether the worker has sent something that is wanted now.
    fn wait(&self, output_flow: OutputFlow) -> anyhow::Result<Arrived> {
        let mut ends = Vec::with_capacity(8);
        // That it goes is noticed also where nothing follows that would be read.
        let data = if self.finished.is_none() && self.reads_on() {
            PollFlags::IN
        } else {
            PollFlags::empty()
        };
        ends.push(PollFd::from_borrowed_fd(
            channel::input(),
            data | channel::ONLY_HANG_UP,
        ));
        if !self.outbox.is_empty() || self.has_more_to_tell() {
            ends.push(PollFd::from_borrowed_fd(channel::output(), PollFlags::OUT));
        }
        ends.extend(
            self.lives()
                .filter_map(WindowedInput::wants_room)
                .map(|pipe| PollFd::from_borrowed_fd(pipe, PollFlags::OUT)),
        );
        self.supervisor.wait(&mut ends, output_flow)?;
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
            Event::StdoutClosed { slot } => {
                if let Some(going) = &going_on[slot.index()] {
                    outbox.push(FrameKind::StdoutClosed, &[&going.id.encode()]);
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
