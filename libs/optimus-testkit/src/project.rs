//! The project that is tested: its folder, and the binaries of its packages.

use std::{
    env,
    path::{Path, PathBuf},
};

/// The folder that holds `config/`.
pub fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

/// A package's binary, as the build that made this test has made it. Cargo makes only those of the test's own package.
pub fn binary(name: &str) -> PathBuf {
    let test = env::current_exe().unwrap();
    // target/debug/deps/suite-0123456789abcdef
    let path = test.ancestors().nth(2).unwrap().join(name);
    assert!(
        path.exists(),
        "{} is missing; run: cargo build -p {name}",
        path.display()
    );
    path
}
