//! Text that somebody's editor wrote.

use std::{fs, io, path::Path};

use anyhow::Context;

use crate::exit::{Failure, or_cannot_read};

/// What some editors put before everything else. It belongs to no key and no value.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Without a byte order mark.
fn read(path: &Path) -> Result<String, Failure> {
    let read = || -> anyhow::Result<String> {
        let bytes = fs::read(path)?;
        let text = std::str::from_utf8(without_mark(&bytes)).context("it is no text in UTF-8")?;
        Ok(text.to_owned())
    };
    or_cannot_read(path, read())
}

/// The content of a text file, where there is one. Something else of its name, such as a folder or a link that leads nowhere, is an error: what
/// somebody meant to say must not vanish.
pub(super) fn read_if_there(path: &Path) -> Result<Option<String>, Failure> {
    match path.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        _ => read(path).map(Some),
    }
}

pub(super) fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes)
}
