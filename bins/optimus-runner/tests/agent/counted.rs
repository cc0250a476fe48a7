//! What nobody but a cgroup can count.

use optimus_common::facts::RunEnd;

use crate::{limits::memory_is_limited, session::Job};

#[test]
fn files_in_memory_are_limited() {
    for place in ["/tmp", "/box", "/dev/shm"] {
        memory_is_limited(Job::sh(&format!(
            "i=0; while :; do head -c 2000000 /dev/zero > {place}/$i; i=$((i+1)); done"
        )));
    }
}

#[test]
fn a_program_that_left_files_in_memory_behind_has_used_that_memory() {
    let facts = Job::sh("head -c 30000000 /dev/zero > /tmp/file").run_once().facts;
    assert_eq!(facts.end, RunEnd::Exited { code: 0 });
    assert!(facts.peak_memory_bytes >= 30_000_000, "{facts:?}");
}

#[test]
fn the_kernels_own_kills_are_told() {
    // More at once than the box has, before anybody can look.
    let source = "int main() { touch(1L << 30); return 0; }";
    let ran = Job::c(source)
        .limit(|limits| limits.memory_bytes = 4 << 30)
        .run_once();
    assert_eq!(ran.facts.end, RunEnd::Signalled { signal: 9 });
    assert!(ran.facts.oom_kills > 0, "{:?}", ran.facts);
}
