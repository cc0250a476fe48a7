//! What is in a folder of a package.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context;

use crate::exit::{Classify, Failure};

/// What is in a folder, in the order of the names, without what the format takes for not there.
pub(crate) fn entries_of(folder: &Path) -> Result<Vec<(String, PathBuf)>, Failure> {
    let cannot = || format!("cannot read the folder {}", folder.display());
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).with_context(cannot).usage()? {
        let entry = entry.with_context(cannot).usage()?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with(['.', '-']) && name != "__pycache__" {
            entries.push((name, entry.path()));
        }
    }
    entries.sort();
    Ok(entries)
}
