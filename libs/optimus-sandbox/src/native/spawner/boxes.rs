//! The boxes there are, from their first process to the removal of the last trace.

use std::{
    collections::HashMap,
    os::fd::{AsFd, OwnedFd},
    path::PathBuf,
    process::ExitCode,
};

use optimus_cell::{BoxResources, Landlock, cgroup::Removal};
use rustix::{
    event::{PollFd, PollFlags},
    io::Errno,
    process::{Signal, WaitId, WaitIdOptions, pidfd_send_signal, waitid},
};

use super::{
    answer,
    birth::{self, Newborn, Plan, Report},
    cgroups::{BoxGroup, Cgroups},
    complain,
    failure::Failure,
    identity::{Slots, Uids},
    stage::{Stage, Template},
};
use crate::native::wire::{Make, Outcome, RootId, Ticket};

#[derive(Debug)]
pub(super) struct Boxes {
    agent: fn(BoxResources) -> ExitCode,
    landlock: Landlock,
    /// By the request that made them.
    all: HashMap<Ticket, Entry>,
}

/// What a box is made of, and no other box has.
#[derive(Debug)]
pub(super) struct Parts {
    /// The agent's end of the stream to the worker.
    pub(super) channel: OwnedFd,
    pub(super) uids: Uids,
    pub(super) group: Option<BoxGroup>,
    pub(super) net: OwnedFd,
}

#[derive(Debug)]
struct Entry {
    life: Life,
    uids: Uids,
    root: RootId,
    /// Its control group's.
    name: Option<String>,
    memory_bytes: u64,
    /// What its guests wrote to and is to be ours again.
    gift: Option<PathBuf>,
    /// Requests to destroy it, answered when nothing is left.
    mourners: Vec<Ticket>,
}

#[derive(Debug)]
enum Life {
    /// On its way to the agent; the request is not answered yet.
    Newborn(Newborn),
    Alive {
        pidfd: OwnedFd,
    },
    /// Told to die, or about to. Whoever asked for it knows.
    Dying {
        pidfd: OwnedFd,
    },
    /// No process is left.
    Dead,
}

/// Something a box may wait for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Subject {
    Report(Ticket),
    End(Ticket),
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
    pub(super) fn bear(
        &mut self,
        ticket: Ticket,
        make: &Make,
        parts: Parts,
        template: &Template,
    ) -> Result<(), Failure> {
        let Parts {
            channel,
            uids,
            group,
            net,
        } = parts;
        let (name, group, agent_group) = match group {
            Some(BoxGroup { name, group, agent }) => (Some(name), Some(group), Some(agent)),
            None => (None, None, None),
        };
        let plan = Plan {
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
        let newborn = birth::birth(plan, self.agent).map_err(Failure::at("make a process"))?;
        let entry = Entry {
            life: Life::Newborn(newborn),
            uids,
            root: make.root,
            name,
            memory_bytes: make.memory_bytes,
            gift: template.gift.clone(),
            mourners: Vec::new(),
        };
        self.all.insert(ticket, entry);
        Ok(())
    }

    /// Adds what is to be waited for, and returns whose it is, in the same order.
    pub(super) fn watch<'a>(&'a self, waits: &mut Vec<PollFd<'a>>) -> Vec<Subject> {
        let mut subjects = Vec::with_capacity(self.all.len());
        for (ticket, entry) in &self.all {
            let pidfd = match &entry.life {
                Life::Newborn(newborn) => {
                    waits.push(PollFd::new(&newborn.reports, PollFlags::IN));
                    subjects.push(Subject::Report(*ticket));
                    &newborn.pidfd
                }
                Life::Alive { pidfd } | Life::Dying { pidfd } => pidfd,
                Life::Dead => continue,
            };
            waits.push(PollFd::new(pidfd, PollFlags::IN));
            subjects.push(Subject::End(*ticket));
        }
        subjects
    }

    /// Deals with something that was waited for.
    pub(super) fn attend(
        &mut self,
        subject: Subject,
        cgroups: Option<&Cgroups>,
        slots: &mut Slots,
        stage: &Stage,
    ) -> Result<(), Failure> {
        match subject {
            Subject::Report(ticket) => self.hear(ticket, cgroups),
            Subject::End(ticket) => {
                self.bury(ticket, cgroups)?;
                self.remove(ticket, cgroups, slots, stage)
            }
        }
    }

    fn hear(&mut self, ticket: Ticket, cgroups: Option<&Cgroups>) -> Result<(), Failure> {
        let Some(entry) = self.all.get_mut(&ticket) else {
            return Ok(());
        };
        let Life::Newborn(newborn) = &entry.life else {
            return Ok(());
        };
        let failure = match birth::hear(newborn.reports.as_fd()) {
            Ok(Some(Report::MapMe)) => {
                let mapped = entry
                    .uids
                    .map(newborn.pid)
                    .and_then(|()| birth::go_on(&newborn.reports).map_err(Failure::at("go on with a box")));
                match mapped {
                    Ok(()) => return Ok(()),
                    Err(failure) => failure,
                }
            }
            Ok(Some(Report::Ready(steps))) => {
                let name = match (cgroups, &entry.name) {
                    (Some(cgroups), Some(name)) => cgroups.full_name(name),
                    _ => format!("box-{}", ticket.0),
                };
                entry.let_live();
                return answer(ticket, Outcome::Made { name, steps });
            }
            Ok(Some(Report::Failed(reason))) => Failure::new(reason),
            // Its end is told by its pidfd.
            Ok(None) => Failure::new("the box's first process ended without a word"),
            Err(error) => Failure::at("hear a new box")(error),
        };
        entry.kill();
        let reason = failure.to_string();
        answer(ticket, Outcome::Failed { reason })
    }

    /// Reaps a first process. The kernel has killed everything else in its box before.
    fn bury(&mut self, ticket: Ticket, cgroups: Option<&Cgroups>) -> Result<(), Failure> {
        // What it may have said before it died.
        self.hear(ticket, cgroups)?;
        let Some(entry) = self.all.get_mut(&ticket) else {
            return Ok(());
        };
        let unanswered = matches!(entry.life, Life::Newborn(_));
        entry.reap();
        if unanswered {
            let reason = "the box's first process was killed".to_owned();
            answer(ticket, Outcome::Failed { reason })?;
        }
        Ok(())
    }

    /// Removes what a dead box has left, and forgets it. What is still in use is tried again by [`clear`](Self::clear).
    fn remove(
        &mut self,
        ticket: Ticket,
        cgroups: Option<&Cgroups>,
        slots: &mut Slots,
        stage: &Stage,
    ) -> Result<(), Failure> {
        let Some(entry) = self.all.get(&ticket) else {
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
        if let Some(folder) = &entry.gift
            && let Err(failure) = stage.give(folder, 0)
        {
            complain(&failure);
        }
        slots.give_back(entry.uids);
        let mourners = self.all.remove(&ticket).map(|entry| entry.mourners);
        for mourner in mourners.into_iter().flatten() {
            answer(mourner, Outcome::Done)?;
        }
        Ok(())
    }

    /// Whether a box has this root.
    pub(super) fn uses(&self, root: RootId) -> bool {
        self.all.values().any(|entry| entry.root == root)
    }

    /// Whether a box is on its way to its agent.
    pub(super) fn has_newborn(&self) -> bool {
        self.all
            .values()
            .any(|entry| matches!(entry.life, Life::Newborn(_)))
    }

    /// Whether something of a dead box could not be removed yet.
    pub(super) fn has_remains(&self) -> bool {
        self.all.values().any(|entry| matches!(entry.life, Life::Dead))
    }

    /// Tries again to remove what is left of dead boxes.
    pub(super) fn clear(
        &mut self,
        cgroups: Option<&Cgroups>,
        slots: &mut Slots,
        stage: &Stage,
    ) -> Result<(), Failure> {
        let dead: Vec<_> = self
            .all
            .iter()
            .filter(|(_, entry)| matches!(entry.life, Life::Dead))
            .map(|(ticket, _)| *ticket)
            .collect();
        dead.into_iter()
            .try_for_each(|ticket| self.remove(ticket, cgroups, slots, stage))
    }

    /// Kills a box, and answers the request when nothing is left of it. False where there is none.
    pub(super) fn destroy(&mut self, of: Ticket, request: Ticket) -> Result<bool, Failure> {
        let Some(entry) = self.all.get_mut(&of) else {
            return Ok(false);
        };
        entry.mourners.push(request);
        if let Life::Newborn(_) = entry.life {
            let reason = "the box was given up".to_owned();
            answer(of, Outcome::Failed { reason })?;
        }
        entry.kill();
        Ok(true)
    }

    pub(super) fn grow(&mut self, of: Ticket, bytes: u64, cgroups: &Cgroups) -> Result<(), Failure> {
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
    pub(super) fn throttled(&self, of: Ticket, cgroups: Option<&Cgroups>) -> Result<u64, Failure> {
        let name = self.all.get(&of).and_then(|entry| entry.name.as_ref());
        let (Some(cgroups), Some(name)) = (cgroups, name) else {
            return Err(Failure::new("the box has no control group"));
        };
        cgroups
            .throttled(name)
            .map_err(Failure::at("read what a control group counts"))
    }

    pub(super) fn kill_all(&mut self) {
        self.all.values_mut().for_each(Entry::kill);
    }

    /// Waits for all that were killed.
    pub(super) fn reap_all(&mut self) {
        self.all.values_mut().for_each(Entry::reap);
    }
}

impl Entry {
    fn let_live(&mut self) {
        self.life = match std::mem::replace(&mut self.life, Life::Dead) {
            Life::Newborn(Newborn { pidfd, .. }) => Life::Alive { pidfd },
            life => life,
        };
    }

    fn kill(&mut self) {
        self.life = match std::mem::replace(&mut self.life, Life::Dead) {
            Life::Newborn(Newborn { pidfd, .. }) | Life::Alive { pidfd } => {
                // Fails where it is dead already.
                pidfd_send_signal(&pidfd, Signal::KILL).ok();
                Life::Dying { pidfd }
            }
            life => life,
        };
    }

    fn reap(&mut self) {
        let life = std::mem::replace(&mut self.life, Life::Dead);
        let (Life::Newborn(Newborn { pidfd, .. }) | Life::Alive { pidfd } | Life::Dying { pidfd }) = life
        else {
            return;
        };
        while let Err(Errno::INTR) = waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED) {}
    }
}

/// Whether this kernel has it, and has it switched on.
fn landlock() -> Landlock {
    const VERSION: libc::c_uint = 1;
    // SAFETY: asked for its version, the call reads nothing.
    let version = unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            std::ptr::null::<libc::c_void>(),
            0_usize,
            VERSION,
        )
    };
    if version > 0 {
        Landlock::Enforced
    } else {
        Landlock::Absent
    }
}
