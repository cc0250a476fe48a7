//! The process that makes boxes.
//!
//! It has one thread, an empty environment, and one descriptor of the worker's: the socket by which it is told what to
//! do. It waits for requests and for the ends of boxes, and uses idle moments to make control groups and network
//! namespaces ahead. When the worker is gone, it kills every box, removes what they leave, and ends; when it is killed
//! itself, the kernel kills its boxes.

mod birth;
mod boxes;
mod cgroups;
mod copy;
mod delays;
mod describing;
mod dynmods;
mod failure;
mod hierarchies;
mod identity;
mod libraries;
mod nets;
mod ports;
mod shown;
mod skeleton;
mod stage;

use std::{
    io::{self, Write},
    os::fd::OwnedFd,
    process::ExitCode,
    time::Duration,
};

use optimus_cell::BoxResources;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    process::{Resource, Rlimit, getrlimit, setrlimit, setsid, umask},
    stdio::stdin,
    system::uname,
    thread::{UnshareFlags, unshare_unsafe},
};

pub(super) use self::copy::Copied;
use self::{
    boxes::{Boxes, Parts},
    cgroups::{BoxGroup, Cgroups},
    copy::Reader,
    describing::{Describing, Task},
    failure::Failure,
    hierarchies::Hierarchies,
    identity::{Slots, Source, Uids},
    nets::Nets,
    ports::Ports,
    stage::{Devices, Stage},
};
use super::wire::{self, Answer, Begin, Offer, Order, Outcome, Request, RootId, Ticket};

/// How soon the control group of a dead box is removed again that was still in use.
const RETRY: Duration = Duration::from_millis(2);

/// Until the worker closes its end of standard input, a socket.
pub(super) fn run(agent: fn(BoxResources) -> ExitCode) -> ExitCode {
    match serve(agent) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            complain(&failure);
            ExitCode::FAILURE
        }
    }
}

/// Standard error is read by the worker, which logs it; so is standard output, which all boxes have for their standard
/// error. A worker that is gone reads nothing, and what it left must be
/// removed all the same.
fn complain(failure: &Failure) {
    let _ = writeln!(io::stderr(), "{failure}");
}

fn serve(agent: fn(BoxResources) -> ExitCode) -> Result<(), Failure> {
    stand_alone()?;
    let Some((Request { ticket, order }, _)) = receive()? else {
        return Ok(());
    };
    let Order::Begin(begin) = order else {
        return Err(Failure::new("the worker did not begin with a beginning"));
    };
    let (mut spawner, offer) = match Spawner::begin(&begin, agent) {
        Ok(spawner) => spawner,
        Err(failure) => {
            let reason = failure.to_string();
            return answer(ticket, Outcome::Failed { reason });
        }
    };
    answer(ticket, Outcome::Begun(offer))?;
    let worked = loop {
        match spawner.turn() {
            Ok(Next::GoOn) => {}
            Ok(Next::Stop) => break Ok(()),
            Err(failure) => break Err(failure),
        }
    };
    // However it ended, nothing is to be left.
    let closed = spawner.close();
    worked.and(closed)
}

/// Signals and limits that are the worker's are not to end or to bound this process.
fn stand_alone() -> Result<(), Failure> {
    // Not in the foreground of a terminal, whose keys are for the worker. Fails where it leads a group already.
    setsid().ok();
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP] {
        // SAFETY: ignoring a signal runs no code of ours.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
    umask(rustix::fs::Mode::WGRP | rustix::fs::Mode::WOTH);
    // Each box takes a few descriptors here.
    let most = getrlimit(Resource::Nofile).maximum;
    let limit = Rlimit {
        current: most,
        maximum: most,
    };
    setrlimit(Resource::Nofile, limit).map_err(Failure::at("raise the limit on open files"))
}

/// The oldest kernel that offers every call: `mount_setattr` came last.
const KERNEL: (u32, u32) = (5, 12);

fn check_kernel() -> Result<(), Failure> {
    let kernel = uname();
    let release = kernel.release().to_string_lossy();
    let mut numbers = release
        .split(|character: char| !character.is_ascii_digit())
        .map(|digits| digits.parse().unwrap_or(0));
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if version < KERNEL {
        let (major, minor) = KERNEL;
        return Err(Failure::new(format!(
            "native boxes need Linux {major}.{minor} or later, and this is {release}"
        )));
    }
    Ok(())
}

fn unshare(namespaces: UnshareFlags) -> rustix::io::Result<()> {
    // SAFETY: namespaces are left, which no code relies on; the table of descriptors is not unshared.
    unsafe { unshare_unsafe(namespaces) }
}

fn receive() -> Result<Option<(Request, Option<OwnedFd>)>, Failure> {
    match wire::receive(stdin()) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(None),
        received => received.map_err(Failure::at("hear the worker")),
    }
}

fn answer(ticket: Ticket, outcome: Outcome) -> Result<(), Failure> {
    match wire::send(stdin(), &Answer { ticket, outcome }, None) {
        // The worker is gone, which is found out when it is listened to.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
            ) =>
        {
            Ok(())
        }
        sent => sent.map_err(Failure::at("answer the worker")),
    }
}

/// Whether the worker is still there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    GoOn,
    Stop,
}

#[derive(Debug)]
struct Spawner {
    stage: Stage,
    /// None where the host gives none.
    cgroups: Option<Cgroups>,
    ports: Ports,
    nets: Nets,
    slots: Slots,
    boxes: Boxes,
    describing: Describing,
    /// Roots that are cleared away when no box has them any more.
    forgotten: Vec<RootId>,
    /// Whether things are made ahead. Not after a failure, until the next request.
    filling: bool,
}

impl Spawner {
    fn begin(begin: &Begin, agent: fn(BoxResources) -> ExitCode) -> Result<(Self, Offer), Failure> {
        check_kernel()?;
        delays::count();
        // As the user this is, who may have been given a group.
        let base = Hierarchies::find().and_then(|hierarchies| hierarchies.base(&begin.cgroup));
        let privileged = identity::privileged();
        let one_uid = if privileged {
            None
        } else {
            identity::become_root()?
        };
        // As root over whatever UIDs its boxes have, who may remove what they left.
        let cgroups = base.and_then(|base| Cgroups::open(base, &begin.worker));
        let ports = if privileged {
            // Without it boxes can be made all the same.
            Ports::find(cgroups.as_ref().ok()).unwrap_or_else(|failure| {
                complain(&failure);
                Ports::default()
            })
        } else {
            Ports::default()
        };
        let slots = Slots::find(if privileged {
            Source::Host {
                uid_base: begin.uid_base,
                block: cgroups.as_ref().map_or(0, Cgroups::block),
            }
        } else {
            Source::Grant
        })?;
        let stage = Stage::build(if privileged { Reader::Root } else { Reader::User })?;
        let offer = Offer {
            cgroups: match &cgroups {
                Ok(cgroups) => Ok(cgroups.path().display().to_string()),
                Err(failure) => Err(failure.to_string()),
            },
            uids: slots.describe(one_uid.as_deref().unwrap_or("no range of UIDs is mapped here")),
            own_devices: stage.devices() == Devices::Made,
        };
        let spawner = Self {
            stage,
            cgroups: cgroups.ok(),
            ports,
            nets: Nets::new()?,
            slots,
            boxes: Boxes::new(agent),
            describing: Describing::default(),
            forgotten: Vec::new(),
            filling: true,
        };
        Ok((spawner, offer))
    }

    /// Waits for whatever comes first, and deals with it.
    fn turn(&mut self) -> Result<Next, Failure> {
        // A box in the making waits for this process soon.
        let filling = self.filling && !self.is_full() && !self.boxes.has_newborn();
        let timeout = if filling {
            Some(Duration::ZERO)
        } else {
            self.boxes.has_remains().then_some(RETRY)
        };
        let control = stdin();
        let mut waits = vec![PollFd::from_borrowed_fd(control, PollFlags::IN)];
        let subjects = self.boxes.watch(&mut waits);
        let described = self.describing.watched();
        waits.extend(described.map(|described| PollFd::from_borrowed_fd(described, PollFlags::IN)));
        let described = described.map(|_| waits.len() - 1);
        let timeout = timeout.map(|timeout| Timespec {
            tv_sec: 0,
            tv_nsec: timeout.subsec_nanos().into(),
        });
        let seen = match poll(&mut waits, timeout.as_ref()) {
            Ok(seen) => seen,
            Err(Errno::INTR) => return Ok(Next::GoOn),
            Err(errno) => return Err(Failure::at("wait")(errno)),
        };
        let ready: Vec<_> = waits.iter().map(|wait| !wait.revents().is_empty()).collect();
        drop(waits);
        if seen == 0 && filling {
            self.fill();
        }
        for (subject, _) in subjects.into_iter().zip(&ready[1..]).filter(|(_, ready)| **ready) {
            let (cgroups, slots) = (self.cgroups.as_ref(), &mut self.slots);
            self.boxes.attend(subject, cgroups, slots, &self.stage)?;
        }
        self.boxes
            .clear(self.cgroups.as_ref(), &mut self.slots, &self.stage)?;
        if described.is_some_and(|at| ready[at]) {
            self.described()?;
        }
        self.clear_forgotten();
        self.describe_next()?;
        if ready[0] {
            let Some((request, descriptor)) = receive()? else {
                return Ok(Next::Stop);
            };
            self.filling = true;
            self.obey(request, descriptor)?;
        }
        Ok(Next::GoOn)
    }

    fn obey(
        &mut self,
        Request { ticket, order }: Request,
        descriptor: Option<OwnedFd>,
    ) -> Result<(), Failure> {
        let outcome = match order {
            Order::Begin(_) => Err(Failure::new("it has begun already")),
            Order::Describe(order) => {
                self.describing.add(Task::Copy(ticket, Box::new(order)));
                // Answered when it is done.
                self.describe_next()?;
                self.draw_ports();
                return Ok(());
            }
            Order::Forget { root } => {
                self.forgotten.push(root);
                Ok(Outcome::Done)
            }
            Order::Make(make) => {
                let born = match descriptor {
                    Some(channel) => self.make(ticket, &make, channel),
                    None => Err(Failure::new("no channel came with the request")),
                };
                match born {
                    // Answered when the box is ready.
                    Ok(()) => return Ok(()),
                    Err(failure) => Err(failure),
                }
            }
            Order::Grow { of, bytes } => self.grow(of, bytes).map(|()| Outcome::Done),
            Order::Throttled { of } => self
                .boxes
                .throttled(of, self.cgroups.as_ref())
                .map(|periods| Outcome::Throttled { periods }),
            Order::Destroy { of } => {
                if self.boxes.destroy(of, ticket)? {
                    // Answered when nothing is left.
                    return Ok(());
                }
                Ok(Outcome::Done)
            }
            Order::RemoveOrphans { alive } => match &self.cgroups {
                Some(cgroups) => cgroups
                    .remove_orphans(&alive)
                    .map(|boxes| Outcome::Removed { boxes }),
                // Without groups nothing outlives a spawner.
                None => Ok(Outcome::Removed { boxes: 0 }),
            },
        };
        let outcome = outcome.unwrap_or_else(|failure| Outcome::Failed {
            reason: failure.to_string(),
        });
        answer(ticket, outcome)
    }

    fn describe_next(&mut self) -> Result<(), Failure> {
        match self.describing.begin(&self.stage) {
            Ok(()) => Ok(()),
            Err((task, failure)) => self.conclude(task, Err(failure)),
        }
    }

    /// What was being described can be used now, or never.
    fn described(&mut self) -> Result<(), Failure> {
        match self.describing.end() {
            Some((task, done)) => self.conclude(task, done),
            None => Ok(()),
        }
    }

    fn conclude(&mut self, task: Task, done: Result<Copied, Failure>) -> Result<(), Failure> {
        let (ticket, order) = match task {
            Task::Copy(ticket, order) => (ticket, order),
            Task::Clear(_) => {
                // What is left goes with the spawner.
                if let Err(failure) = done {
                    complain(&failure);
                }
                return Ok(());
            }
        };
        let opened = done.and_then(|copied| self.stage.open_root(&order).map(|()| copied));
        let outcome = match opened {
            Ok(copied) => Outcome::Described(copied),
            Err(failure) => {
                self.forgotten.push(order.root);
                Outcome::Failed {
                    reason: failure.to_string(),
                }
            }
        };
        answer(ticket, outcome)
    }

    fn clear_forgotten(&mut self) {
        let Self {
            stage,
            boxes,
            describing,
            ..
        } = self;
        self.forgotten.retain(|root| {
            if boxes.uses(*root) {
                return true;
            }
            stage.close_root(*root);
            describing.add(Task::Clear(*root));
            false
        });
    }

    /// Best done while another process copies a root.
    fn draw_ports(&mut self) {
        if let Err(failure) = self.ports.draw_at_random() {
            complain(&failure);
        }
    }

    fn make(&mut self, ticket: Ticket, make: &wire::Make, channel: OwnedFd) -> Result<(), Failure> {
        self.draw_ports();
        let uids = self.slots.take()?;
        let group = self
            .cgroups
            .as_mut()
            .map(|cgroups| cgroups.take(make, uids.root()));
        let outcome = group.transpose().and_then(|group| {
            let name = group.as_ref().map(|group| group.name.clone());
            self.bear(ticket, make, channel, uids, group).inspect_err(|_| {
                if let (Some(cgroups), Some(name)) = (&self.cgroups, name) {
                    // Empty: nothing was born in it. What is left all the same goes with the spawner.
                    cgroups.remove(&name).ok();
                }
            })
        });
        if outcome.is_err() {
            self.slots.give_back(uids);
        }
        outcome
    }

    fn bear(
        &mut self,
        ticket: Ticket,
        make: &wire::Make,
        channel: OwnedFd,
        uids: Uids,
        group: Option<BoxGroup>,
    ) -> Result<(), Failure> {
        let parts = Parts {
            channel,
            uids,
            group,
            net: self.nets.take()?,
        };
        let template = self.stage.template(make.root)?;
        if let Some(folder) = &template.gift {
            self.stage.give(folder, uids.guest())?;
        }
        self.boxes.bear(ticket, make, parts, template)
    }

    fn grow(&mut self, of: Ticket, bytes: u64) -> Result<(), Failure> {
        let Some(cgroups) = &self.cgroups else {
            return Ok(());
        };
        self.boxes.grow(of, bytes, cgroups)
    }

    fn is_full(&self) -> bool {
        self.nets.is_full() && self.cgroups.as_ref().is_none_or(Cgroups::is_full)
    }

    /// Makes one thing ahead.
    fn fill(&mut self) {
        let filled = match &mut self.cgroups {
            Some(cgroups) if !cgroups.is_full() => cgroups.fill(),
            _ => self.nets.fill(),
        };
        if let Err(failure) = filled {
            // A box that needs it will say so again.
            self.filling = false;
            complain(&failure);
        }
    }

    /// Ends every box, and removes every trace of them.
    fn close(mut self) -> Result<(), Failure> {
        self.describing.stop();
        self.boxes.kill_all();
        self.boxes.reap_all();
        self.boxes
            .clear(self.cgroups.as_ref(), &mut self.slots, &self.stage)
            .ok();
        self.ports.leave();
        match self.cgroups {
            Some(cgroups) => cgroups.close().map_err(Failure::at("remove the control groups")),
            None => Ok(()),
        }
    }
}
