//! How many folders are read, and how deep: links make more of them.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

use anyhow::Context;

use crate::exit::{Classify, Failure};

/// Folders deeper than this are no groups of test cases; a link in a circle ends here.
pub(super) const DEEPEST: usize = 8;

/// Folders there may be. A link to a folder makes one more of it, so links to folders of links multiply.
const MOST_FOLDERS: usize = 1000;

/// The folders that were read, and how many more may be.
#[derive(Debug)]
pub(crate) struct FoldersLeft {
    more: usize,
    read: HashSet<PathBuf>,
}

impl FoldersLeft {
    pub(crate) fn new() -> Self {
        Self {
            more: MOST_FOLDERS,
            read: HashSet::new(),
        }
    }

    pub(crate) fn enter(&mut self, folder: &Path) -> Result<(), Failure> {
        self.more = self
            .more
            .checked_sub(1)
            .with_context(|| {
                format!(
                    "{}: with this one, links make more than {MOST_FOLDERS} folders",
                    folder.display()
                )
            })
            .usage()?;
        self.read.extend(folder.canonicalize());
        Ok(())
    }

    /// Ends at a folder that is too deep: one that a link in a circle leads to has been read, and any other would be
    /// missed.
    pub(super) fn stop_at(&self, folder: &Path) -> Result<(), Failure> {
        match folder.canonicalize() {
            Ok(real) if self.read.contains(&real) => Ok(()),
            _ => Err(Failure::usage(format!(
                "{}: it lies more than {DEEPEST} folders deep",
                folder.display()
            ))),
        }
    }
}
