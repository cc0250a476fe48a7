//! A folder that is open: what is known of it, and what may come into it.

use std::{
    collections::HashSet,
    fmt,
    fs::File,
    io::{self, Write},
    path::PathBuf,
    sync::{Mutex, PoisonError},
    time::{Instant, SystemTime},
};

use optimus_common::{JobId, content::Digest};
use tokio::task::spawn_blocking;

use super::{
    disk::{Disk, Free, charge},
    search::Search,
};
use crate::{
    ContentError, Rules,
    held::{Held, measured},
    removal::{Entry, left_of, removable},
    room::{Room, Share},
};

/// What is read and written at once.
pub(super) const BLOCK: usize = 256 << 10;

/// What content leaves of its file system, in bytes and in files, whatever it may take by its rules: the jobs' database may be
/// there as well, which keeps a reserve of its own to finish jobs in.
pub(super) const RESERVE: Free = Free {
    bytes: 64 << 20,
    files: 4096,
};

/// What holds leave of it, so that jobs that name content are still taken when no more content is.
pub(super) const RESERVE_OF_HOLDS: u64 = 32 << 20;

/// All that the clones of a store share.
pub(super) struct OpenFolder {
    pub(super) disk: Disk,
    pub(super) rules: Rules,
    pub(super) room: Room,
    pub(super) held: Held,
    search: Mutex<Search>,
    pub(super) file_system: FileSystem,
}

/// What the file system does that a test cannot have it do.
#[derive(Clone, Copy)]
pub(super) struct FileSystem {
    /// What it has left.
    pub(super) free: fn(&Disk) -> Free,
    pub(super) write: fn(&Disk, &mut File, &[u8]) -> io::Result<()>,
}

impl FileSystem {
    pub(super) const REAL: Self = Self {
        free: Disk::free,
        write: |_, file, block| file.write_all(block),
    };
}

pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, ContentError> {
    let done = spawn_blocking(work).await.map_err(ContentError::unavailable)?;
    done.map_err(failed)
}

pub(super) fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded)
}

fn failed(error: io::Error) -> ContentError {
    if is_full(&error) {
        ContentError::NoRoom
    } else {
        ContentError::unavailable(error)
    }
}

impl OpenFolder {
    pub(super) fn open(folder: PathBuf, rules: Rules, file_system: FileSystem) -> io::Result<Self> {
        let disk = Disk::open(folder)?;
        let inner = Self {
            disk,
            rules,
            room: Room::default(),
            held: Held::default(),
            search: Mutex::default(),
            file_system,
        };
        inner.look_at_holds()?;
        inner.note(&inner.disk.entries()?);
        // What was being written when a process was killed is gone, and that of others counts, from the first moment.
        inner.room.set_elsewhere(inner.disk.sweep()?);
        Ok(inner)
    }

    fn free(&self) -> Free {
        (self.file_system.free)(&self.disk)
    }

    /// The most that all content may count for: by the rules, and by what the file system has left.
    pub(super) fn bound(&self) -> u64 {
        let free = self.free();
        let used = self.room.taken().total();
        let growth = if free.files > RESERVE.files {
            free.bytes.saturating_sub(RESERVE.bytes)
        } else {
            0
        };
        let mut bound = used.saturating_add(growth);
        if growth == 0 {
            // Less than is used where too little is left.
            bound = used.saturating_sub(RESERVE.bytes.saturating_sub(free.bytes));
        }
        bound.min(self.rules.max_total_bytes)
    }

    /// Takes so much more for what comes, and makes room where there is none.
    pub(super) fn take(&self, share: &mut Share, more: u64) -> io::Result<()> {
        let is_known = || !self.room.is_to_be_looked_at(self.rules.max_total_bytes);
        if is_known() && share.grow(more, self.bound()) {
            return Ok(());
        }
        let mut search = self.search.lock().unwrap_or_else(PoisonError::into_inner);
        if !is_known() {
            self.room.set_elsewhere(self.disk.sweep()?);
            self.note(&self.disk.entries()?);
        }
        // While others were looking, they may have found some.
        if share.grow(more, self.bound()) {
            return Ok(());
        }
        self.room.set_elsewhere(self.disk.sweep()?);
        let target = left_of(self.bound());
        self.make_room(&mut search, || self.room.taken().total() + more <= target)?;
        if share.grow(more, self.bound()) {
            Ok(())
        } else {
            Err(io::ErrorKind::StorageFull.into())
        }
    }

    /// Removes content that counts for so much, where there is some that may go.
    pub(super) fn free_at_least(&self, bytes: u64) -> io::Result<()> {
        let mut search = self.search.lock().unwrap_or_else(PoisonError::into_inner);
        let target = self.room.taken().kept.saturating_sub(bytes);
        self.make_room(&mut search, || self.room.taken().kept <= target)
    }

    /// Removes what may go until `is_enough`.
    fn make_room(&self, search: &mut Search, is_enough: impl Fn() -> bool) -> io::Result<()> {
        // Before the holds are read, so that whoever holds something later is seen to have used it.
        let now = SystemTime::now();
        if !search.may_look() && search.next_is_too_young(&self.rules, now) {
            return Ok(());
        }
        let held = self.look_at_holds()?;
        // Of what is remembered, something may be left that was used meanwhile.
        let mut may_look = search.may_look();
        while !is_enough() {
            if let Some(entry) = search.next(&held, &self.rules, now) {
                if self.disk.remove_unused(&entry)? {
                    self.room.removed(entry.bytes);
                    may_look = true;
                }
            } else if may_look {
                let began = Instant::now();
                let entries = self.disk.entries()?;
                self.note(&entries);
                search.remember(entries, &held, began);
                // Again only after this look has led to something.
                may_look = false;
            } else {
                search.rest();
                break;
            }
        }
        Ok(())
    }

    pub(super) fn hold(&self, job: JobId, digests: &[Digest], most: u64) -> io::Result<Vec<Option<u64>>> {
        self.note_hold(job, digests)?;
        // After that, so that whoever does not see the hold sees the use.
        let sizes = self.disk.renew(digests)?;
        if !self.held.add(job, &measured(digests, &sizes, charge), most) {
            self.disk.release(job)?;
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(sizes)
    }

    fn note_hold(&self, job: JobId, digests: &[Digest]) -> io::Result<()> {
        let missing = RESERVE_OF_HOLDS.saturating_sub(self.free().bytes);
        if missing > 0 {
            self.free_at_least(missing)?;
            if self.free().bytes < RESERVE_OF_HOLDS {
                return Err(io::ErrorKind::StorageFull.into());
            }
        }
        match self.disk.hold(job, digests) {
            Err(error) if is_full(&error) => {
                self.free_at_least(BLOCK as u64)?;
                self.disk.hold(job, digests)
            }
            held => held,
        }
    }

    /// All that is held.
    fn look_at_holds(&self) -> io::Result<HashSet<Digest>> {
        for job in self.held.keep(&self.disk.holders()?.into_iter().collect()) {
            self.held.learn(job, self.disk.held_by(job)?);
        }
        Ok(self.held.digests())
    }

    /// Notes what is there.
    fn note(&self, entries: &[Entry]) {
        self.room.set_kept(entries.iter().map(|entry| entry.bytes).sum());
        self.held
            .measure(entries.iter().map(|entry| (entry.digest, entry.bytes)));
    }

    /// Removes what was not used for its time, and what there is no room for. `began`: a moment from which on uses are seen.
    pub(super) fn remove(&self, began: SystemTime) -> io::Result<u64> {
        let held = self.look_at_holds()?;
        self.room.set_elsewhere(self.disk.sweep()?);
        let entries = self.disk.entries()?;
        self.note(&entries);
        let most = self.bound().saturating_sub(self.room.taken().on_its_way());
        let mut removed = 0;
        for entry in removable(entries, &held, &self.rules, began, most) {
            if self.disk.remove_unused(&entry)? {
                self.room.removed(entry.bytes);
                removed += 1;
            }
        }
        Ok(removed)
    }
}

impl fmt::Debug for OpenFolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenFolder")
            .field("disk", &self.disk)
            .field("room", &self.room)
            .finish_non_exhaustive()
    }
}
