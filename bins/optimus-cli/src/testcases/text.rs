//! Text that somebody's editor wrote.

use std::{fs, path::Path};

use anyhow::Context;

use crate::exit::{Blame, Failure};

/// What some editors put before everything else. It belongs to no key and no value.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The content of a text file, without a byte order mark.
pub(super) fn read(path: &Path) -> Result<String, Failure> {
    let read = || -> anyhow::Result<String> {
        let bytes = fs::read(path)?;
        let text = std::str::from_utf8(without_mark(&bytes)).context("it is no text in UTF-8")?;
        Ok(text.to_owned())
    };
    read()
        .with_context(|| format!("cannot read {}", path.display()))
        .usage()
}

pub(super) fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes)
}
