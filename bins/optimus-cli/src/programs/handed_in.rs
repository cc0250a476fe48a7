//! The files of a program that somebody has handed in. They are looked at before they are read.
//!
//! An archive of a stranger's may hold a link to a file of this machine, whose text a verdict would tell, a pipe, on which
//! reading never ends, and a file larger than any memory. Such a program is refused by name, and nothing else suffers.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use anyhow::Context;
use optimus_common::{counted, submission::check_file_name};

use crate::{
    exit::{Classify, Failure, or_cannot_read},
    testcases::{FoldersLeft, package::entries_of},
};

/// A file with its name in the program, and where it lies: no link any more.
pub(super) type NamedFile = (String, PathBuf);

/// What was named as a program.
#[derive(Debug)]
pub(super) struct HandedIn {
    pub(super) is_folder: bool,
    pub(super) files: Vec<NamedFile>,
}

/// What a path leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    File,
    Folder,
}

/// Finds a file, or everything in a folder. Links may lead to what is inside of `home`; without one, to what is inside of
/// the program's folder, or beside a program that is a link itself.
pub(super) fn find(path: &Path, home: Option<&Path>, most_files: u64) -> Result<HandedIn, Failure> {
    let home = home.map(real).transpose()?;
    let mut files = Vec::new();
    let (kind, real_path) = at(path, home.as_deref())?;
    match kind {
        Kind::File => files.push((file_name(path)?, real_path)),
        Kind::Folder => {
            let home = match home {
                Some(home) => home,
                None => real(&real_path)?,
            };
            let mut walk = ProgramWalk {
                home: &home,
                most_files,
                left: FoldersLeft::new(),
                inside: Vec::new(),
                files: &mut files,
            };
            walk.folder(path, &real_path, "")?;
        }
    }
    Ok(HandedIn {
        is_folder: kind == Kind::Folder,
        files,
    })
}

/// The same for one that has to be a file.
pub(super) fn find_file(path: &Path) -> Result<NamedFile, Failure> {
    match at(path, None)? {
        (Kind::File, real_path) => Ok((file_name(path)?, real_path)),
        (Kind::Folder, _) => Err(refused(path, "it is a folder; name the files of the program")),
    }
}

fn at(path: &Path, home: Option<&Path>) -> Result<(Kind, PathBuf), Failure> {
    // Without a slash at its end, by which a link would be followed unseen.
    let path = path.components().as_path();
    let is_link = or_cannot_read(path, fs::symlink_metadata(path))?.is_symlink();
    match home {
        Some(home) => follow(path, home),
        None if is_link => follow(path, &real(folder_of(path))?),
        None => follow(path, path),
    }
}

fn file_name(path: &Path) -> Result<String, Failure> {
    let name = path
        .file_name()
        .with_context(|| format!("{} is no file", path.display()))
        .usage()?;
    Ok(name.to_string_lossy().into_owned())
}

pub(crate) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => path,
    }
}

struct ProgramWalk<'a> {
    /// Links may not lead out of it.
    home: &'a Path,
    most_files: u64,
    left: FoldersLeft,
    /// The folders on the way to here.
    inside: Vec<PathBuf>,
    files: &'a mut Vec<NamedFile>,
}

impl ProgramWalk<'_> {
    /// A folder, and by which path it was found.
    fn folder(&mut self, by: &Path, folder: &Path, prefix: &str) -> Result<(), Failure> {
        self.left.enter(folder)?;
        let here = real(folder)?;
        if self.inside.contains(&here) {
            return Err(refused(by, "the link leads back to a folder that it lies in"));
        }
        self.inside.push(here);
        for (name, path) in entries_of(folder)? {
            let name = format!("{prefix}{name}");
            // A bound for folders, too: no name without an end, and no walk without one.
            check_file_name(&name)
                .map_err(|why| refused(&path, &format!("its name in the program {why}")))?;
            let (kind, real) = follow(&path, self.home)?;
            if kind == Kind::Folder {
                self.folder(&path, &real, &format!("{name}/"))?;
                continue;
            }
            if self.files.len() as u64 >= self.most_files {
                let most = counted(self.most_files, "file");
                return Err(refused(
                    &path,
                    &format!("with it the program has more than {most}"),
                ));
            }
            self.files.push((name, real));
        }
        self.inside.pop();
        Ok(())
    }
}

/// What is there, and where. A link is followed where it stays in its home, which is given as it really is called.
fn follow(path: &Path, home: &Path) -> Result<(Kind, PathBuf), Failure> {
    let mut metadata = or_cannot_read(path, fs::symlink_metadata(path))?;
    let mut found = path.to_owned();
    if metadata.is_symlink() {
        found = real(path)?;
        if !found.starts_with(home) {
            let why = format!("the link leads out of {}", home.display());
            return Err(refused(path, &why));
        }
        metadata = or_cannot_read(path, fs::symlink_metadata(&found))?;
    }
    if metadata.is_dir() {
        Ok((Kind::Folder, found))
    } else if metadata.is_file() {
        Ok((Kind::File, found))
    } else {
        Err(refused(path, NEITHER))
    }
}

const NEITHER: &str = "it is neither a file nor a folder";

/// How much of a program is read at most.
#[derive(Debug)]
pub(crate) struct Bytes {
    most: u64,
    read: u64,
}

impl Bytes {
    pub(crate) fn new(most: u64) -> Self {
        Self { most, read: 0 }
    }

    /// Reads a file to its end, which is not believed to be where it was said to be.
    pub(super) fn read(&mut self, path: &Path) -> Result<Vec<u8>, Failure> {
        let file = or_cannot_read(path, open(path))?;
        let metadata = or_cannot_read(path, file.metadata())?;
        if !metadata.is_file() {
            return Err(refused(path, NEITHER));
        }
        let left = self.most - self.read;
        let mut bytes = Vec::new();
        if metadata.len() <= left {
            or_cannot_read(path, file.take(left + 1).read_to_end(&mut bytes))?;
        }
        let size = metadata.len().max(bytes.len() as u64);
        if size > left {
            let total = counted(self.read.saturating_add(size), "byte");
            let why = format!("{total} with this file; at most {} are accepted", self.most);
            return Err(refused(path, &why));
        }
        self.read += size;
        Ok(bytes)
    }
}

/// Whatever has taken the file's place since it was looked at, this follows no link and waits for nobody.
#[cfg(unix)]
fn open(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;

    use rustix::fs::OFlags;

    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    File::options()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)
}

#[cfg(not(unix))]
fn open(path: &Path) -> io::Result<File> {
    File::open(path)
}

/// Its path without links.
fn real(path: &Path) -> Result<PathBuf, Failure> {
    or_cannot_read(path, path.canonicalize())
}

fn refused(path: &Path, why: &str) -> Failure {
    Failure::usage(format!("{}: {why}", path.display()))
}

#[cfg(test)]
#[cfg(unix)]
mod tests;
