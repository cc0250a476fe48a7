//! The project that is tested: its folder, and its binaries.

use std::path::{Path, PathBuf};

/// The folder that holds `config/`.
pub(crate) fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

/// Another package's binary. Cargo builds only this package's own one for its tests.
pub(crate) fn binary(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_optimus-worker")).with_file_name(name);
    assert!(
        path.exists(),
        "{} is missing; run: cargo build -p {name}",
        path.display()
    );
    path
}
