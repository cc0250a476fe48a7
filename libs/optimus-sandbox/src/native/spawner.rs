//! The process that makes boxes.
//!
//! It has one thread, an empty environment, and one descriptor of the worker's: the socket by which it is told what to
//! do. It waits for requests and for the ends of boxes, and uses idle moments to make control groups and network
//! namespaces ahead. When the worker is gone, it kills every box, removes what they leave, and ends; when it is killed
//! itself, the kernel kills its boxes.

mod base_rootfs;
mod box_init;
mod boxes;
mod cgroups;
mod channel;
mod copy;
mod delays;
mod failure;
mod favordynmods;
mod folders;
mod hierarchies;
mod host_mounts;
mod identity;
mod libraries;
mod netns_pool;
mod root_loading;
mod rootfs_builder;
mod source_ports;

use std::{os::fd::OwnedFd, process::ExitCode, time::Duration};

use optimus_cell::BoxResources;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    process::{Resource, Rlimit, getrlimit, setrlimit, setsid, umask},
    stdio::stdin,
    system::uname,
};

use self::{
    boxes::{BoxParts, Boxes},
    cgroups::{BoxGroup, Cgroups},
    channel::{answer, complain, receive},
    copy::Reader,
    failure::Failure,
    hierarchies::Hierarchies,
    identity::{UidSlots, UidSource, Uids},
    netns_pool::NetnsPool,
    root_loading::{RootLoading, RootTask},
    rootfs_builder::{Devices, RootfsBuilder},
    source_ports::PortRandomizer,
};
use super::wire::{
    self, Copied, Hello, HostFeatures, RequestId, RequestPacket, RootId, SpawnerReply, SpawnerRequest,
};

/// How soon the control group of a dead box is removed again that was still in use.
const RETRY: Duration = Duration::from_millis(2);

/// Serves the worker at the other end of standard input, a socket, until that is closed.
pub(super) fn run(agent: fn(BoxResources) -> ExitCode) -> ExitCode {
    match serve(agent) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            complain(&failure);
            ExitCode::FAILURE
        }
    }
}

fn serve(agent: fn(BoxResources) -> ExitCode) -> Result<(), Failure> {
    stand_alone()?;
    let Some((RequestPacket { id, request }, _)) = receive()? else {
        return Ok(());
    };
    let SpawnerRequest::Hello(begin) = request else {
        return Err(Failure::new("the worker did not begin with a beginning"));
    };
    let (mut spawner, features) = match Spawner::begin(&begin, agent) {
        Ok(spawner) => spawner,
        Err(failure) => {
            let reason = failure.to_string();
            return answer(id, SpawnerReply::Failed { reason });
        }
    };
    answer(id, SpawnerReply::Hello(features))?;
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

/// Whether the worker is still there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    GoOn,
    Stop,
}

#[derive(Debug)]
struct Spawner {
    rootfs: RootfsBuilder,
    /// None where the host gives none.
    cgroups: Option<Cgroups>,
    ports: PortRandomizer,
    netns_pool: NetnsPool,
    slots: UidSlots,
    boxes: Boxes,
    root_loading: RootLoading,
    /// Roots that are cleared away when no box has them any more.
    forgotten: Vec<RootId>,
    /// Whether things are made ahead. Not after a failure, until the next request.
    filling: bool,
}

impl Spawner {
    fn begin(begin: &Hello, agent: fn(BoxResources) -> ExitCode) -> Result<(Self, HostFeatures), Failure> {
        check_kernel()?;
        delays::count();
        // Before this process changes its user: an ordinary user may have been given a group.
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
            PortRandomizer::find(cgroups.as_ref().ok()).unwrap_or_else(|failure| {
                complain(&failure);
                PortRandomizer::default()
            })
        } else {
            PortRandomizer::default()
        };
        let slots = UidSlots::find(if privileged {
            UidSource::Host {
                uid_base: begin.uid_base,
                block: cgroups.as_ref().map_or(0, Cgroups::block),
            }
        } else {
            UidSource::Subids
        })?;
        let rootfs = RootfsBuilder::build(if privileged { Reader::Root } else { Reader::User })?;
        let features = HostFeatures {
            cgroups: match &cgroups {
                Ok(cgroups) => Ok(cgroups.path().display().to_string()),
                Err(failure) => Err(failure.to_string()),
            },
            uids: slots.describe(one_uid.as_deref().unwrap_or("no range of UIDs is mapped here")),
            own_devices: rootfs.devices() == Devices::Made,
        };
        let spawner = Self {
            rootfs,
            cgroups: cgroups.ok(),
            ports,
            netns_pool: NetnsPool::new()?,
            slots,
            boxes: Boxes::new(agent),
            root_loading: RootLoading::default(),
            forgotten: Vec::new(),
            filling: true,
        };
        Ok((spawner, features))
    }

    /// Waits for whatever comes first, and deals with it.
    fn turn(&mut self) -> Result<Next, Failure> {
        // A box in the making waits for this process soon.
        let filling = self.filling && !self.is_full() && !self.boxes.has_starting();
        let timeout = if filling {
            Some(Duration::ZERO)
        } else {
            self.boxes.has_remains().then_some(RETRY)
        };
        let control = stdin();
        let mut waits = vec![PollFd::from_borrowed_fd(control, PollFlags::IN)];
        let subjects = self.boxes.watch(&mut waits);
        let loading = self.root_loading.watched();
        waits.extend(loading.map(|loading| PollFd::from_borrowed_fd(loading, PollFlags::IN)));
        let loading = loading.map(|_| waits.len() - 1);
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
            self.boxes.attend(subject, cgroups, slots, &self.rootfs)?;
        }
        self.boxes
            .clear(self.cgroups.as_ref(), &mut self.slots, &self.rootfs)?;
        if loading.is_some_and(|at| ready[at]) {
            self.root_loaded()?;
        }
        self.clear_forgotten();
        self.load_next_root()?;
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
        RequestPacket { id, request }: RequestPacket,
        descriptor: Option<OwnedFd>,
    ) -> Result<(), Failure> {
        let outcome = match request {
            SpawnerRequest::Hello(_) => Err(Failure::new("it has begun already")),
            SpawnerRequest::LoadRoot(request) => {
                self.root_loading.add(RootTask::Copy(id, Box::new(request)));
                // Answered when it is done.
                self.load_next_root()?;
                self.draw_ports();
                return Ok(());
            }
            SpawnerRequest::ForgetRoot { root } => {
                self.forgotten.push(root);
                Ok(SpawnerReply::Done)
            }
            SpawnerRequest::CreateBox(make) => {
                let spawned = match descriptor {
                    Some(channel) => self.make(id, &make, channel),
                    None => Err(Failure::new("no channel came with the request")),
                };
                match spawned {
                    // Answered when the box is ready.
                    Ok(()) => return Ok(()),
                    Err(failure) => Err(failure),
                }
            }
            SpawnerRequest::GrowMemory { of, bytes } => self.grow(of, bytes).map(|()| SpawnerReply::Done),
            SpawnerRequest::CountThrottled { of } => self
                .boxes
                .throttled(of, self.cgroups.as_ref())
                .map(|periods| SpawnerReply::Throttled { periods }),
            SpawnerRequest::Destroy { of } => {
                if self.boxes.destroy(of, id)? {
                    // Answered when nothing is left.
                    return Ok(());
                }
                Ok(SpawnerReply::Done)
            }
            SpawnerRequest::RemoveOrphans { alive } => match &self.cgroups {
                Some(cgroups) => cgroups
                    .remove_orphans(&alive)
                    .map(|boxes| SpawnerReply::Removed { boxes }),
                // Without groups nothing outlives a spawner.
                None => Ok(SpawnerReply::Removed { boxes: 0 }),
            },
        };
        let outcome = outcome.unwrap_or_else(|failure| SpawnerReply::Failed {
            reason: failure.to_string(),
        });
        answer(id, outcome)
    }

    fn load_next_root(&mut self) -> Result<(), Failure> {
        match self.root_loading.begin(&self.rootfs) {
            Ok(()) => Ok(()),
            Err((task, failure)) => self.conclude(task, Err(failure)),
        }
    }

    /// What was being loaded or cleared away is done, or has failed: whoever waits for it is answered.
    fn root_loaded(&mut self) -> Result<(), Failure> {
        match self.root_loading.end() {
            Some((task, done)) => self.conclude(task, done),
            None => Ok(()),
        }
    }

    fn conclude(&mut self, task: RootTask, done: Result<Copied, Failure>) -> Result<(), Failure> {
        let (id, request) = match task {
            RootTask::Copy(id, request) => (id, request),
            RootTask::Clear(_) => {
                // What is left goes with the spawner.
                if let Err(failure) = done {
                    complain(&failure);
                }
                return Ok(());
            }
        };
        let opened = done.and_then(|copied| self.rootfs.open_root(&request).map(|()| copied));
        let outcome = match opened {
            Ok(copied) => SpawnerReply::RootLoaded(copied),
            Err(failure) => {
                self.forgotten.push(request.root);
                SpawnerReply::Failed {
                    reason: failure.to_string(),
                }
            }
        };
        answer(id, outcome)
    }

    fn clear_forgotten(&mut self) {
        let Self {
            rootfs,
            boxes,
            root_loading,
            ..
        } = self;
        self.forgotten.retain(|root| {
            if boxes.uses(*root) {
                return true;
            }
            rootfs.close_root(*root);
            root_loading.add(RootTask::Clear(*root));
            false
        });
    }

    /// Best done while another process copies a root.
    fn draw_ports(&mut self) {
        if let Err(failure) = self.ports.draw_at_random() {
            complain(&failure);
        }
    }

    fn make(&mut self, id: RequestId, make: &wire::CreateBox, channel: OwnedFd) -> Result<(), Failure> {
        self.draw_ports();
        let uids = self.slots.take()?;
        let group = self
            .cgroups
            .as_mut()
            .map(|cgroups| cgroups.take(make, uids.root()));
        let outcome = group.transpose().and_then(|group| {
            let name = group.as_ref().map(|group| group.name.clone());
            self.spawn(id, make, channel, uids, group).inspect_err(|_| {
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

    fn spawn(
        &mut self,
        id: RequestId,
        make: &wire::CreateBox,
        channel: OwnedFd,
        uids: Uids,
        group: Option<BoxGroup>,
    ) -> Result<(), Failure> {
        let parts = BoxParts {
            channel,
            uids,
            group,
            net: self.netns_pool.take()?,
        };
        let template = self.rootfs.template(make.root)?;
        if let Some(folder) = &template.writable_dir {
            self.rootfs.chown_dir(folder, uids.guest())?;
        }
        self.boxes.spawn(id, make, parts, template)
    }

    fn grow(&mut self, of: RequestId, bytes: u64) -> Result<(), Failure> {
        let Some(cgroups) = &self.cgroups else {
            return Ok(());
        };
        self.boxes.grow(of, bytes, cgroups)
    }

    fn is_full(&self) -> bool {
        self.netns_pool.is_full() && self.cgroups.as_ref().is_none_or(Cgroups::is_full)
    }

    /// Makes one thing ahead.
    fn fill(&mut self) {
        let filled = match &mut self.cgroups {
            Some(cgroups) if !cgroups.is_full() => cgroups.fill(),
            _ => self.netns_pool.fill(),
        };
        if let Err(failure) = filled {
            // A box that needs it will say so again.
            self.filling = false;
            complain(&failure);
        }
    }

    /// Ends every box, and removes every trace of them.
    fn close(mut self) -> Result<(), Failure> {
        self.root_loading.stop();
        self.boxes.kill_all();
        self.boxes.reap_all();
        self.boxes
            .clear(self.cgroups.as_ref(), &mut self.slots, &self.rootfs)
            .ok();
        self.ports.leave();
        match self.cgroups {
            Some(cgroups) => cgroups.close().map_err(Failure::at("remove the control groups")),
            None => Ok(()),
        }
    }
}
