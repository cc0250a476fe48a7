//! What the compile step left in the work directory, as a run's cell shows it.
//!
//! The listing is made by the agent, once; cells do nothing but make what is on it. Every name in it is the submission's
//! or the compile step's.

use std::{
    ffi::{CStr, CString, OsStr},
    fs::{self, DirBuilder, FileType},
    io::{self, ErrorKind},
    os::unix::{
        ffi::{OsStrExt, OsStringExt},
        fs::{DirBuilderExt, FileTypeExt},
    },
    path::Path,
};

use optimus_common::box_layout::{BOX_DIR, EMPTY_DIR, TMP_DIR};
use rustix::{
    fs::{CWD, FileType as NodeType, Mode, mkdirat, mknodat, symlinkat},
    mount::mount_bind,
};

use crate::error::CellError;

/// The most that a symbolic link takes of a file system.
const BYTES_PER_LINK: u64 = 4096;

/// The entries of the work directory's top folder.
#[derive(Debug)]
pub(super) struct Artefacts(Vec<Artefact>);

#[derive(Debug, PartialEq, Eq)]
struct Artefact {
    /// Where it is to appear.
    place: CString,
    kind: Kind,
}

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    /// A folder, with all that is in it.
    Folder {
        original: CString,
    },
    /// A file, or what programs meet at.
    File {
        original: CString,
    },
    Link {
        target: CString,
    },
}

impl Artefacts {
    /// Of the overlay that shows them all, which cells have at `/tmp` for a while.
    pub(super) const LAYERS: &CStr = c"lowerdir=/box:/run/optimus/empty";
    const ORIGINALS: &str = TMP_DIR;

    /// To be called when nothing is left of the compile step.
    pub(super) fn of_work_directory() -> Result<Self, CellError> {
        match DirBuilder::new().mode(0o700).create(EMPTY_DIR) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                return Err(failed("make", EMPTY_DIR)(error));
            }
            _ => {}
        }
        Self::of(Path::new(BOX_DIR)).map_err(failed("list", BOX_DIR))
    }

    fn of(folder: &Path) -> io::Result<Self> {
        let mut all = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let Some(kind) = kind(entry.file_type()?, &entry.path(), &name)? else {
                continue;
            };
            let place = path(BOX_DIR, &name)?;
            all.push(Artefact { place, kind });
        }
        Ok(Self(all))
    }

    /// How many inodes they take of the file system that shows them.
    pub(super) fn count(&self) -> u64 {
        self.0.len() as u64
    }

    /// The most bytes that they take of it.
    pub(super) fn bytes(&self) -> u64 {
        let links = self
            .0
            .iter()
            .filter(|artefact| matches!(artefact.kind, Kind::Link { .. }));
        links.count() as u64 * BYTES_PER_LINK
    }

    /// Makes them appear in the cell's own work directory, which is empty. Allocates nothing.
    pub(super) fn show(&self) -> rustix::io::Result<()> {
        self.0.iter().try_for_each(|Artefact { place, kind }| match kind {
            Kind::Folder { original } => {
                mkdirat(CWD, &**place, Mode::empty())?;
                mount_bind(&**original, &**place)
            }
            Kind::File { original } => {
                mknodat(CWD, &**place, NodeType::RegularFile, Mode::empty(), 0)?;
                mount_bind(&**original, &**place)
            }
            Kind::Link { target } => symlinkat(&**target, CWD, &**place),
        })
    }
}

/// `None` of what no program is to see: a device could be no other than the one that overlays take for "nothing here".
fn kind(of: FileType, found: &Path, name: &OsStr) -> io::Result<Option<Kind>> {
    let original = || path(Artefacts::ORIGINALS, name);
    Ok(Some(if of.is_dir() {
        Kind::Folder {
            original: original()?,
        }
    } else if of.is_symlink() {
        let target = fs::read_link(found)?.into_os_string().into_vec();
        Kind::Link {
            target: CString::new(target)?,
        }
    } else if of.is_file() || of.is_fifo() || of.is_socket() {
        Kind::File {
            original: original()?,
        }
    } else {
        return Ok(None);
    }))
}

fn path(folder: &str, name: &OsStr) -> io::Result<CString> {
    Ok(CString::new([folder.as_bytes(), b"/", name.as_bytes()].concat())?)
}

fn failed(operation: &'static str, path: &'static str) -> impl FnOnce(io::Error) -> CellError {
    move |source| CellError::File {
        operation,
        path: path.into(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::{fs::symlink, net::UnixListener};

    use rustix::fs::makedev;

    use super::*;

    #[test]
    fn the_overlay_is_of_the_work_directory_and_nothing_else() {
        let layers = format!("lowerdir={BOX_DIR}:{EMPTY_DIR}");
        assert_eq!(Artefacts::LAYERS.to_str(), Ok(layers.as_str()));
    }

    #[test]
    fn every_kind_of_entry_is_listed_and_nothing_that_an_overlay_hides() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("folder")).unwrap();
        fs::write(at("folder/inner"), "").unwrap();
        fs::write(at("two\nlines"), "").unwrap();
        symlink("/nowhere", at("link")).unwrap();
        mknodat(CWD, at("pipe"), NodeType::Fifo, Mode::RUSR, 0).unwrap();
        let _listener = UnixListener::bind(at("socket")).unwrap();
        // What overlays take for a removed file; whoever runs this test may have no right to make one.
        let _ = mknodat(
            CWD,
            at("removed"),
            NodeType::CharacterDevice,
            Mode::RUSR,
            makedev(0, 0),
        );
        let mut artefacts = Artefacts::of(folder.path()).unwrap();
        artefacts.0.sort_by(|one, other| one.place.cmp(&other.place));
        let artefact = |name: &str, kind: fn(CString) -> Kind| Artefact {
            place: CString::new(format!("/box/{name}")).unwrap(),
            kind: kind(CString::new(format!("/tmp/{name}")).unwrap()),
        };
        let file = |original| Kind::File { original };
        assert_eq!(
            artefacts.0,
            [
                artefact("folder", |original| Kind::Folder { original }),
                artefact("link", |_| Kind::Link {
                    target: c"/nowhere".to_owned()
                }),
                artefact("pipe", file),
                artefact("socket", file),
                artefact("two\nlines", file),
            ]
        );
        assert_eq!((artefacts.count(), artefacts.bytes()), (5, 4096));
    }
}
