//! The machine as it is seen from outside of the boxes.

pub(crate) mod docker;
pub(crate) mod kernel_memory;
pub(crate) mod native;

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    time::{Duration, Instant},
};

use self::{docker::Containers, native::Host};
use crate::stage::step_timeout;

/// Where the boxes of a stage leave their traces.
pub(crate) enum Outside {
    Containers(Containers),
    Host(Host),
}

impl Outside {
    /// Remembers what belongs to a new box.
    pub(crate) async fn note(&self, name: &str) {
        if let Self::Containers(containers) = self {
            containers.note(name).await;
        }
    }

    /// Waits until nothing is left of the box of this name.
    pub(crate) async fn gone(&self, name: &str) -> Result<(), String> {
        let waiting = Waiting::begin();
        loop {
            let gone = match self {
                Self::Containers(containers) => containers.gone(name).await,
                Self::Host(host) => host.gone(name),
            };
            if let Some(gone) = waiting.is_over(gone).await {
                return gone;
            }
        }
    }

    /// Waits until everything is as it was at the start. There must be no boxes.
    pub(crate) async fn is_as_it_was(&self) -> Result<(), String> {
        let waiting = Waiting::begin();
        loop {
            let same = match self {
                Self::Containers(containers) => containers.is_as_it_was().await,
                Self::Host(host) => host.is_as_it_was().await,
            };
            if let Some(same) = waiting.is_over(same).await {
                return same;
            }
        }
    }
}

/// For a condition that nobody announces.
struct Waiting {
    until: Instant,
}

impl Waiting {
    fn begin() -> Self {
        Self {
            until: Instant::now() + step_timeout() / 4,
        }
    }

    /// Lets some time pass where it is worth looking again; else tells what stands in the way.
    async fn is_over(&self, looked: Result<(), String>) -> Option<Result<(), String>> {
        if looked.is_ok() || Instant::now() > self.until {
            return Some(looked);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        None
    }
}

/// Processes of this machine for which `belongs` is true of the text of a file of theirs.
fn processes(file: &str, belongs: impl Fn(&str) -> bool) -> Vec<String> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_name().to_string_lossy().parse::<u32>().is_ok())
        // It may have died meanwhile.
        .filter(|entry| fs::read_to_string(entry.path().join(file)).is_ok_and(|text| belongs(&text)))
        .map(|entry| {
            let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            format!("{} ({})", entry.file_name().to_string_lossy(), name.trim())
        })
        .collect()
}

/// What is mounted, as process `of` sees it.
fn mounts(of: &str) -> BTreeSet<String> {
    let text = fs::read_to_string(Path::new("/proc").join(of).join("mountinfo")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}
