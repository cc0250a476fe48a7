//! The boxes there are, from their first process to the removal of the last trace.

use std::{
    collections::HashMap,
    os::fd::{AsFd, OwnedFd},
    path::PathBuf,
    process::ExitCode,
};

use optimus_cell::{BoxResources, Landlock};
use optimus_linux::{cgroup::Removal, landlock};
use rustix::{
    event::{PollFd, PollFlags},
    io::Errno,
    process::{Signal, WaitId, WaitIdOptions, pidfd_send_signal, waitid},
};

use super::{
    box_init::{self, InitMessage, InitPlan, StartingBox},
    cgroups::{BoxGroup, Cgroups},
    channel::{answer, complain},
    failure::Failure,
    identity::{UidSlots, Uids},
    rootfs_builder::{RootfsBuilder, RootfsTemplate},
};
use crate::native::wire::{CreateBox, RequestId, RootId, SpawnerReply};

#[derive(Debug)]
pub(super) struct Boxes {
    agent: fn(BoxResources) -> ExitCode,
    landlock: Landlock,
    /// By the request that made them.
    all: HashMap<RequestId, BoxEntry>,
}

/// What a box is made of, and no other box has.
#[derive(Debug)]
pub(super) struct BoxParts {
    /// The agent's end of the stream to the worker.
    pub(super) channel: OwnedFd,
    pub(super) uids: Uids,
    pub(super) group: Option<BoxGroup>,
    pub(super) net: OwnedFd,
}

#[derive(Debug)]
struct BoxEntry {
    state: BoxState,
    uids: Uids,
    root: RootId,
    /// The name of its control group.
    name: Option<String>,
    memory_bytes: u64,
    /// The folder of the host that its guests wrote to, which gets its owner back.
    writable_dir: Option<PathBuf>,
    /// Requests to destroy it, answered when nothing is left.
    waiters: Vec<RequestId>,
}

#[derive(Debug)]
enum BoxState {
    /// On its way to the agent; the request is not answered yet.
    Starting(StartingBox),
    Alive {
        pidfd: OwnedFd,
    },
    /// It was killed and is not reaped yet; the request that made it is answered.
    Dying {
        pidfd: OwnedFd,
    },
    /// No process is left.
    Dead,
}

/// Something a box may wait for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Awaited {
    Message(RequestId),
    End(RequestId),
}

impl Boxes {
    pub(super) fn new(agent: fn(BoxResources) -> ExitCode) -> Self {
        Self {
            agent,
            landlock: landlock(),
            all: HashMap::new(),
        }
    }

    /// Makes a box's first process.
    pub(super) fn spawn(
        &mut self,
        id: RequestId,
        make: &CreateBox,
        parts: BoxParts,
        template: &RootfsTemplate,
    ) -> Result<(), Failure> {
        let BoxParts {
            channel,
            uids,
            group,
            net,
        } = parts;
        let (name, group, agent_group) = match group {
            Some(BoxGroup { name, group, agent }) => (Some(name), Some(group), Some(agent)),
            None => (None, None, None),
        };
        let plan = InitPlan {
            agent_group,
            net,
            channel,
            template,
            uids,
            disk_bytes: make.disk_bytes,
            compile_disk_bytes: make.compile_disk_bytes,
            open_files: make.open_files,
            resources: BoxResources {
                group,
                disk_bytes: make.disk_bytes,
                compile_disk_bytes: make.compile_disk_bytes,
                guest_uids: uids.of_guests(),
                // A preparation runs nothing but ours and the host's, and writes where no other guest may.
                landlock: match template.writable {
                    Some(_) => Landlock::Absent,
                    None => self.landlock,
                },
            },
        };
        let starting = box_init::spawn(plan, self.agent).map_err(Failure::at("make a process"))?;
        let entry = BoxEntry {
            state: BoxState::Starting(starting),
            uids,
            root: make.root,
            name,
            memory_bytes: make.memory_bytes,
            writable_dir: template.writable_dir.clone(),
            waiters: Vec::new(),
        };
        self.all.insert(id, entry);
        Ok(())
    }

    /// Adds what is to be waited for, and returns whose it is, in the same order.
    pub(super) fn watch<'a>(&'a self, waits: &mut Vec<PollFd<'a>>) -> Vec<Awaited> {
        let mut subjects = Vec::with_capacity(self.all.len());
        for (id, entry) in &self.all {
            let pidfd = match &entry.state {
                BoxState::Starting(starting) => {
                    waits.push(PollFd::new(&starting.reports, PollFlags::IN));
                    subjects.push(Awaited::Message(*id));
                    &starting.pidfd
                }
                BoxState::Alive { pidfd } | BoxState::Dying { pidfd } => pidfd,
                BoxState::Dead => continue,
            };
            waits.push(PollFd::new(pidfd, PollFlags::IN));
            subjects.push(Awaited::End(*id));
        }
        subjects
    }

    /// Deals with something that was waited for.
    pub(super) fn attend(
        &mut self,
        subject: Awaited,
        cgroups: Option<&Cgroups>,
        slots: &mut UidSlots,
        rootfs: &RootfsBuilder,
    ) -> Result<(), Failure> {
        match subject {
            Awaited::Message(id) => self.hear(id, cgroups),
            Awaited::End(id) => {
                self.reap_init(id, cgroups)?;
                self.remove(id, cgroups, slots, rootfs)
            }
        }
    }

    fn hear(&mut self, id: RequestId, cgroups: Option<&Cgroups>) -> Result<(), Failure> {
        let Some(entry) = self.all.get_mut(&id) else {
            return Ok(());
        };
        let BoxState::Starting(starting) = &entry.state else {
            return Ok(());
        };
        let failure = match box_init::hear(starting.reports.as_fd()) {
            Ok(Some(InitMessage::MapMe)) => {
                let mapped = entry.uids.map(starting.pid).and_then(|()| {
                    box_init::go_on(&starting.reports).map_err(Failure::at("go on with a box"))
                });
                match mapped {
                    Ok(()) => return Ok(()),
                    Err(failure) => failure,
                }
            }
            Ok(Some(InitMessage::Ready(steps))) => {
                let name = match (cgroups, &entry.name) {
                    (Some(cgroups), Some(name)) => cgroups.full_name(name),
                    _ => format!("box-{}", id.0),
                };
                entry.mark_ready();
                return answer(id, SpawnerReply::BoxCreated { name, steps });
            }
            Ok(Some(InitMessage::Failed(reason))) => Failure::new(reason),
            // Its end is told by its pidfd.
            Ok(None) => Failure::new("the box's first process ended without a word"),
            Err(error) => Failure::at("hear a new box")(error),
        };
        entry.kill();
        let reason = failure.to_string();
        answer(id, SpawnerReply::Failed { reason })
    }

    /// Reaps a first process. The kernel has killed everything else in its box before.
    fn reap_init(&mut self, id: RequestId, cgroups: Option<&Cgroups>) -> Result<(), Failure> {
        // What it may have said before it died.
        self.hear(id, cgroups)?;
        let Some(entry) = self.all.get_mut(&id) else {
            return Ok(());
        };
        let unanswered = matches!(entry.state, BoxState::Starting(_));
        entry.reap();
        if unanswered {
            let reason = "the box's first process was killed".to_owned();
            answer(id, SpawnerReply::Failed { reason })?;
        }
        Ok(())
    }

    /// Removes what a dead box has left, and forgets it. What is still in use is tried again by [`clear`](Self::clear).
    fn remove(
        &mut self,
        id: RequestId,
        cgroups: Option<&Cgroups>,
        slots: &mut UidSlots,
        rootfs: &RootfsBuilder,
    ) -> Result<(), Failure> {
        let Some(entry) = self.all.get(&id) else {
            return Ok(());
        };
        if let (Some(cgroups), Some(name)) = (cgroups, &entry.name) {
            match cgroups.remove(name) {
                Ok(Removal::Done) => {}
                Ok(Removal::Busy) => return Ok(()),
                // Tried again as well, and said.
                Err(error) => {
                    complain(&Failure::at(format_args!("remove the control group {name}"))(
                        error,
                    ));
                    return Ok(());
                }
            }
        }
        if let Some(folder) = &entry.writable_dir
            && let Err(failure) = rootfs.chown_dir(folder, 0)
        {
            complain(&failure);
        }
        slots.give_back(entry.uids);
        let waiters = self.all.remove(&id).map(|entry| entry.waiters);
        for waiter in waiters.into_iter().flatten() {
            answer(waiter, SpawnerReply::Done)?;
        }
        Ok(())
    }

    /// Whether a box has this root.
    pub(super) fn uses(&self, root: RootId) -> bool {
        self.all.values().any(|entry| entry.root == root)
    }

    /// Whether a box is on its way to its agent.
    pub(super) fn has_starting(&self) -> bool {
        self.all
            .values()
            .any(|entry| matches!(entry.state, BoxState::Starting(_)))
    }

    /// Whether something of a dead box could not be removed yet.
    pub(super) fn has_remains(&self) -> bool {
        self.all
            .values()
            .any(|entry| matches!(entry.state, BoxState::Dead))
    }

    /// Tries again to remove what is left of dead boxes.
    pub(super) fn clear(
        &mut self,
        cgroups: Option<&Cgroups>,
        slots: &mut UidSlots,
        rootfs: &RootfsBuilder,
    ) -> Result<(), Failure> {
        let dead: Vec<_> = self
            .all
            .iter()
            .filter(|(_, entry)| matches!(entry.state, BoxState::Dead))
            .map(|(id, _)| *id)
            .collect();
        dead.into_iter()
            .try_for_each(|id| self.remove(id, cgroups, slots, rootfs))
    }

    /// Kills a box, and answers the request when nothing is left of it. False where there is none.
    pub(super) fn destroy(&mut self, of: RequestId, request: RequestId) -> Result<bool, Failure> {
        let Some(entry) = self.all.get_mut(&of) else {
            return Ok(false);
        };
        entry.waiters.push(request);
        if let BoxState::Starting(_) = entry.state {
            let reason = "the box was given up".to_owned();
            answer(of, SpawnerReply::Failed { reason })?;
        }
        entry.kill();
        Ok(true)
    }

    pub(super) fn grow(&mut self, of: RequestId, bytes: u64, cgroups: &Cgroups) -> Result<(), Failure> {
        let entry = self
            .all
            .get_mut(&of)
            .ok_or_else(|| Failure::new("the box is gone"))?;
        if let Some(name) = &entry.name
            && bytes > entry.memory_bytes
        {
            cgroups
                .set_memory(name, bytes)
                .map_err(Failure::at("raise the memory of a control group"))?;
            entry.memory_bytes = bytes;
        }
        Ok(())
    }

    /// How often a box was held back for its CPU quota.
    pub(super) fn throttled(&self, of: RequestId, cgroups: Option<&Cgroups>) -> Result<u64, Failure> {
        let name = self.all.get(&of).and_then(|entry| entry.name.as_ref());
        let (Some(cgroups), Some(name)) = (cgroups, name) else {
            return Err(Failure::new("the box has no control group"));
        };
        cgroups
            .throttled(name)
            .map_err(Failure::at("read what a control group counts"))
    }

    pub(super) fn kill_all(&mut self) {
        self.all.values_mut().for_each(BoxEntry::kill);
    }

    /// Waits for all that were killed.
    pub(super) fn reap_all(&mut self) {
        self.all.values_mut().for_each(BoxEntry::reap);
    }
}

impl BoxEntry {
    fn mark_ready(&mut self) {
        self.state = match std::mem::replace(&mut self.state, BoxState::Dead) {
            BoxState::Starting(StartingBox { pidfd, .. }) => BoxState::Alive { pidfd },
            state => state,
        };
    }

    fn kill(&mut self) {
        self.state = match std::mem::replace(&mut self.state, BoxState::Dead) {
            BoxState::Starting(StartingBox { pidfd, .. }) | BoxState::Alive { pidfd } => {
                // Fails where it is dead already.
                pidfd_send_signal(&pidfd, Signal::KILL).ok();
                BoxState::Dying { pidfd }
            }
            state => state,
        };
    }

    fn reap(&mut self) {
        let state = std::mem::replace(&mut self.state, BoxState::Dead);
        let (BoxState::Starting(StartingBox { pidfd, .. })
        | BoxState::Alive { pidfd }
        | BoxState::Dying { pidfd }) = state
        else {
            return;
        };
        while let Err(Errno::INTR) = waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED) {}
    }
}

/// Whether this kernel has it, and has it switched on.
fn landlock() -> Landlock {
    match landlock::version() {
        Some(_) => Landlock::Enforced,
        None => Landlock::Absent,
    }
}
