//! `languages.json`, read and edited.
//!
//! An edit holds a lock beside the file while it reads, changes, checks and replaces it. The new file is written
//! elsewhere and renamed over the old one, so a reader sees one or the other and never a part, also after a crash.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::Context;
use optimus_common::language::Languages;
use tempfile::NamedTempFile;

use crate::exit::{Classify, Failure};

pub(crate) fn load(path: &Path) -> Result<Languages, Failure> {
    Languages::load(path).usage()
}

/// Applies a change to the file as it is at that moment, alone. Nothing is written where the change or the check of
/// its outcome fails.
pub(crate) fn edit<T>(
    path: &Path,
    change: impl FnOnce(&mut Languages) -> Result<T, Failure>,
) -> Result<T, Failure> {
    // Through a symbolic link, the file itself is replaced and not the link.
    let path = fs::canonicalize(path)
        .with_context(|| format!("cannot find {}", path.display()))
        .usage()?;
    let _lock = lock(&path)?;
    let mut languages = load(&path)?;
    let changed = change(&mut languages)?;
    languages.validate().usage()?;
    replace(&path, &languages)?;
    Ok(changed)
}

/// Held until it is dropped, by this process alone. The lock file stays: removing it would let two hold "the" lock.
fn lock(path: &Path) -> Result<File, Failure> {
    let name = PathBuf::from(format!("{}.lock", path.display()));
    let locked = File::options()
        .create(true)
        .append(true)
        .open(&name)
        .and_then(|file| {
            file.lock()?;
            Ok(file)
        });
    locked
        .with_context(|| format!("cannot lock {}", name.display()))
        .system()
}

fn replace(path: &Path, languages: &Languages) -> Result<(), Failure> {
    let written = || -> anyhow::Result<()> {
        let folder = path.parent().context("it has no folder")?;
        let mut file = NamedTempFile::new_in(folder)?;
        file.write_all(languages.to_json().as_bytes())?;
        file.as_file()
            .set_permissions(fs::metadata(path)?.permissions())?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        // The rename itself is durable once the folder is; only Unix lets a folder be opened for that.
        #[cfg(unix)]
        File::open(folder)?.sync_all()?;
        Ok(())
    };
    written()
        .with_context(|| format!("cannot write {}", path.display()))
        .system()
}
