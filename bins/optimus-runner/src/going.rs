//! An execution that was asked for and is not over: one that waits for a place, or one that goes on.

use std::os::fd::OwnedFd;

use anyhow::Context;
use optimus_cell::{Input, LiveInput, Slot, StartResult, Stdin, StdoutEnd, Supervisor};
use optimus_protocol::{CommandSpec, Exec, ExecId, FrameKind, OutputTag, StdoutFlow, Stream, WINDOW};

use crate::{channel::Outbox, inbox::Execution, live_input::WindowedInput};

#[derive(Debug)]
pub(crate) struct Going {
    pub(crate) id: ExecId,
    /// How much of each stream is still sent.
    stdout_room: u64,
    stderr_room: u64,
    pub(crate) live: Option<WindowedInput>,
    /// Bytes of standard output sent and not told as taken, where there is a window.
    untaken: Option<u64>,
}

/// What has no place yet. What is said of it meanwhile is taken in.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) going: Going,
    command: CommandSpec,
    stdin: HeldStdin,
    stdout_end: StdoutEnd,
}

/// What the program is to read from, until it has it.
#[derive(Debug)]
enum HeldStdin {
    File(Input),
    Pipe(OwnedFd),
}

impl Waiting {
    pub(crate) fn new(Execution { exec, input }: Execution) -> anyhow::Result<Self> {
        let (stdin, live) = if let Some(input) = input {
            (HeldStdin::File(input), None)
        } else {
            let (writer, reader) = LiveInput::new()?;
            (HeldStdin::Pipe(reader), Some(WindowedInput::new(writer)))
        };
        Ok(Self {
            going: Going::new(&exec, live),
            command: exec.command,
            stdin,
            stdout_end: match exec.stdout {
                StdoutFlow::Free => StdoutEnd::Untold,
                StdoutFlow::Windowed => StdoutEnd::Told,
            },
        })
    }

    /// Starts it in a free slot. It goes on waiting where the box has as many processes as it may.
    pub(crate) fn start(
        self,
        supervisor: &mut Supervisor,
        slot: Slot,
    ) -> anyhow::Result<Result<Going, Self>> {
        let stdin = match &self.stdin {
            HeldStdin::File(input) => Stdin::File(input),
            HeldStdin::Pipe(reader) => Stdin::Pipe(reader),
        };
        Ok(
            match supervisor.start(slot, &self.command, stdin, self.stdout_end)? {
                StartResult::Started => Ok(self.going),
                StartResult::Crowded => Err(self),
            },
        )
    }
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

    pub(crate) fn send(&mut self, stream: Stream, data: &[u8], outbox: &mut Outbox) {
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

    /// The worker has handed on so much of its standard output: as much may be sent again.
    pub(crate) fn taken(&mut self, bytes: u32) -> anyhow::Result<()> {
        if let Some(untaken) = &mut self.untaken {
            *untaken = untaken.checked_sub(bytes.into()).with_context(|| {
                format!(
                    "the worker has taken more of execution {} than it was sent",
                    self.id
                )
            })?;
        }
        Ok(())
    }

    /// From here on output is sent although the worker does not say that it has taken what came before.
    pub(crate) fn lift_window(&mut self) {
        self.untaken = None;
    }

    pub(crate) fn is_window_full(&self) -> bool {
        self.untaken.is_some_and(|untaken| untaken >= WINDOW as u64)
    }

    /// Nothing follows from the worker: neither input, nor what it has taken.
    pub(crate) fn hear_no_more(&mut self) {
        self.lift_window();
        if let Some(live) = &mut self.live {
            live.close();
        }
    }
}
