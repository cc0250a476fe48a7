//! What nobody but a cgroup can count.

use optimus_common::facts::RunEnd;

use crate::suite::{job::Job, limits::memory_is_limited};

#[test]
fn files_in_memory_are_limited() {
    for place in ["/tmp", "/box", "/dev/shm"] {
        memory_is_limited(Job::sh(&format!(
            "i=0; while :; do head -c 2000000 /dev/zero > {place}/$i; i=$((i+1)); done"
        )));
    }
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
