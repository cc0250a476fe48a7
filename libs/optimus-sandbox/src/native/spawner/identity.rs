//! Whose boxes they are: the spawner's user namespace, and a range of UIDs for each box.
//!
//! Inside every box, UID 0 is the agent's and those from [`FIRST_GUEST`] on are the guests'. Outside they lie side by side in
//! the box's own range, so no two boxes of this spawner share a UID, and none of them is one of the host's.
//!
//! As root, ranges are taken above `native.uid_base`. An ordinary user enters a user namespace first, in which it is
//! root over what `/etc/subuid` and `/etc/subgid` grant it; without a grant, over its own UID alone.

use std::{
    ffi::CStr,
    fs,
    io::{self, Read},
    ops::Range,
    path::Path,
    process::{Command, Stdio},
};

use optimus_cell::{FIRST_GUEST, GuestUids};
use optimus_common::weaken;
use optimus_linux::process::unshare;
use rustix::{
    process::{Pid, WaitOptions, getgid, getpid, getuid, waitpid},
    thread::{CapabilitySet, UnshareFlags, capabilities, set_thread_groups},
};

use super::failure::Failure;

/// UIDs of a box: the agent's, one for the compile step, and one for each of up to a thousand runs at once.
const RANGE: u32 = 1024;
/// Ranges of one spawner. Spawners that know of each other take different blocks of this many.
const MOST_SLOTS: u32 = 256;

/// Where distributions put the two programs that may write the maps of a grant.
const MAPPERS: [&str; 5] = [
    "/usr/bin",
    "/bin",
    "/usr/local/bin",
    "/run/wrappers/bin",
    "/usr/sbin",
];

/// The UIDs of one box.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Uids {
    /// A range that begins with `first`, as the spawner sees it.
    Range { slot: usize, first: u32 },
    /// Everything in the box has the spawner's own UID.
    One,
}

impl Uids {
    /// The UID of the box's root, as the spawner sees it.
    pub(super) fn root(self) -> u32 {
        match self {
            Self::Range { first, .. } => first,
            Self::One => 0,
        }
    }

    /// What the agent is told of them.
    pub(super) fn of_guests(self) -> GuestUids {
        match self {
            Self::Range { .. } => GuestUids::Own { count: RANGE - 1 },
            Self::One => GuestUids::OfTheAgent,
        }
    }

    /// The UID of the box's compile step, as the spawner sees it.
    pub(super) fn guest(self) -> u32 {
        match self {
            Self::Range { first, .. } => first + 1,
            Self::One => 0,
        }
    }

    /// Tells the kernel which UIDs a process in a new user namespace has. The same for its GIDs.
    pub(super) fn map(self, process: Pid) -> Result<(), Failure> {
        let map = match self {
            Self::Range { first, .. } => {
                format!("0 {first} 1\n{FIRST_GUEST} {} {}\n", first + 1, RANGE - 1)
            }
            Self::One => "0 0 1\n".to_owned(),
        };
        for file in ["uid_map", "gid_map"] {
            let path = format!("/proc/{}/{file}", process.as_raw_nonzero());
            fs::write(&path, &map).map_err(Failure::at(format_args!("write {map:?} to {path}")))?;
        }
        Ok(())
    }
}

/// Where the UIDs of boxes come from.
#[derive(Debug, Clone, Copy)]
pub(super) enum UidSource {
    /// From those of the host, as the settings say; other spawners have other blocks.
    Host { uid_base: u32, block: u32 },
    /// From all that there are in a user namespace of the spawner's own.
    Subids,
}

/// Ranges of UIDs, each in use by one box at most.
#[derive(Debug)]
pub(super) struct UidSlots {
    /// As the spawner sees them; `None` where it has but one UID.
    ids: Option<Range<u32>>,
    used: Vec<bool>,
    /// Where to look first: a range rests for as long as possible after a box.
    next: usize,
}

impl UidSlots {
    /// The ranges that the spawner's user namespace has room for, from its block on.
    pub(super) fn find(source: UidSource) -> Result<Self, Failure> {
        let read = |file: &str| {
            fs::read_to_string(file)
                .map(|text| extents(&text))
                .map_err(Failure::at(format_args!("read {file}")))
        };
        let both = both(&read("/proc/self/uid_map")?, &read("/proc/self/gid_map")?);
        let ids = match source {
            UidSource::Host { uid_base, block } => {
                let first = uid_base.saturating_add(block.saturating_mul(MOST_SLOTS * RANGE));
                let ids = from(&both, first).ok_or_else(|| {
                    Failure::new(format!(
                        "native.uid_base leads to UID {first}, from which on {RANGE} are not to be had here"
                    ))
                })?;
                Some(ids)
            }
            UidSource::Subids => largest(&both),
        };
        let slots = ids
            .as_ref()
            .map_or(0, |ids| (ids.end - ids.start) / RANGE)
            .min(MOST_SLOTS);
        Ok(Self {
            ids,
            used: vec![false; slots as usize],
            next: 0,
        })
    }

    pub(super) fn take(&mut self) -> Result<Uids, Failure> {
        let Some(ids) = &self.ids else {
            return Ok(Uids::One);
        };
        if weaken::is_off("guest-uids") {
            return Ok(Uids::One);
        }
        let count = self.used.len();
        let slot = (0..count)
            .map(|step| (self.next + step) % count)
            .find(|slot| !self.used[*slot])
            .ok_or_else(|| Failure::new(format!("all {count} ranges of UIDs are in use")))?;
        self.used[slot] = true;
        self.next = slot + 1;
        let offset = u32::try_from(slot).unwrap_or(u32::MAX).saturating_mul(RANGE);
        Ok(Uids::Range {
            slot,
            first: ids.start + offset,
        })
    }

    /// Only when nothing of the box is left.
    pub(super) fn give_back(&mut self, uids: Uids) {
        if let Uids::Range { slot, .. } = uids {
            self.used[slot] = false;
        }
    }

    /// What boxes have, for people; or why they have but one UID.
    pub(super) fn describe(&self, why_one: &str) -> Result<String, String> {
        match &self.ids {
            Some(ids) => Ok(format!(
                "{} ranges of {RANGE} from {} on",
                self.used.len(),
                ids.start
            )),
            None => Err(why_one.to_owned()),
        }
    }
}

/// The lines of a map of IDs: which of the reader's own IDs there are.
fn extents(map: &str) -> Vec<Range<u32>> {
    map.lines()
        .filter_map(|line| {
            let mut numbers = line.split_ascii_whitespace().map(str::parse::<u32>);
            let (Some(Ok(first)), Some(Ok(_)), Some(Ok(count))) =
                (numbers.next(), numbers.next(), numbers.next())
            else {
                return None;
            };
            Some(first..first.saturating_add(count))
        })
        .collect()
}

/// IDs that are both UIDs and GIDs, without root's.
fn both(uids: &[Range<u32>], gids: &[Range<u32>]) -> Vec<Range<u32>> {
    uids.iter()
        .flat_map(|uid| {
            gids.iter()
                .map(|gid| uid.start.max(gid.start).max(1)..uid.end.min(gid.end))
        })
        .filter(|both| both.start < both.end && both.end - both.start >= RANGE)
        .collect()
}

fn from(ids: &[Range<u32>], first: u32) -> Option<Range<u32>> {
    ids.iter()
        .find(|ids| ids.contains(&first) && ids.end - first >= RANGE)
        .map(|ids| first..ids.end)
}

fn largest(ids: &[Range<u32>]) -> Option<Range<u32>> {
    ids.iter().max_by_key(|ids| ids.end - ids.start).cloned()
}

/// Whether this process may make namespaces as it is.
pub(super) fn privileged() -> bool {
    capabilities(None).is_ok_and(|sets| {
        sets.effective
            .contains(CapabilitySet::SYS_ADMIN | CapabilitySet::SETUID | CapabilitySet::SETGID)
    })
}

/// Enters a user namespace in which this process is root, over all UIDs that it may have. Returns why it is only one,
/// where it is.
pub(super) fn become_root() -> Result<Option<String>, Failure> {
    let (uid, gid) = (getuid().as_raw(), getgid().as_raw());
    let mapper = match SubidGrant::find() {
        Ok(grant) => Ok(UidMapper::start(&grant, uid, gid)?),
        Err(why) => Err(why),
    };
    unshare(UnshareFlags::NEWUSER).map_err(Failure::at("make a user namespace"))?;
    if let Err(why) = mapper.and_then(UidMapper::finish) {
        map_alone(uid, gid)?;
        return Ok(Some(why));
    }
    // Groups of the host are of no use in a box, and would give rights there.
    set_thread_groups(&[]).map_err(Failure::at("leave the supplementary groups"))?;
    Ok(None)
}

/// Maps this process' own UID and GID, unless the maps are there.
fn map_alone(uid: u32, gid: u32) -> Result<(), Failure> {
    let write = |file: &str, text: &str| {
        let path = Path::new("/proc/self").join(file);
        fs::write(&path, text).map_err(Failure::at(format_args!("write {}", path.display())))
    };
    write("setgroups", "deny")?;
    for (file, map) in [
        ("gid_map", format!("0 {gid} 1")),
        ("uid_map", format!("0 {uid} 1")),
    ] {
        if !fs::read_to_string(Path::new("/proc/self").join(file)).is_ok_and(|map| !map.trim().is_empty()) {
            write(file, &map)?;
        }
    }
    Ok(())
}

/// UIDs and GIDs that an administrator has granted to this user.
#[derive(Debug, PartialEq, Eq)]
struct SubidGrant {
    uids: Range<u32>,
    gids: Range<u32>,
}

impl SubidGrant {
    fn find() -> Result<Self, String> {
        let uid = getuid().as_raw().to_string();
        let name = user_name();
        let owners = [Some(uid.as_str()), name.as_deref()];
        let owner = name.as_deref().unwrap_or(&uid);
        let largest = |file: &str| {
            fs::read_to_string(file)
                .ok()
                .and_then(|text| granted(&text, &owners))
                .ok_or_else(|| format!("{file} grants nothing to {owner}"))
        };
        Ok(Self {
            uids: largest("/etc/subuid")?,
            gids: largest("/etc/subgid")?,
        })
    }
}

/// A process that stays outside of the new user namespace, and has its maps written by the programs trusted to do so.
#[derive(Debug)]
struct UidMapper {
    process: Option<Pid>,
    /// Closed when the namespace is there.
    made: io::PipeWriter,
}

impl UidMapper {
    fn start(grant: &SubidGrant, uid: u32, gid: u32) -> Result<Self, Failure> {
        let (wait, made) = io::pipe().map_err(Failure::at("make a pipe"))?;
        let this = getpid();
        // SAFETY: this process has one thread, so the child may do whatever the parent may.
        match unsafe { libc::fork() } {
            -1 => Err(Failure::at("fork")(io::Error::last_os_error())),
            0 => {
                drop(made);
                let code = i32::from(grant.map(this, uid, gid, wait).is_err());
                // SAFETY: ends the child without running anything of the parent's.
                unsafe { libc::_exit(code) }
            }
            child => Ok(Self {
                process: Pid::from_raw(child),
                made,
            }),
        }
    }

    fn finish(self) -> Result<(), String> {
        drop(self.made);
        match rustix::io::retry_on_intr(|| waitpid(self.process, WaitOptions::empty())) {
            Ok(Some((_, status))) if status.exit_status() == Some(0) => Ok(()),
            _ => Err("newuidmap or newgidmap, of the package uidmap, is missing or refuses".to_owned()),
        }
    }
}

impl SubidGrant {
    fn map(&self, process: Pid, uid: u32, gid: u32, mut wait: io::PipeReader) -> io::Result<()> {
        wait.read_to_end(&mut Vec::new())?;
        for (program, own, granted) in [("newuidmap", uid, &self.uids), ("newgidmap", gid, &self.gids)] {
            let program = MAPPERS
                .iter()
                .map(|folder| Path::new(folder).join(program))
                .find(|file| file.exists())
                .ok_or(io::ErrorKind::NotFound)?;
            let process = process.as_raw_nonzero().get().unsigned_abs();
            let count = granted.end - granted.start;
            let status = Command::new(program)
                .args([process, 0, own, 1, 1, granted.start, count].map(|number| number.to_string()))
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()?;
            if !status.success() {
                return Err(io::ErrorKind::PermissionDenied.into());
            }
        }
        Ok(())
    }
}

/// The largest range that one of these owners has in a file of lines `owner:first:count`.
fn granted(text: &str, owners: &[Option<&str>]) -> Option<Range<u32>> {
    text.lines()
        .filter_map(|line| {
            let mut fields = line.trim().split(':');
            let owner = fields.next()?;
            let first: u32 = fields.next()?.parse().ok()?;
            let count: u32 = fields.next()?.parse().ok()?;
            (owners.contains(&Some(owner)) && count >= RANGE).then(|| first..first.saturating_add(count))
        })
        .max_by_key(|range| range.end - range.start)
}

fn user_name() -> Option<String> {
    // SAFETY: this process has one thread, so nobody else uses the static buffer behind the pointer.
    let entry = unsafe { libc::getpwuid(getuid().as_raw()).as_ref() }?;
    // SAFETY: the name of an entry is a C string in the same buffer.
    let name = unsafe { CStr::from_ptr(entry.pw_name) };
    name.to_str().ok().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_the_host_start_at_the_base_or_nowhere() {
        let all = extents("         0          0 4294967295\n");
        assert_eq!(from(&both(&all, &all), 1 << 20), Some(1 << 20..u32::MAX));
        assert_eq!(from(&both(&all, &all), u32::MAX - RANGE + 1), None);
        let container = extents("0 100000 65536\n");
        assert_eq!(from(&both(&container, &container), 0x7000_0000), None);
    }

    #[test]
    fn a_grant_is_used_from_its_first_id_on() {
        let map = extents("0 1000 1\n1 100000 65536\n");
        assert_eq!(largest(&both(&map, &map)), Some(1..65537));
        let smaller = extents("0 1000 1\n1 100000 2000\n");
        assert_eq!(largest(&both(&map, &smaller)), Some(1..2001));
    }

    #[test]
    fn one_uid_is_no_range() {
        let map = extents("0 1000 1\n");
        assert_eq!(largest(&both(&map, &map)), None);
    }

    #[test]
    fn the_largest_grant_of_a_user_counts() {
        let text = "alice:100000:65536\n# bob:1:2\nbob:200000:10\n1001:300000:4096\nbob:x:y\n";
        assert_eq!(
            granted(text, &[Some("1001"), Some("bob")]),
            Some(300_000..304_096)
        );
        assert_eq!(granted(text, &[Some("1002"), None]), None);
    }

    #[test]
    fn a_range_rests_after_a_box_and_is_never_used_twice() {
        let mut slots = UidSlots {
            ids: Some(100..100 + 3 * RANGE),
            used: vec![false; 3],
            next: 0,
        };
        let (first, second) = (slots.take().unwrap(), slots.take().unwrap());
        assert_eq!((first.root(), second.root()), (100, 100 + RANGE));
        slots.give_back(first);
        assert_eq!(slots.take().unwrap().root(), 100 + 2 * RANGE);
        assert_eq!(slots.take().unwrap(), first);
        assert!(slots.take().is_err());
    }
}
