//! What isolates a box, layer by layer, each one proved by a program that tries to break out of it.

mod probe;
mod verifier;

use std::fmt;

use optimus_common::{WorkerId, causes};

use super::{client::SpawnerClient, error::NativeError};
use crate::settings::NativeSettings;

pub(super) use self::{probe::main as probe_main, verifier::verify};

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
enum Need {
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

    fn need(self) -> Need {
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

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|layer| layer.name() == name)
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Tries every layer in boxes of a spawner of its own. An error means that not even a box could be made.
pub async fn probe_host(settings: &NativeSettings) -> Result<Vec<LayerReport>, NativeError> {
    let client = SpawnerClient::start(settings, WorkerId::new())
        .await
        .map_err(|error| NativeError::Host(causes(&error)))?;
    verify(&client).await
}

/// The layers that the settings allow to be missing.
pub fn allowed(settings: &NativeSettings) -> Result<Vec<Layer>, NativeError> {
    let layers = settings.allow_missing.iter().map(|name| {
        let layer = Layer::named(name).ok_or_else(|| NativeError::UnknownLayer(name.clone()))?;
        match layer.need() {
            Need::Wanted => Ok(layer),
            Need::Indispensable => Err(NativeError::Indispensable(layer.name())),
        }
    });
    layers.collect()
}

/// Fails for the first layer that is missing and not allowed to be.
pub(super) fn refuse_missing(reports: &[LayerReport], allowed: &[Layer]) -> Result<(), NativeError> {
    reports.iter().try_for_each(|report| match &report.state {
        LayerState::Missing { reason, remedy } if !allowed.contains(&report.layer) => {
            Err(NativeError::LayerMissing {
                layer: report.layer.name(),
                reason: reason.clone(),
                remedy: remedy.clone(),
            })
        }
        _ => Ok(()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(allow_missing: &[&str]) -> NativeSettings {
        let mut settings = optimus_settings::defaults_of::<NativeSettings>("native");
        settings.allow_missing = allow_missing.iter().map(ToString::to_string).collect();
        settings
    }

    fn missing(layer: Layer) -> LayerReport {
        LayerReport {
            layer,
            state: LayerState::Missing {
                reason: "none".to_owned(),
                remedy: "some".to_owned(),
            },
        }
    }

    #[test]
    fn no_two_layers_share_a_name() {
        for layer in Layer::ALL {
            assert_eq!(Layer::named(layer.name()), Some(layer));
        }
    }

    #[test]
    fn only_layers_that_boxes_can_do_without_may_be_allowed_to_be_missing() {
        assert_eq!(allowed(&settings(&["landlock"])).unwrap(), [Layer::Landlock]);
        let unknown = allowed(&settings(&["landlok"])).unwrap_err();
        assert!(matches!(unknown, NativeError::UnknownLayer(name) if name == "landlok"));
        let indispensable = allowed(&settings(&["seccomp"])).unwrap_err();
        assert!(matches!(indispensable, NativeError::Indispensable("seccomp")));
    }

    #[test]
    fn a_missing_layer_is_refused_unless_it_is_allowed() {
        let reports = [missing(Layer::GuestUids), missing(Layer::Landlock)];
        let refused = refuse_missing(&reports, &[Layer::GuestUids]).unwrap_err();
        assert!(matches!(
            refused,
            NativeError::LayerMissing {
                layer: "landlock",
                ..
            }
        ));
        refuse_missing(&reports, &[Layer::GuestUids, Layer::Landlock]).unwrap();
    }
}
