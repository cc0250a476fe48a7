//! Where this process makes its native boxes: as root wherever it likes, as an ordinary user in the control group that it was
//! given, with the UIDs that it was granted.

use std::{
    env, fs,
    ops::Range,
    sync::OnceLock,
    time::{Duration, Instant},
};

use optimus_common::weaken;
use optimus_sandbox::settings::NativeSettings;
use optimus_testkit::cgroups;
use rustix::process::geteuid;

/// UIDs of this suite's native boxes, apart from those of any other worker on this machine.
const UID_BASE: u32 = 0x7100_0000;

/// How many of them boxes may have.
const UIDS: u32 = 1 << 24;

/// UIDs of native boxes of which a layer is missing.
const WEAKENED_UID_BASE: u32 = 0x7200_0000;
const UIDS_OF_A_SPAWNER: u32 = 1 << 18;

/// Layers that an ordinary user cannot have, with commas between them.
const ALLOW_MISSING: &str = "OPTIMUS_HOSTILE_ALLOW_MISSING";

/// Where a process goes that hands its own group's controllers down.
const OUR_PROCESSES: &str = "optimus-processes";

#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// The group of all boxes, as a path below each hierarchy's root.
    pub(crate) base: String,
    is_root: bool,
}

/// Of this process. To be asked for before there is a box, by which an ordinary user's process moves to another group.
pub(crate) fn place() -> &'static Place {
    static PLACE: OnceLock<Place> = OnceLock::new();
    PLACE.get_or_init(|| {
        let is_root = geteuid().is_root();
        let base = if is_root {
            format!("/optimus-hostile-{}", std::process::id())
        } else {
            own_group()
        };
        Place { base, is_root }
    })
}

/// The memory hierarchy's, or the only one's.
fn own_group() -> String {
    let groups = fs::read_to_string("/proc/self/cgroup").expect("/proc is there");
    let of = |hierarchy: &str| {
        groups.lines().find_map(|line| {
            let (_, named) = line.split_once(':')?;
            named
                .strip_prefix(hierarchy)?
                .strip_prefix(':')
                .map(str::to_owned)
        })
    };
    of("memory")
        .or_else(|| of(""))
        .expect("every process is in a group")
}

impl Place {
    pub(crate) fn enter_into(&self, settings: &mut NativeSettings) {
        if !self.is_root {
            settings.cgroup = "".into();
            let missing = env::var(ALLOW_MISSING).unwrap_or_default();
            settings.allow_missing = missing
                .split(',')
                .filter(|name| !name.is_empty())
                .map(str::to_owned)
                .collect();
            return;
        }
        settings.cgroup = (&self.base).into();
        settings.uid_base = if weaken::is_active() {
            // Several of these go on at once.
            WEAKENED_UID_BASE + std::process::id() % 1024 * UIDS_OF_A_SPAWNER
        } else {
            UID_BASE
        };
    }

    /// All that guests of this suite may have.
    pub(crate) fn uids(&self) -> Vec<Range<u32>> {
        if self.is_root {
            return std::iter::once(UID_BASE..UID_BASE + UIDS).collect();
        }
        let granted = fs::read_to_string("/etc/subuid").unwrap_or_default();
        let ranges = granted.lines().filter_map(|line| {
            let (_, range) = line.split_once(':')?;
            let (first, count) = range.split_once(':')?;
            let first: u32 = first.parse().ok()?;
            Some(first..first.saturating_add(count.parse().ok()?))
        });
        ranges.collect()
    }

    /// Groups below that are not this process' own.
    pub(crate) fn groups(&self) -> Vec<String> {
        let mut groups = cgroups::below(&self.base);
        groups.retain(|group| group != OUR_PROCESSES);
        groups
    }

    /// Processes in them.
    pub(crate) fn processes(&self) -> Vec<i32> {
        let groups = self.groups().into_iter();
        groups
            .flat_map(|group| cgroups::processes(&format!("{}/{group}", self.base)))
            .collect()
    }

    /// Waits until the spawner of this process has removed what was its own, and removes the rest.
    pub(crate) fn leave(&self, patience: Duration) {
        let until = Instant::now() + patience;
        while !self.groups().is_empty() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(10));
        }
        // An ordinary user's own group goes with its session.
        if self.is_root && cgroups::exists(&self.base) {
            cgroups::remove(self.base.trim_start_matches('/'));
        }
    }
}
