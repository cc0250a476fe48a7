//! Third phase: every test case, as PID 1 of the box.

use anyhow::bail;
use optimus_cell::{CellFactory, Event, Input, OutputFlow, StartResult, Supervisor, WorkdirPolicy};
use optimus_protocol::{CommandSpec, FrameKind, JobStep, OutputTag, RunDone, TestHeader};
use rustix::event::{PollFd, PollFlags};

use crate::{
    channel::{self, Outbox},
    inbox::{Inbox, Request},
    job_state::JobState,
    next::Next,
};

pub(crate) fn run(outbox: &mut Outbox, cells: Option<&CellFactory>) -> anyhow::Result<Next> {
    let state = JobState::load()?;
    let guests = state.guests(cells)?.runs(state.job.max_parallel_tests);
    Tests {
        going_on: guests.iter().map(|_| None).collect(),
        supervisor: Supervisor::new(&guests, WorkdirPolicy::PerRun, cells)?,
        command: state.job.run,
        inbox: Inbox::new(),
        next: Upcoming::Unknown,
        outbox,
    }
    .run_all()?;
    Ok(Next::GoOn)
}

struct Tests<'a> {
    supervisor: Supervisor,
    command: CommandSpec,
    inbox: Inbox,
    next: Upcoming,
    /// The worker's name of the run that goes on in each slot. There is none while the slot is cleared up after a run.
    going_on: Vec<Option<u32>>,
    outbox: &'a mut Outbox,
}

/// A test, complete with its input.
struct Test {
    /// The worker's name of it.
    run: u32,
    input: Input,
}

/// What is known of the next test.
enum Upcoming {
    Unknown,
    /// It waits for a free slot.
    Test(Test),
    /// There is none.
    End,
}

impl Tests<'_> {
    fn run_all(mut self) -> anyhow::Result<()> {
        loop {
            self.start_next()?;
            self.outbox.flush()?;
            if self.is_done() {
                return self.outbox.flush_all();
            }
            let output_flow = if self.outbox.is_full() {
                OutputFlow::Paused
            } else {
                OutputFlow::Reading
            };
            if self.wait(output_flow)? == Arrived::Yes
                && let Some(request) = self.inbox.receive()?
            {
                self.next = match request {
                    Request::Test(TestHeader { run, .. }, input) => Upcoming::Test(Test { run, input }),
                    Request::End => Upcoming::End,
                };
            }
            self.advance(output_flow)?;
        }
    }

    fn is_done(&self) -> bool {
        matches!(self.next, Upcoming::End) && self.supervisor.is_idle()
    }

    /// Starts the next test as soon as a slot is free.
    fn start_next(&mut self) -> anyhow::Result<()> {
        let Some(slot) = self.supervisor.free_slot() else {
            return Ok(());
        };
        let Upcoming::Test(test) = &self.next else {
            return Ok(());
        };
        match self.supervisor.start(slot, &self.command, &test.input)? {
            StartResult::Started => {
                self.going_on[slot.index()] = Some(test.run);
                self.next = Upcoming::Unknown;
            }
            StartResult::Crowded if self.supervisor.is_idle() => {
                bail!("the box's process limit leaves no room for a run");
            }
            // Another run has used the limit up. When it ends, there is room.
            StartResult::Crowded => {}
        }
        Ok(())
    }

    /// Waits for whatever comes first, and tells whether the worker has sent something that is wanted now.
    ///
    /// The next test is read only when a slot is free, so that no more inputs are in memory than there are runs.
    fn wait(&self, output_flow: OutputFlow) -> anyhow::Result<Arrived> {
        let ended = matches!(self.next, Upcoming::End);
        let wanted = matches!(self.next, Upcoming::Unknown) && self.supervisor.free_slot().is_some();
        let mut ends = Vec::with_capacity(8);
        if !ended {
            let data = if wanted { PollFlags::IN } else { PollFlags::empty() };
            ends.push(PollFd::from_borrowed_fd(
                channel::input(),
                data | channel::ONLY_HANG_UP,
            ));
        }
        if !self.outbox.is_empty() {
            ends.push(PollFd::from_borrowed_fd(channel::output(), PollFlags::OUT));
        }
        self.supervisor.wait(&mut ends, output_flow)?;
        if ended {
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
                if let Some(run) = going_on[slot.index()] {
                    let tag = OutputTag {
                        step: JobStep::Run(run),
                        stream,
                    };
                    outbox.push(FrameKind::Output, &[&tag.encode(), data]);
                }
            }
            Event::Ended { slot, facts } => over.extend(going_on[slot.index()].take().zip(Some(facts))),
        })?;
        for (run, facts) in over {
            outbox.push_message(FrameKind::RunDone, &RunDone { run, facts })?;
        }
        Ok(())
    }
}

/// Whether there is something to read that is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Arrived {
    Yes,
    No,
}
