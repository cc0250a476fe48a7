//! Folders of a rootfs in the making.

use std::{fs::DirBuilder, os::unix::fs::DirBuilderExt, path::Path};

use super::failure::Failure;

pub(super) fn folder_at(path: &Path) -> Result<(), Failure> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(path)
        .map_err(Failure::at(format_args!("make {} in the rootfs", path.display())))
}
