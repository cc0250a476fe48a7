//! The life of one slot: a run starts, ends, is drained, what it left is removed, and the slot is free again.

use std::{
    mem,
    os::fd::{AsFd, BorrowedFd},
    time::{Duration, Instant},
};

use optimus_common::{
    facts::{LimitKind, RunEnd, RunFacts},
    limits::Limits,
};
use optimus_protocol::{CommandSpec, Stream};

use crate::{
    capture::{Capture, Captured},
    death::Death,
    error::CellError,
    guest_id::GuestId,
    input::Stdin,
    isolation::{Isolation, Launched, ProcessTree, Residue, launch},
    launch::{Restrictions, Stdio},
    leftovers::Leftovers,
    meter::{Pace, Usage},
    reaper::Reaped,
    run::{Event, OutputFlow, Slot, StartResult, StdoutEnd},
    scans::Scans,
    seccomp_notify::{FilterUse, SeccompListener},
    waited::own_run_delay,
    wall_clock::WallClock,
};
use optimus_linux::process::LONGEST_DYING;

/// How soon something is looked at again that no descriptor tells of.
pub(crate) const RETRY: Duration = Duration::from_millis(1);

/// How long the agent must have waited for a CPU for it to be asked whether a guest has waited for the agent.
const LATE: Duration = Duration::from_micros(100);

#[derive(Debug)]
pub(crate) struct Cell {
    slot: Slot,
    guest: GuestId,
    phase: Phase,
    /// Whether more of its standard output can be taken.
    stdout_flow: OutputFlow,
}

#[derive(Debug)]
enum Phase {
    Free,
    /// The first process is alive, and no limit is reached.
    Running(Run),
    /// The run is over; its other processes are being killed and reaped.
    Dying(EndedRun),
    /// No process is left; what they wrote is still in the pipes.
    Draining(EndedRun),
    /// The facts are out. What the run has left is being removed.
    Clearing {
        residue: Box<dyn Residue>,
        since: Instant,
    },
}

/// A run with all that is watched.
#[derive(Debug)]
struct Run {
    tree: Box<dyn ProcessTree>,
    /// `None` where it cannot ask, or nobody is left who could.
    listener: Option<SeccompListener>,
    limits: Limits,
    clock: WallClock,
    wish: Wish,
    next_sample: Instant,
    scans: Scans,
    /// When it was last seen alive, and how long the agent had waited for a CPU until then.
    seen: Instant,
    agent_waited: Duration,
    stdout: Capture,
    stderr: Capture,
}

/// What is wanted of a run from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    GoOn,
    Stop,
}

#[derive(Debug)]
struct EndedRun {
    run: Run,
    end: RunEnd,
    at: Instant,
}

/// What a turn needs of the supervisor.
pub(crate) struct TurnContext<'a> {
    pub(crate) pace: Pace,
    pub(crate) output_flow: OutputFlow,
    /// Of this cell's standard output alone.
    pub(crate) stdout_flow: OutputFlow,
    pub(crate) buffer: &'a mut [u8],
    pub(crate) emit: &'a mut dyn FnMut(Event<'_>),
}

impl TurnContext<'_> {
    /// Whether everything that the run writes is taken.
    fn is_read(&self) -> bool {
        [self.output_flow, self.stdout_flow] == [OutputFlow::Reading; 2]
    }
}

/// Whether a phase has led to the next one, or has to wait for something to happen.
enum Transition {
    Next(Phase),
    Wait(Phase),
}

impl Cell {
    pub(crate) fn new(slot: Slot, guest: GuestId) -> Self {
        Self {
            slot,
            guest,
            phase: Phase::Free,
            stdout_flow: OutputFlow::Reading,
        }
    }

    pub(crate) fn is_free(&self) -> bool {
        matches!(self.phase, Phase::Free)
    }

    pub(crate) fn start(
        &mut self,
        command: &CommandSpec,
        input: Stdin<'_>,
        stdout_end: StdoutEnd,
        isolation: &dyn Isolation,
        restrictions: &Restrictions,
        pace: Pace,
    ) -> Result<StartResult, CellError> {
        self.stdout_flow = OutputFlow::Reading;
        let mut stdout = Capture::new(command.limits.output_bytes)?;
        let stderr = Capture::new(command.limits.output_bytes)?;
        let stdio = Stdio {
            stdin: input.as_fd(),
            stdout: stdout.writer(),
            stderr: stderr.writer(),
        };
        // Before, not after: on a busy machine the program runs for a while until this process sees that it does.
        let started = Instant::now();
        let launched = launch(isolation, command, self.guest, restrictions, stdio)?;
        if stdout_end == StdoutEnd::Told {
            stdout.leave_to_guest();
        }
        let run = |tree: Box<dyn ProcessTree>, listener| {
            let limits = command.limits;
            let started = tree.started().unwrap_or(started);
            let scans = Scans::new(started, tree.first_scan(), &limits);
            Run {
                tree,
                listener,
                limits,
                clock: WallClock::new(started, limits),
                wish: Wish::GoOn,
                next_sample: started + pace.until_next(&limits, Usage::default()),
                scans,
                seen: started,
                agent_waited: own_run_delay(),
                stdout,
                stderr,
            }
        };
        self.phase = match launched {
            Launched::Crowded => return Ok(StartResult::Crowded),
            Launched::Running(tree, listener) => Phase::Running(run(tree, listener)),
            Launched::NotStarted(tree, error) => Phase::Dying(EndedRun {
                run: run(tree, None),
                end: RunEnd::NotStarted { error },
                at: started,
            }),
        };
        Ok(StartResult::Started)
    }

    pub(crate) fn stdout_flow(&self) -> OutputFlow {
        self.stdout_flow
    }

    /// Whether more of the run's standard output can be taken from now on, until the next one starts.
    pub(crate) fn set_stdout_flow(&mut self, flow: OutputFlow) {
        self.stdout_flow = flow;
    }

    /// Has what goes on here killed in the next turn.
    pub(crate) fn stop(&mut self) {
        if let Phase::Running(run) = &mut self.phase {
            run.wish = Wish::Stop;
        }
    }

    /// Kills what goes on here, of which nobody wants to know any more, and tells whether any of it is left. To be called until none is.
    pub(crate) fn abandon(&mut self) -> Leftovers {
        let tree = match &mut self.phase {
            Phase::Running(run) => &mut run.tree,
            Phase::Dying(over) => &mut over.run.tree,
            Phase::Free | Phase::Draining(_) | Phase::Clearing { .. } => return Leftovers::None,
        };
        // There is nobody to tell of a failure, and nothing else to be done.
        tree.kill().unwrap_or(Leftovers::None)
    }

    /// Takes note of a dead process; `false` where it is none of this slot's.
    pub(crate) fn reaped(&mut self, process: &Reaped) -> bool {
        match &mut self.phase {
            Phase::Running(run) => run.tree.reaped(process),
            Phase::Dying(over) => over.run.tree.reaped(process),
            Phase::Clearing { residue, .. } => residue.reaped(process),
            Phase::Free | Phase::Draining(_) => false,
        }
    }

    /// Whether it is best looked at before it is waited for.
    pub(crate) fn is_first(&self, pid: i32) -> bool {
        match &self.phase {
            Phase::Running(run) => run.tree.is_first(pid),
            _ => false,
        }
    }

    /// The streams to wait for.
    pub(crate) fn pollable(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let run = match &self.phase {
            Phase::Running(run) => Some(run),
            _ => None,
        };
        run.into_iter()
            .flat_map(|run| {
                let stdout = run.stdout.pollable();
                let is_read = self.stdout_flow == OutputFlow::Reading;
                [stdout.filter(|_| is_read), run.stderr.pollable()]
            })
            .flatten()
    }

    /// Where questions come from, whether or not more output can be taken.
    pub(crate) fn listener(&self) -> Option<BorrowedFd<'_>> {
        match &self.phase {
            Phase::Running(run) => run.listener.as_ref().map(SeccompListener::pollable),
            _ => None,
        }
    }

    /// When the next turn is due even if nothing happens.
    pub(crate) fn due(&self, output_flow: OutputFlow) -> Option<Instant> {
        let now = Instant::now();
        match &self.phase {
            Phase::Free => None,
            Phase::Running(run) => Some(run.next_sample.min(run.scans.next).min(run.clock.deadline())),
            Phase::Draining(_) => {
                let is_read = [output_flow, self.stdout_flow] == [OutputFlow::Reading; 2];
                is_read.then_some(now)
            }
            Phase::Dying(_) | Phase::Clearing { .. } => Some(now + RETRY),
        }
    }

    /// Goes as far as it can without waiting.
    pub(crate) fn turn(&mut self, context: &mut TurnContext<'_>) -> Result<(), CellError> {
        loop {
            let step = match mem::replace(&mut self.phase, Phase::Free) {
                Phase::Free => Transition::Wait(Phase::Free),
                Phase::Running(run) => self.watch(run, context)?,
                Phase::Dying(over) => Self::kill(over)?,
                Phase::Draining(over) => self.drain(over, context)?,
                Phase::Clearing { residue, since } => Self::clear(residue, since)?,
            };
            match step {
                Transition::Next(phase) => self.phase = phase,
                Transition::Wait(phase) => {
                    self.phase = phase;
                    return Ok(());
                }
            }
        }
    }

    fn watch(&self, mut run: Run, context: &mut TurnContext<'_>) -> Result<Transition, CellError> {
        let now = Instant::now();
        let death = run.tree.death()?;
        run.answer();
        let Observation {
            before,
            happened,
            late,
        } = run.see(now);
        let at = if death.is_some() { happened } else { now };
        // A window is full because another program does not read, and to wait for that one is a part of the task, as it is to
        // wait for what it says. That nobody reads the whole box is no program's doing.
        let box_is_read = context.output_flow == OutputFlow::Reading;
        if !box_is_read {
            run.clock.hold(at.saturating_duration_since(before));
        }
        let end = if let Some(death) = death {
            Some(end_by(death))
        } else if run.wish == Wish::Stop {
            // One that has ended meanwhile was not stopped.
            let noted = run.tree.reported_death();
            Some(noted.map_or(RunEnd::Stopped, end_by))
        } else {
            if box_is_read && late > LATE && run.waits_for_agent(context.stdout_flow) {
                run.clock.hold_for_agent(late, run.scans.waited);
            }
            match run.limit_reached(now, self.slot, context)? {
                // A program that has ended in time is not too late because its end is told late.
                Some(limit @ LimitKind::WallTime) => {
                    let reported = run.tree.reported_death();
                    Some(reported.map_or(RunEnd::Killed { limit }, end_by))
                }
                limit => limit.map(|limit| RunEnd::Killed { limit }),
            }
        };
        Ok(match end {
            Some(end) => Transition::Next(Phase::Dying(EndedRun { run, end, at })),
            None => Transition::Wait(Phase::Running(run)),
        })
    }

    fn kill(mut over: EndedRun) -> Result<Transition, CellError> {
        match over.run.tree.kill()? {
            Leftovers::None => Ok(Transition::Next(Phase::Draining(over))),
            Leftovers::Some if over.at.elapsed() > LONGEST_DYING => Err(over.run.tree.survived()),
            Leftovers::Some => Ok(Transition::Wait(Phase::Dying(over))),
        }
    }

    fn drain(&self, mut over: EndedRun, context: &mut TurnContext<'_>) -> Result<Transition, CellError> {
        if !context.is_read() {
            return Ok(Transition::Wait(Phase::Draining(over)));
        }
        let flow = over.run.read_streams(self.slot, context)?;
        if flow == StreamsRead::OverLimit && !matches!(over.end, RunEnd::Killed { .. }) {
            // Whether the excess was seen before or after the program's end is chance; the facts must not depend on it.
            over.end = RunEnd::Killed {
                limit: LimitKind::Output,
            };
        }
        if flow == StreamsRead::Data {
            return Ok(Transition::Wait(Phase::Draining(over)));
        }
        let EndedRun { mut run, end, at } = over;
        let total = run.tree.total()?;
        let seen = at.saturating_duration_since(run.clock.started());
        let wall_time = match end {
            RunEnd::Killed { .. } | RunEnd::Stopped => seen,
            _ => run.tree.lifetime().unwrap_or(seen),
        };
        // What `at` says may be too early, by what the agent has waited for a CPU meanwhile.
        let ended = at.max(run.clock.started() + wall_time);
        let waited = run.scans.with_end(ended, run.clock.held(), run.tree.waited());
        let held = run.clock.held_beside(waited);
        // While nothing was read it also ran: it did not wait for all of that time.
        let ran = total.cpu.value.min(run.limits.wall_time).min(wall_time);
        let wall_time = wall_time.saturating_sub(held).max(ran);
        let facts = RunFacts {
            end,
            cpu_time: whole_microseconds(total.cpu.value),
            cpu_time_from: total.cpu.from,
            wall_time: whole_microseconds(wall_time),
            waited_for_cpu: waited.for_cpu.map(whole_microseconds),
            waited_for_io: waited.for_io.map(whole_microseconds),
            held: whole_microseconds(held),
            peak_memory_bytes: total.memory.value,
            peak_memory_from: total.memory.from,
            oom_kills: total.oom_kills,
            process_limit_hits: total.process_limit_hits,
            stdout_bytes: run.stdout.bytes(),
            stderr_bytes: run.stderr.bytes(),
        };
        (context.emit)(Event::Ended {
            slot: self.slot,
            facts,
        });
        Ok(match run.tree.into_residue() {
            Some(residue) => Transition::Next(Phase::Clearing {
                residue,
                since: Instant::now(),
            }),
            None => Transition::Wait(Phase::Free),
        })
    }

    fn clear(mut residue: Box<dyn Residue>, since: Instant) -> Result<Transition, CellError> {
        Ok(Transition::Wait(match residue.clear(since)? {
            Leftovers::None => Phase::Free,
            Leftovers::Some => Phase::Clearing { residue, since },
        }))
    }
}

fn end_by(death: Death) -> RunEnd {
    match death {
        Death::Exited(code) => RunEnd::Exited { code },
        Death::Signalled(signal) => RunEnd::Signalled { signal },
    }
}

/// As facts travel: whoever decides by them must decide the same here and there.
fn whole_microseconds(time: Duration) -> Duration {
    Duration::from_micros(u64::try_from(time.as_micros()).unwrap_or(u64::MAX))
}

/// When a run was looked at.
#[derive(Debug, Clone, Copy)]
struct Observation {
    /// The last time, until now.
    before: Instant,
    /// When what is seen at this moment has happened: the agent may have had to wait for a CPU since.
    happened: Instant,
    /// How long the agent has had to wait since the last time.
    late: Duration,
}

/// What reading both streams once has brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StreamsRead {
    Nothing,
    Data,
    OverLimit,
}

impl Run {
    fn see(&mut self, now: Instant) -> Observation {
        let waited = own_run_delay();
        let late = waited.saturating_sub(self.agent_waited);
        let before = self.seen;
        (self.seen, self.agent_waited) = (now, waited);
        Observation {
            before,
            happened: now.checked_sub(late).unwrap_or(now).max(before),
            late: late.min(now.saturating_duration_since(before)),
        }
    }

    fn answer(&mut self) {
        let streams = [self.stdout.identity(), self.stderr.identity()];
        if let Some(listener) = &self.listener
            && listener.answer(streams) == FilterUse::Unused
        {
            self.listener = None;
        }
    }

    /// Whether it waits until the agent gets round to read what it has written.
    fn waits_for_agent(&self, stdout_flow: OutputFlow) -> bool {
        (stdout_flow == OutputFlow::Reading && self.stdout.is_full()) || self.stderr.is_full()
    }

    fn limit_reached(
        &mut self,
        now: Instant,
        slot: Slot,
        context: &mut TurnContext<'_>,
    ) -> Result<Option<LimitKind>, CellError> {
        if context.output_flow == OutputFlow::Reading
            && self.read_streams(slot, context)? == StreamsRead::OverLimit
        {
            return Ok(Some(LimitKind::Output));
        }
        if now >= self.scans.next.min(self.clock.deadline()) {
            self.scan(now)?;
        }
        let too_long = now >= self.clock.deadline();
        if now >= self.next_sample || too_long {
            let usage = self.tree.sample(&self.limits)?;
            if usage.memory_bytes > self.limits.memory_bytes {
                return Ok(Some(LimitKind::Memory));
            }
            if usage.cpu > Limits::with_margin(self.limits.cpu_time) {
                return Ok(Some(LimitKind::CpuTime));
            }
            self.next_sample = now + context.pace.until_next(&self.limits, usage);
        }
        Ok(too_long.then_some(LimitKind::WallTime))
    }

    /// Looks at the processes one by one, and grants what they have waited for a CPU or a disk.
    fn scan(&mut self, now: Instant) -> Result<(), CellError> {
        self.scans.record(now, self.clock.held(), &self.tree.scan()?);
        self.clock.grant(self.scans.waited);
        if self.clock.is_over_but_for_waits(now)
            && (self.tree.is_over()? || self.scans.is_waiting(self.tree.ready()?))
        {
            self.clock.prolong(now + Scans::FIRST);
        }
        Ok(())
    }

    /// Reads each stream that is read once and passes on what came.
    fn read_streams(&mut self, slot: Slot, context: &mut TurnContext<'_>) -> Result<StreamsRead, CellError> {
        let mut flow = StreamsRead::Nothing;
        for (stream, capture, stream_flow) in [
            (Stream::Stdout, &mut self.stdout, context.stdout_flow),
            (Stream::Stderr, &mut self.stderr, OutputFlow::Reading),
        ] {
            if stream_flow == OutputFlow::Paused {
                continue;
            }
            let (data, seen) = match capture.read(context.buffer)? {
                Captured::Data(data) => (data, StreamsRead::Data),
                Captured::OverLimit(data) => (data, StreamsRead::OverLimit),
                Captured::Closed => {
                    (context.emit)(Event::StdoutClosed { slot });
                    continue;
                }
                Captured::Nothing => continue,
            };
            if !data.is_empty() {
                (context.emit)(Event::Output { slot, stream, data });
            }
            if flow != StreamsRead::OverLimit {
                flow = seen;
            }
        }
        Ok(flow)
    }
}
