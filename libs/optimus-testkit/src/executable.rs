//! Executable files for tests that start them.
//!
//! A file that is open for writing anywhere cannot be executed: "Text file busy". Where a test writes one itself and
//! another thread forks meanwhile, that child has the descriptor as well until it executes something, however soon the test
//! closes its own. So the writing is left to a process of its own, which never forks and is gone before the file is used.

use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

/// A copy that may be executed at once, with the permissions of what is copied.
pub fn copy(from: impl AsRef<Path>, to: impl AsRef<Path>) {
    let copied = Command::new("cp")
        .arg("--")
        .args([from.as_ref(), to.as_ref()])
        .status();
    assert!(copied.unwrap().success(), "cp has failed");
}

/// A file with this content that anybody may execute at once.
pub fn write(path: impl AsRef<Path>, content: &str) {
    let mut install = Command::new("install")
        .args(["-m", "755", "/dev/stdin"])
        .arg(path.as_ref())
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    install
        .stdin
        .take()
        .unwrap()
        .write_all(content.as_bytes())
        .unwrap();
    assert!(install.wait().unwrap().success(), "install has failed");
}
