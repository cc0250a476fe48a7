//! What `/proc` tells of processes, which choose their own names: the agent's parsers.

use std::time::Duration;

use optimus_cell::fuzzing::{memory, run_delay, stat};

use crate::memory::bounded;

const MEMORY: usize = 64 << 10;

/// Bytes the kernel keeps of a process' name.
const LONGEST_NAME: usize = 15;

pub fn processes(input: &[u8]) {
    bounded(MEMORY + 64 * input.len(), || {
        let _ = (stat(input), memory(input));
        if let Ok(text) = str::from_utf8(input) {
            let _ = run_delay(text);
        }
        let name = &input[..input.len().min(LONGEST_NAME)];
        check_stat(name);
        check_status(name);
    });
}

/// The numbers are the same whatever the name.
fn check_stat(name: &[u8]) {
    let numbers = b") S 1 42 42 0 -1 4194304 100 0 0 0 7 5 30 8 20 0 1 0 100 4096 50 18446744073709551615";
    let line = |name: &[u8]| [b"42 (", name, numbers].concat();
    let plain = stat(&line(b"x"));
    assert!(plain.is_some_and(|(pid, start, own, _)| (pid, start) == (42, 100) && own > Duration::ZERO));
    assert_eq!(stat(&line(name)), plain, "a name changes what is measured");
}

/// The kernel writes a name's line breaks and backslashes as escapes.
fn check_status(name: &[u8]) {
    let mut escaped = Vec::new();
    for byte in name {
        match byte {
            b'\n' => escaped.extend(b"\\n"),
            b'\\' => escaped.extend(b"\\\\"),
            other => escaped.push(*other),
        }
    }
    let status = [
        b"Name:\t",
        &escaped[..],
        b"\nRssAnon:\t     300 kB\nRssFile:\t 500 kB\nRssShmem:\t 100 kB\n",
    ]
    .concat();
    assert_eq!(memory(&status), 400 << 10, "a name changes what is measured");
}
