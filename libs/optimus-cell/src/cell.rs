//! The life of one slot: a run starts, ends, is drained, its litter is removed, and the slot is free again.

use std::{
    mem,
    os::fd::{AsFd, BorrowedFd},
    time::{Duration, Instant},
};

use optimus_common::{
    facts::{LimitKind, RunEnd, RunFacts},
    limits::Limits,
    protocol::{CommandSpec, Stream},
};
use seccompiler::BpfProgram;

use crate::{
    capture::{Capture, Captured},
    cleanup::{Litter, Scratch},
    error::CellError,
    guest::GuestId,
    input::Input,
    kill::{Remains, kill_all},
    launch::{Launched, Stdio, launch},
    meter::{Accounting, Meter, Usage},
    reaper::{Death, Reaped},
    supervisor::{Event, Intake, Slot, Start},
};

/// Killed processes are gone in milliseconds; one that is not by now hangs in the kernel.
const LONGEST_DYING: Duration = Duration::from_secs(10);
/// Removing 100,000 nested folders takes some seconds on a busy machine.
const LONGEST_REMOVAL: Duration = Duration::from_mins(1);
/// Between looks at something that announces itself by no descriptor.
const RETRY: Duration = Duration::from_millis(1);

#[derive(Debug)]
pub(crate) struct Cell {
    slot: Slot,
    guest: GuestId,
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    Free,
    /// The first process is alive, and no limit is reached.
    Running(Run),
    /// The run is over; its other processes are being killed and reaped.
    Dying(Over),
    /// No process is left; what they wrote is still in the pipes.
    Draining(Over),
    /// The facts are out. The guest's files are to be removed.
    Littered {
        since: Instant,
    },
    /// A process of ours removes them.
    Sweeping {
        pid: i32,
        since: Instant,
        failed: bool,
    },
}

/// A run with all that is watched.
#[derive(Debug)]
struct Run {
    pid: i32,
    limits: Limits,
    started: Instant,
    /// The end of its wall time, as far as it is known.
    deadline: Instant,
    next_sample: Instant,
    death: Option<Death>,
    stdout: Capture,
    stderr: Capture,
    meter: Meter,
}

#[derive(Debug)]
struct Over {
    run: Run,
    end: RunEnd,
    at: Instant,
}

/// What a turn needs of the supervisor.
pub(crate) struct Context<'a> {
    pub(crate) accounting: &'a Accounting,
    pub(crate) scratch: &'a Scratch,
    /// The guests of all slots.
    pub(crate) guests: &'a [GuestId],
    pub(crate) intake: Intake,
    pub(crate) buffer: &'a mut [u8],
    pub(crate) emit: &'a mut dyn FnMut(Event<'_>),
}

/// Whether a phase has led to the next one, or has to wait for something to happen.
enum Step {
    On(Phase),
    Wait(Phase),
}

impl Cell {
    pub(crate) fn new(slot: Slot, guest: GuestId) -> Self {
        Self {
            slot,
            guest,
            phase: Phase::Free,
        }
    }

    pub(crate) fn is_free(&self) -> bool {
        matches!(self.phase, Phase::Free)
    }

    pub(crate) fn start(
        &mut self,
        command: &CommandSpec,
        input: &Input,
        filter: &BpfProgram,
        accounting: &Accounting,
    ) -> Result<Start, CellError> {
        let (stdout, guest_stdout) = Capture::new(command.limits.output_bytes)?;
        let (stderr, guest_stderr) = Capture::new(command.limits.output_bytes)?;
        let meter = Meter::start(self.guest, accounting)?;
        let stdio = Stdio {
            stdin: input.as_fd(),
            stdout: guest_stdout.as_fd(),
            stderr: guest_stderr.as_fd(),
        };
        // Before, not after: on a busy machine the program runs for a while until this process sees that it does.
        let started = Instant::now();
        let launched = launch(command, self.guest, filter, stdio)?;
        let next_sample = started + Meter::pause(accounting, &command.limits, Usage::default());
        let run = |pid| Run {
            pid,
            limits: command.limits,
            started,
            deadline: started + command.limits.wall_time,
            next_sample,
            death: None,
            stdout,
            stderr,
            meter,
        };
        self.phase = match launched {
            Launched::Crowded => return Ok(Start::Crowded),
            Launched::Running(pid) => Phase::Running(run(pid)),
            Launched::NotStarted { pid, error } => {
                // A process that could not become the program is on its way out, and dies like any other.
                let run = run(pid.unwrap_or_default());
                Phase::Dying(Over {
                    run,
                    end: RunEnd::NotStarted { error },
                    at: started,
                })
            }
        };
        Ok(Start::Started)
    }

    /// Takes note of a dead process; `false` where it is none of this slot's.
    pub(crate) fn reaped(&mut self, process: &Reaped) -> bool {
        match &mut self.phase {
            Phase::Running(run) if run.pid == process.pid => {
                run.death = Some(process.death);
                run.meter.add(process);
                true
            }
            Phase::Running(run) if process.uid == self.guest.as_raw() => {
                run.meter.add(process);
                true
            }
            Phase::Dying(over) if process.uid == self.guest.as_raw() || process.pid == over.run.pid => {
                over.run.meter.add_killed(process);
                true
            }
            Phase::Sweeping { pid, failed, .. } if *pid == process.pid => {
                *failed = process.death != Death::Exited(0);
                *pid = 0;
                true
            }
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
            .flat_map(|run| [run.stdout.pollable(), run.stderr.pollable()])
            .flatten()
    }

    /// When the next turn is due even if nothing happens.
    pub(crate) fn due(&self, intake: Intake) -> Option<Instant> {
        let now = Instant::now();
        match &self.phase {
            Phase::Free => None,
            Phase::Running(run) => Some(run.next_sample.min(run.deadline)),
            Phase::Draining(_) => (intake == Intake::Open).then_some(now),
            Phase::Dying(_) | Phase::Littered { .. } => Some(now + RETRY),
            Phase::Sweeping { since, .. } => Some(*since + LONGEST_REMOVAL),
        }
    }

    /// Goes as far as it can without waiting.
    pub(crate) fn turn(&mut self, context: &mut Context<'_>) -> Result<(), CellError> {
        loop {
            let step = match mem::replace(&mut self.phase, Phase::Free) {
                Phase::Free => Step::Wait(Phase::Free),
                Phase::Running(run) => self.watch(run, context)?,
                Phase::Dying(over) => self.kill(over)?,
                Phase::Draining(over) => self.drain(over, context)?,
                Phase::Littered { since } => self.tidy(since, context)?,
                Phase::Sweeping { pid, since, failed } => self.sweep(pid, since, failed)?,
            };
            match step {
                Step::On(phase) => self.phase = phase,
                Step::Wait(phase) => {
                    self.phase = phase;
                    return Ok(());
                }
            }
        }
    }

    fn watch(&self, mut run: Run, context: &mut Context<'_>) -> Result<Step, CellError> {
        let now = Instant::now();
        let end = match run.death {
            Some(Death::Exited(code)) => Some(RunEnd::Exited { code }),
            Some(Death::Signalled(signal)) => Some(RunEnd::Signalled { signal }),
            None => run
                .limit_reached(now, self.slot, context)?
                .map(|limit| RunEnd::Killed { limit }),
        };
        Ok(match end {
            Some(end) => Step::On(Phase::Dying(Over { run, end, at: now })),
            None => Step::Wait(Phase::Running(run)),
        })
    }

    fn kill(&self, over: Over) -> Result<Step, CellError> {
        match kill_all(self.guest)? {
            Remains::None => Ok(Step::On(Phase::Draining(over))),
            Remains::Some if over.at.elapsed() > LONGEST_DYING => Err(CellError::Survivors(self.guest)),
            Remains::Some => Ok(Step::Wait(Phase::Dying(over))),
        }
    }

    fn drain(&self, mut over: Over, context: &mut Context<'_>) -> Result<Step, CellError> {
        if context.intake == Intake::Held {
            return Ok(Step::Wait(Phase::Draining(over)));
        }
        let flow = over.run.read_streams(self.slot, context)?;
        if flow == Flow::OverLimit && !matches!(over.end, RunEnd::Killed { .. }) {
            // Whether the excess was seen before or after the program's end is chance; the facts must not depend on it.
            over.end = RunEnd::Killed {
                limit: LimitKind::Output,
            };
        }
        if flow == Flow::Data {
            return Ok(Step::Wait(Phase::Draining(over)));
        }
        let Over { run, end, at } = over;
        let total = run.meter.finish(context.accounting)?;
        let facts = RunFacts {
            end,
            cpu_time: total.cpu,
            wall_time: at.duration_since(run.started),
            peak_memory_bytes: total.peak_memory_bytes,
            oom_kills: total.oom_kills,
            process_limit_hits: total.process_limit_hits,
            stdout_bytes: run.stdout.bytes(),
            stderr_bytes: run.stderr.bytes(),
        };
        (context.emit)(Event::Ended {
            slot: self.slot,
            facts,
        });
        Ok(Step::On(Phase::Littered {
            since: Instant::now(),
        }))
    }

    fn tidy(&self, since: Instant, context: &Context<'_>) -> Result<Step, CellError> {
        if context.scratch.litter(self.guest, context.guests)? == Litter::None {
            return Ok(Step::Wait(Phase::Free));
        }
        match context.scratch.start_removal(self.guest)? {
            Some(pid) => Ok(Step::Wait(Phase::Sweeping {
                pid,
                since,
                failed: false,
            })),
            None if since.elapsed() > LONGEST_REMOVAL => {
                Err(self.leftover("no process can be had to remove them"))
            }
            None => Ok(Step::Wait(Phase::Littered { since })),
        }
    }

    fn sweep(&self, pid: i32, since: Instant, failed: bool) -> Result<Step, CellError> {
        match pid {
            0 if failed => Err(self.leftover("the removal failed")),
            // Looks again, and must find nothing.
            0 => Ok(Step::On(Phase::Littered { since })),
            _ if since.elapsed() > LONGEST_REMOVAL => Err(self.leftover("the removal takes too long")),
            _ => Ok(Step::Wait(Phase::Sweeping { pid, since, failed })),
        }
    }

    fn leftover(&self, reason: &str) -> CellError {
        CellError::Leftover {
            guest: self.guest,
            reason: reason.to_owned(),
        }
    }
}

/// What reading both streams once has brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    Nothing,
    Data,
    OverLimit,
}

impl Run {
    fn limit_reached(
        &mut self,
        now: Instant,
        slot: Slot,
        context: &mut Context<'_>,
    ) -> Result<Option<LimitKind>, CellError> {
        if context.intake == Intake::Open && self.read_streams(slot, context)? == Flow::OverLimit {
            return Ok(Some(LimitKind::Output));
        }
        let too_long = now >= self.deadline && {
            self.deadline = self.started + self.limits.wall_time_granting(self.meter.waited_for_cpu()?);
            now >= self.deadline
        };
        if now >= self.next_sample || too_long {
            let usage = self.meter.sample(context.accounting, &self.limits)?;
            if usage.memory_bytes > self.limits.memory_bytes {
                return Ok(Some(LimitKind::Memory));
            }
            if usage.cpu > self.limits.cpu_time {
                return Ok(Some(LimitKind::CpuTime));
            }
            self.next_sample = now + Meter::pause(context.accounting, &self.limits, usage);
        }
        Ok(too_long.then_some(LimitKind::WallTime))
    }

    /// Reads each stream once and passes on what came.
    fn read_streams(&mut self, slot: Slot, context: &mut Context<'_>) -> Result<Flow, CellError> {
        let mut flow = Flow::Nothing;
        for (stream, capture) in [
            (Stream::Stdout, &mut self.stdout),
            (Stream::Stderr, &mut self.stderr),
        ] {
            let (data, seen) = match capture.read(context.buffer)? {
                Captured::Data(data) => (data, Flow::Data),
                Captured::OverLimit(data) => (data, Flow::OverLimit),
                Captured::Nothing | Captured::End => continue,
            };
            if !data.is_empty() {
                (context.emit)(Event::Output { slot, stream, data });
            }
            if flow != Flow::OverLimit {
                flow = seen;
            }
        }
        Ok(flow)
    }
}
