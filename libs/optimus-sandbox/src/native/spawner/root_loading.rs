//! Loading roots, and forgetting them, in processes of their own: both take long, and boxes are made meanwhile.

use std::{
    collections::VecDeque,
    io::{self, Read, Write},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    panic::{AssertUnwindSafe, catch_unwind},
};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, set_parent_process_death_signal, waitpid};

use super::{
    failure::Failure,
    rootfs_builder::{self, RootfsBuilder},
};
use crate::native::wire::{Copied, LoadRoot, RequestId, RootId};

/// What is under way, one at a time, and what waits for it.
#[derive(Debug, Default)]
pub(super) struct RootLoading {
    current: Option<(RootTask, HelperProcess)>,
    waiting: VecDeque<RootTask>,
}

#[derive(Debug)]
pub(super) enum RootTask {
    Copy(RequestId, Box<LoadRoot>),
    Clear(RootId),
}

/// How a task ended.
type TaskResult = Result<Copied, Failure>;

/// A process that does one thing, and tells how that went.
#[derive(Debug)]
struct HelperProcess {
    pid: Pid,
    told: OwnedFd,
}

impl RootLoading {
    pub(super) fn add(&mut self, task: RootTask) {
        self.waiting.push_back(task);
    }

    /// Begins with the next task, where none is under way.
    pub(super) fn begin(&mut self, rootfs: &RootfsBuilder) -> Result<(), (RootTask, Failure)> {
        if self.current.is_some() {
            return Ok(());
        }
        let Some(task) = self.waiting.pop_front() else {
            return Ok(());
        };
        let helper = HelperProcess::start(|| match &task {
            RootTask::Copy(_, request) => rootfs.copy(request),
            RootTask::Clear(root) => rootfs_builder::clear(*root).map(|()| Copied::default()),
        });
        match helper {
            Ok(helper) => {
                self.current = Some((task, helper));
                Ok(())
            }
            Err(error) => Err((task, Failure::at("make a process")(error))),
        }
    }

    /// Readable when the task under way is done.
    pub(super) fn watched(&self) -> Option<BorrowedFd<'_>> {
        self.current.as_ref().map(|(_, helper)| helper.told.as_fd())
    }

    /// The task that was under way, once it is done.
    pub(super) fn end(&mut self) -> Option<(RootTask, TaskResult)> {
        let (task, helper) = self.current.take()?;
        Some((task, helper.outcome()))
    }

    /// Gives everything up.
    pub(super) fn stop(&mut self) {
        self.waiting.clear();
        if let Some((_, helper)) = self.current.take() {
            // Fails where it has ended.
            kill_process(helper.pid, Signal::KILL).ok();
            helper.reap();
        }
    }
}

impl HelperProcess {
    fn start(work: impl FnOnce() -> TaskResult) -> io::Result<Self> {
        let (told, mut tell) = io::pipe()?;
        // SAFETY: the spawner has one thread, so the child may do what the parent may.
        match unsafe { libc::fork() } {
            -1 => Err(io::Error::last_os_error()),
            0 => {
                let worked = catch_unwind(AssertUnwindSafe(|| {
                    set_parent_process_death_signal(Some(Signal::KILL))
                        .map_err(Failure::at("be ended with the spawner"))?;
                    work()
                }));
                let worked = worked.unwrap_or_else(|_| Err(Failure::new("a root was given up")));
                let text = serde_json::to_vec(&worked.map_err(|failure| failure.to_string()));
                // If this fails, the end of the stream tells the spawner that there is no answer.
                let told = text
                    .map_err(io::Error::from)
                    .and_then(|text| tell.write_all(&text));
                // SAFETY: ends this process without running anything of the spawner's.
                unsafe { libc::_exit(i32::from(told.is_err())) }
            }
            pid => Ok(Self {
                pid: Pid::from_raw(pid).ok_or(io::ErrorKind::InvalidData)?,
                told: told.into(),
            }),
        }
    }

    fn outcome(self) -> TaskResult {
        let mut text = Vec::new();
        let pid = self.pid;
        let read = io::PipeReader::from(self.told).read_to_end(&mut text);
        reap(pid);
        read.map_err(Failure::at("hear of a root"))?;
        match serde_json::from_slice::<Result<Copied, String>>(&text) {
            Ok(Ok(copied)) => Ok(copied),
            Ok(Err(reason)) => Err(Failure::new(reason)),
            Err(_) => Err(Failure::new("the process that copies was killed")),
        }
    }

    fn reap(&self) {
        reap(self.pid);
    }
}

fn reap(pid: Pid) {
    while let Err(rustix::io::Errno::INTR) = waitpid(Some(pid), WaitOptions::empty()) {}
}
