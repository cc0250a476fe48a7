//! What isolates a box, and what came of looking whether it does.

use std::fmt;

/// The first argument of a program that tries to break out of a box.
pub const PROBE_ARG: &str = "native-probe";

/// Something that isolates a box.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Layer {
    UserNamespace,
    GuestUids,
    ReadOnlyRoot,
    PrivateFiles,
    PrivateDevices,
    PidNamespace,
    NetworkNamespace,
    IpcNamespace,
    UtsNamespace,
    CgroupMemory,
    CgroupPids,
    CgroupCpu,
    Capabilities,
    NoNewPrivileges,
    Seccomp,
    Landlock,
    ParentDeath,
}

/// What came of a layer's probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerReport {
    pub layer: Layer,
    pub state: LayerState,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LayerState {
    /// It holds; this is what was tried.
    Proved { detail: String },
    Missing {
        reason: String,
        /// What to do about it.
        remedy: String,
    },
}

/// Whether boxes can be made without a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// It may be allowed to be missing, by name.
    Wanted,
    /// Nothing that is made without it is a box.
    Indispensable,
}

/// Name, need, and what the layer stops.
type Description = (&'static str, Need, &'static str);

impl Layer {
    pub const ALL: [Self; 17] = [
        Self::UserNamespace,
        Self::GuestUids,
        Self::ReadOnlyRoot,
        Self::PrivateFiles,
        Self::PrivateDevices,
        Self::PidNamespace,
        Self::NetworkNamespace,
        Self::IpcNamespace,
        Self::UtsNamespace,
        Self::CgroupMemory,
        Self::CgroupPids,
        Self::CgroupCpu,
        Self::Capabilities,
        Self::NoNewPrivileges,
        Self::Seccomp,
        Self::Landlock,
        Self::ParentDeath,
    ];

    /// As `native.allow_missing` has it.
    pub fn name(self) -> &'static str {
        self.description().0
    }

    /// What it stops, in a line for a person.
    pub fn stops(self) -> &'static str {
        self.description().2
    }

    pub(super) fn need(self) -> Need {
        self.description().1
    }

    fn description(self) -> Description {
        use Need::{Indispensable, Wanted};
        match self {
            Self::UserNamespace => (
                "user-namespace",
                Indispensable,
                "rights of a box's root that would count outside of the box",
            ),
            Self::GuestUids => (
                "guest-uids",
                Wanted,
                "a program touching the agent, or the files of a user of the host or of another box",
            ),
            Self::ReadOnlyRoot => (
                "read-only-root",
                Indispensable,
                "reading what was not shown to it, and changing anything of the host",
            ),
            Self::PrivateFiles => (
                "private-files",
                Wanted,
                "boxes talking by locks and watches on files they both see",
            ),
            Self::PrivateDevices => (
                "private-devices",
                Wanted,
                "boxes talking by locks on device nodes they both see, and devices of the host",
            ),
            Self::PidNamespace => (
                "pid-namespace",
                Indispensable,
                "seeing, signalling and outliving anything outside of the box",
            ),
            Self::NetworkNamespace => (
                "network-namespace",
                Indispensable,
                "every network, and services of the host",
            ),
            Self::IpcNamespace => (
                "ipc-namespace",
                Indispensable,
                "shared memory and message queues of the host and of other boxes",
            ),
            Self::UtsNamespace => (
                "uts-namespace",
                Indispensable,
                "seeing or changing the host's name",
            ),
            Self::CgroupMemory => ("cgroup-memory", Wanted, "using up the host's memory"),
            Self::CgroupPids => ("cgroup-pids", Wanted, "using up the host's processes"),
            Self::CgroupCpu => ("cgroup-cpu", Wanted, "using up the host's CPUs"),
            Self::Capabilities => ("capabilities", Indispensable, "every right of root"),
            Self::NoNewPrivileges => (
                "no-new-privileges",
                Indispensable,
                "setuid programs and file capabilities",
            ),
            Self::Seccomp => (
                "seccomp",
                Indispensable,
                "system calls that programs do not need and kernels had faults in",
            ),
            Self::Landlock => (
                "landlock",
                Wanted,
                "writing to a place that a mount or a mode bit would have left open",
            ),
            Self::ParentDeath => (
                "parent-death",
                Indispensable,
                "a box outliving the process that answers for it",
            ),
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|layer| layer.name() == name)
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
