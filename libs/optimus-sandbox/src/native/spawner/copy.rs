//! Copies what a root shows of the host into memory.
//!
//! Boxes see copies in a tmpfs, never the host's own files. What is in a tmpfs stays in memory, whatever a box asks the
//! kernel to forget; it was charged to whoever wrote it, which is the spawner; and which of it was read lately, nobody
//! can tell by a clock. So a box can neither leave notes in the host's page cache nor slow a neighbour down by dropping
//! from it, and reading costs no run memory.
//!
//! A file is copied once, into the *store*, and is a hard link in each root's *tree* that shows it.

mod store;
#[cfg(test)]
mod tests;

use std::{
    collections::{HashMap, HashSet, VecDeque},
    ffi::OsString,
    fs::{self, File, Metadata},
    io::ErrorKind,
    os::{
        fd::OwnedFd,
        unix::fs::{MetadataExt, PermissionsExt},
    },
    path::{Component, Path, PathBuf},
};

use glob::Pattern;
use rustix::{
    fs::{
        AtFlags, Mode, OFlags, ResolveFlags, Timespec, futimens, linkat, mkdirat, openat, openat2, symlinkat,
    },
    io::Errno,
};
use store::{Stored, cannot_show, is_absent, key, time, times};

use super::{failure::Failure, libraries::Libraries};
use crate::native::{
    packages,
    roots::{HostPath, HostRoot, covered_by},
    wire::Copied,
};

/// The most links in a row; the kernel follows no more.
const MAX_LINKS: u32 = 40;
/// Links out of a folder that is shown are followed to here, and nowhere else: they may lead to anything of the host's.
const FOLLOWED: [&str; 8] = [
    "/usr",
    "/bin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/etc/alternatives",
    "/etc/ssl/certs",
];
/// A link to a folder is followed where that lies at least so deep: `/usr/lib` is more than a language needs.
const FOLLOWED_DEPTH: usize = 3;

/// What no program needs of an image.
const FOR_PEOPLE: [&str; 4] = [
    "usr/share/doc",
    "usr/share/man",
    "usr/share/info",
    "usr/share/locale",
];

/// Where copies go, opened while this process saw the rootfs builder's folders.
#[derive(Debug)]
pub(super) struct CopyTarget {
    pub(super) store: OwnedFd,
    pub(super) tree: OwnedFd,
}

/// Whose files may be copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reader {
    /// Root, who can read everything, copies only what everybody may read: files and folders that are open to all, below
    /// folders that all may pass through.
    Root,
    /// An ordinary user copies what that user can read.
    User,
}

pub(super) struct Copier {
    target: CopyTarget,
    reader: Reader,
    without: Vec<Pattern>,
    most_bytes: u64,
    copied: Copied,
    /// Places in the tree that are done.
    placed: HashSet<PathBuf>,
    /// Files of the store that the tree has.
    stored: HashSet<OsString>,
    /// Folders of the host that were copied whole.
    whole: HashSet<PathBuf>,
    /// Folders of the tree and when they were last changed on the host.
    times: HashMap<PathBuf, Timespec>,
    /// Paths of the host that are to be shown as well.
    ahead: VecDeque<PathBuf>,
    libraries: Option<Libraries>,
    /// The folder of the tree that was used last.
    last: Option<(PathBuf, OwnedFd)>,
}

impl Copier {
    pub(super) fn new(target: CopyTarget, reader: Reader, most_bytes: u64) -> Self {
        Self {
            target,
            reader,
            without: Vec::new(),
            most_bytes,
            copied: Copied::default(),
            placed: HashSet::new(),
            stored: HashSet::new(),
            whole: HashSet::new(),
            times: HashMap::new(),
            ahead: VecDeque::new(),
            libraries: None,
            last: None,
        }
    }

    /// Parts of this host, with what they are linked to.
    pub(super) fn host(mut self, root: &HostRoot, support: Option<&HostPath>) -> Result<Copied, Failure> {
        self.libraries = Some(Libraries::of_host());
        self.without = root
            .without
            .iter()
            .map(|pattern| {
                Pattern::new(pattern).map_err(|error| {
                    Failure::new(format!("{pattern:?} of host.without is no pattern: {error}"))
                })
            })
            .collect::<Result<_, _>>()?;
        for path in root.paths.iter().chain(support) {
            self.show(path)?;
        }
        for file in root.packages.iter().flat_map(|package| packages::files(package)) {
            let left_out = self.without.iter().any(|pattern| {
                // A pattern may name a folder that it lies in.
                file.ancestors().any(|part| pattern.matches_path(part))
            });
            if !left_out && !fs::symlink_metadata(&file).is_ok_and(|data| data.is_dir()) {
                // A package may have a link to as much as /usr/bin.
                self.follow(&file, CopyReason::WithIt)?;
            }
        }
        self.finish()
    }

    /// All of an unpacked image.
    pub(super) fn image(mut self, folder: &Path) -> Result<Copied, Failure> {
        let below = Pattern::escape(&folder.to_string_lossy());
        self.without = FOR_PEOPLE
            .iter()
            .filter_map(|part| Pattern::new(&format!("{below}/{part}")).ok())
            .collect();
        self.walk(folder, Path::new("/"))?;
        self.finish()
    }

    fn finish(mut self) -> Result<Copied, Failure> {
        while let Some(path) = self.ahead.pop_front() {
            self.follow(&path, CopyReason::WithIt)?;
        }
        for (folder, time) in std::mem::take(&mut self.times) {
            let folder = self.folder(&folder)?;
            // Programs may look at the time of a folder; none depends on it.
            futimens(folder, &times(time)).ok();
        }
        Ok(self.copied)
    }

    fn show(&mut self, path: &HostPath) -> Result<(), Failure> {
        let HostPath { host, inside } = path;
        if !inside.is_absolute() || inside.components().any(|part| part == Component::ParentDir) {
            return Err(Failure::new(format!("{} is no place in a box", inside.display())));
        }
        if let Some(folder) = covered_by(inside) {
            return Err(Failure::new(format!(
                "{} would be covered by the {folder} that every box has of its own",
                inside.display()
            )));
        }
        if host == inside {
            return self.follow(host, CopyReason::ByName);
        }
        let data = match fs::symlink_metadata(host) {
            Ok(data) => data,
            Err(error) if is_absent(&error) => return Ok(()),
            Err(error) => return Err(cannot_show(host)(error)),
        };
        if data.is_dir() {
            self.walk(host, inside)
        } else {
            self.entry(host, inside, &data)
        }
    }

    /// Shows a path of the host where it is there, with every symbolic link on the way to it; a folder with all that is
    /// in it. What boxes have of their own is left out.
    fn follow(&mut self, path: &Path, wanted: CopyReason) -> Result<(), Failure> {
        let mut ahead = parts(path);
        let mut here = PathBuf::from("/");
        let mut links = 0;
        while let Some(part) = ahead.pop_front() {
            if part == ".." {
                here.pop();
                continue;
            }
            here.push(part);
            let data = match fs::symlink_metadata(&here) {
                Ok(data) => data,
                Err(error) if is_absent(&error) || error.kind() == ErrorKind::PermissionDenied => {
                    return Ok(());
                }
                Err(error) => return Err(cannot_show(&here)(error)),
            };
            if !data.is_symlink() {
                if !ahead.is_empty() {
                    // What was listed is meant, wherever it lies.
                    if wanted == CopyReason::WithIt && !self.may_pass(&data) {
                        return Ok(());
                    }
                    continue;
                }
                if covered_by(&here).is_some() {
                    return Ok(());
                }
                if data.is_dir() {
                    let here = here.clone();
                    return match wanted {
                        CopyReason::WithIt if depth(&here) < FOLLOWED_DEPTH => Ok(()),
                        CopyReason::ByName | CopyReason::WithIt => self.walk(&here, &here),
                    };
                }
                return self.entry(&here.clone(), &here, &data);
            }
            links += 1;
            if links > MAX_LINKS || covered_by(&here).is_some() {
                return Ok(());
            }
            let target = fs::read_link(&here).map_err(cannot_show(&here))?;
            self.link(&here, &target)?;
            here.pop();
            if target.is_absolute() {
                here = PathBuf::from("/");
            }
            let rest = std::mem::replace(&mut ahead, parts(&target));
            ahead.extend(rest);
        }
        Ok(())
    }

    /// A folder of the host with all that is in it, save other file systems.
    fn walk(&mut self, host: &Path, inside: &Path) -> Result<(), Failure> {
        let device = fs::symlink_metadata(host).map_err(cannot_show(host))?.dev();
        let mut folders = vec![(host.to_owned(), inside.to_owned())];
        while let Some((host, inside)) = folders.pop() {
            if host == inside && !self.whole.insert(host.clone()) {
                continue;
            }
            let data = match fs::symlink_metadata(&host) {
                Ok(data) => data,
                Err(error) if is_absent(&error) => continue,
                Err(error) => return Err(cannot_show(&host)(error)),
            };
            if !data.is_dir() || data.dev() != device || !self.may_read(&data) {
                continue;
            }
            let entries = match fs::read_dir(&host) {
                Err(error) if error.kind() == ErrorKind::PermissionDenied => continue,
                entries => entries.map_err(cannot_show(&host))?,
            };
            self.folder(&inside)?;
            self.times.insert(inside.clone(), time(&data));
            for entry in entries {
                let entry = entry.map_err(cannot_show(&host))?;
                let (path, place) = (entry.path(), inside.join(entry.file_name()));
                if self.without.iter().any(|pattern| pattern.matches_path(&path)) {
                    continue;
                }
                let data = match fs::symlink_metadata(&path) {
                    Ok(data) => data,
                    Err(error) if is_absent(&error) => continue,
                    Err(error) => return Err(cannot_show(&path)(error)),
                };
                if data.is_dir() {
                    folders.push((path, place));
                } else if data.is_file() || data.is_symlink() {
                    self.entry(&path, &place, &data)?;
                }
            }
        }
        Ok(())
    }

    /// A file or a symbolic link.
    fn entry(&mut self, host: &Path, inside: &Path, data: &Metadata) -> Result<(), Failure> {
        if data.is_file() {
            return self.file(host, inside, data);
        }
        if !data.is_symlink() {
            return Err(Failure::new(format!(
                "cannot show {} to boxes: it is neither a file nor a folder",
                host.display()
            )));
        }
        let target = fs::read_link(host).map_err(cannot_show(host))?;
        self.link(inside, &target)?;
        if host == inside && self.libraries.is_some() && leads_to_what_is_followed(host) {
            self.ahead.push_back(host.to_owned());
        }
        Ok(())
    }

    fn link(&mut self, inside: &Path, target: &Path) -> Result<(), Failure> {
        if !self.placed.insert(inside.to_owned()) {
            return Ok(());
        }
        let (folder, name) = split(inside)?;
        let folder = self.folder(folder)?;
        match symlinkat(target, folder, name) {
            Ok(()) | Err(Errno::EXIST) => Ok(()),
            Err(errno) => Err(Failure::at(format_args!("link {}", inside.display()))(errno)),
        }
    }

    fn file(&mut self, host: &Path, inside: &Path, data: &Metadata) -> Result<(), Failure> {
        if self.placed.contains(inside) {
            return Ok(());
        }
        let mut state = data.clone();
        let mut attempts = 0;
        let key = loop {
            if !state.is_file() || !self.may_read(&state) {
                return Ok(());
            }
            attempts += 1;
            match self.place(host, inside, &state)? {
                Stored::Done(key) => break key,
                Stored::Unreadable => return Ok(()),
                Stored::Changed if attempts == ATTEMPTS => {
                    return Err(Failure::new(format!(
                        "{} is being changed all the time; `host.without` of the language's entry leaves it out",
                        host.display()
                    )));
                }
                // Another file may have taken its place, as upgrades do it.
                Stored::Changed => {
                    state = match fs::symlink_metadata(host) {
                        Ok(state) => state,
                        Err(error) if is_absent(&error) => return Ok(()),
                        Err(error) => return Err(cannot_show(host)(error)),
                    }
                }
            }
        };
        self.placed.insert(inside.to_owned());
        if let Some(libraries) = &self.libraries {
            let copy = openat(
                &self.target.store,
                &key,
                OFlags::RDONLY | OFlags::CLOEXEC,
                Mode::empty(),
            )
            .map_err(|errno| cannot_show(host)(errno.into()))?;
            self.ahead.extend(libraries.needed_by(File::from(copy), host));
        }
        Ok(())
    }

    /// Has this state of a file in the tree, copied where the store has not got it yet.
    fn place(&mut self, host: &Path, inside: &Path, data: &Metadata) -> Result<Stored, Failure> {
        let key = key(data);
        if !self.stored.contains(&key) && self.copied.bytes.saturating_add(data.len()) > self.most_bytes {
            return Err(Failure::new(format!(
                "what it shows of this host is larger than the {} MiB that native.root_max_mb allows a root; \
                 `host.without` of the language's entry leaves parts out",
                self.most_bytes >> 20
            )));
        }
        let (parent, name) = split(inside)?;
        let parent = self.folder(parent)?.try_clone().map_err(cannot_show(host))?;
        let link = |store: &OwnedFd| match linkat(store, &key, &parent, name, AtFlags::empty()) {
            Err(Errno::EXIST) => Ok(()),
            linked => linked,
        };
        let linked = match link(&self.target.store) {
            Err(Errno::NOENT) => match store::copy_into(&self.target.store, host, &key, data)? {
                Stored::Done(_) => link(&self.target.store),
                not_stored => return Ok(not_stored),
            },
            linked => linked,
        };
        linked.map_err(Failure::at(format_args!("place {}", inside.display())))?;
        if self.stored.insert(key.clone()) {
            self.copied.files += 1;
            self.copied.bytes += data.len();
        }
        Ok(Stored::Done(key))
    }

    /// A folder of the tree, made where it is not there. No link in the tree is ever followed: it would lead to the host.
    fn folder(&mut self, inside: &Path) -> Result<&OwnedFd, Failure> {
        if self.last.as_ref().is_none_or(|(last, _)| last != inside) {
            let opened = self.open_folder(inside)?;
            self.last = Some((inside.to_owned(), opened));
        }
        self.last
            .as_ref()
            .map(|(_, folder)| folder)
            .ok_or_else(|| Failure::new("a folder has vanished"))
    }

    fn open_folder(&self, inside: &Path) -> Result<OwnedFd, Failure> {
        let below = inside.strip_prefix("/").unwrap_or(inside);
        let cannot = |errno: Errno| {
            if matches!(errno, Errno::LOOP | Errno::NOTDIR) {
                return Failure::new(format!(
                    "{} lies behind the link {} in a box; list where that leads",
                    inside.display(),
                    inside.parent().unwrap_or(inside).display()
                ));
            }
            Failure::at(format_args!("make {} in a root", inside.display()))(errno)
        };
        let open = |path: &Path| {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
            let path = if path.as_os_str().is_empty() {
                Path::new(".")
            } else {
                path
            };
            openat2(&self.target.tree, path, flags, Mode::empty(), resolve)
        };
        match open(below) {
            Err(Errno::NOENT) => {}
            opened => return opened.map_err(cannot),
        }
        let (parent, name) = split(inside)?;
        let parent = self.open_folder(parent)?;
        match mkdirat(&parent, name, Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(cannot(errno)),
        }
        open(below).map_err(cannot)
    }

    fn may_read(&self, data: &Metadata) -> bool {
        /// What is in a folder can be used by whoever may list it and pass through it.
        const FOLDER: u32 = 0o5;
        const FILE: u32 = 0o4;
        self.allows(data, if data.is_dir() { FOLDER } else { FILE })
    }

    /// Whether everybody may pass through a folder.
    fn may_pass(&self, data: &Metadata) -> bool {
        self.allows(data, 0o1)
    }

    fn allows(&self, data: &Metadata, bits: u32) -> bool {
        self.reader == Reader::User || data.permissions().mode() & bits == bits
    }
}

/// Why a path is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CopyReason {
    /// It was listed, however much it may be.
    ByName,
    /// Something that is shown leads to it.
    WithIt,
}

/// How often a file is copied that changes meanwhile.
const ATTEMPTS: u32 = 3;

/// Whether a link is worth following out of the folder it lies in.
fn leads_to_what_is_followed(link: &Path) -> bool {
    let Ok(real) = fs::canonicalize(link) else {
        return false;
    };
    FOLLOWED.iter().any(|folder| real.starts_with(folder))
        && (!real.is_dir() || depth(&real) >= FOLLOWED_DEPTH)
}

fn depth(folder: &Path) -> usize {
    folder.components().count().saturating_sub(1)
}

fn parts(path: &Path) -> VecDeque<OsString> {
    path.components()
        .filter(|part| matches!(part, Component::Normal(_) | Component::ParentDir))
        .map(|part| part.as_os_str().to_owned())
        .collect()
}

fn split(inside: &Path) -> Result<(&Path, &std::ffi::OsStr), Failure> {
    inside
        .parent()
        .zip(inside.file_name())
        .ok_or_else(|| Failure::new(format!("{} is no place in a box", inside.display())))
}
