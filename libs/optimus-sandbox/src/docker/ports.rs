//! Has the connections of containers go out from ports that tell nothing: see [`SourcePorts`].
//!
//! It takes root of the engine's own machine, and control groups of version 2 there, with controllers or beside version 1.
//! Anywhere else containers are as they were.

use std::{fs::File, io};

use optimus_common::{causes, weaken};
use optimus_linux::source_ports::SourcePorts;
use tracing::debug;

/// Where version 2 is mounted, alone or beside version 1.
const MOUNTS: [&str; 2] = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];

#[derive(Debug)]
pub(super) struct ContainerPorts(Option<SourcePorts>);

impl ContainerPorts {
    pub(super) fn of_this_machine() -> Self {
        if weaken::is_off("source-ports") {
            return Self(None);
        }
        let programs = SourcePorts::new().inspect_err(|error| {
            debug!(
                error = causes(error),
                "ports of connections are as the kernel finds them"
            );
        });
        Self(programs.ok())
    }

    /// For a container that was started.
    pub(super) fn draw_at_random(&self, id: &str) {
        let Some(programs) = &self.0 else { return };
        let drawn = group_of(id).and_then(|group| programs.attach(group));
        if let Err(error) = drawn {
            debug!(
                id,
                error = causes(&error),
                "a container's ports of connections are as the kernel finds them"
            );
        }
    }
}

/// The folder of a container's group, as either of the engine's drivers names it.
fn group_of(id: &str) -> io::Result<File> {
    let names = [format!("docker/{id}"), format!("system.slice/docker-{id}.scope")];
    let mut places = MOUNTS
        .iter()
        .flat_map(|mount| names.iter().map(move |name| format!("{mount}/{name}")));
    let found = places.find_map(|place| File::open(place).ok());
    found.ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::NotFound,
            "it has no control group of version 2 here",
        )
    })
}
