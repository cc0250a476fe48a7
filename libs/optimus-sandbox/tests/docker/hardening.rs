//! What a program in a container finds around it.

use std::fs;

use optimus_common::{WorkerId, facts::RunEnd};
use optimus_sandbox::session::Session;

use crate::{
    conformance::{Host, Job, open},
    host::DockerHost,
};

/// Runs a shell program in a box of its own, and returns what it printed.
async fn printed_by(program: &str) -> String {
    let host = DockerHost::new().await;
    let session = open(&*host.backend(WorkerId::new()).await, &host.spec()).await;
    printed_in(session, program).await
}

async fn printed_in(session: Session, program: &str) -> String {
    let mut runs = Job::shell(program).grade(session, &[b""]).await;
    let run = runs.remove(0);
    assert_eq!(
        run.facts.end,
        RunEnd::Exited { code: 0 },
        "{}",
        String::from_utf8_lossy(&run.stderr)
    );
    String::from_utf8(run.stdout).unwrap()
}

#[tokio::test]
async fn a_program_has_no_capabilities_and_gains_none() {
    let status = printed_by("grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status").await;
    let field = |name: &str| {
        status
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap()
            .trim()
    };
    assert_eq!(u64::from_str_radix(field("CapEff:"), 16).unwrap(), 0);
    assert_eq!(u64::from_str_radix(field("CapPrm:"), 16).unwrap(), 0);
    // KILL, SETGID and SETUID at most: what the agent has.
    assert_eq!(u64::from_str_radix(field("CapBnd:"), 16).unwrap() & !0xe0, 0);
    assert_eq!(field("NoNewPrivs:"), "1");
    assert_eq!(field("Seccomp:"), "2");
}

#[tokio::test]
async fn only_the_sized_file_systems_are_writable() {
    let places = "/ /etc /usr /optimus /run /run/optimus /var/tmp /dev /proc /sys";
    let program = format!("for dir in {places}; do touch $dir/x 2>/dev/null && echo $dir; done; echo none");
    assert_eq!(printed_by(&program).await, "none\n");
    let sizes = printed_by("df -k --output=size /tmp /dev/shm . | tail -n +2").await;
    for size in sizes.split_whitespace() {
        assert_eq!(size, "65536", "{sizes}");
    }
    let inodes = printed_by("df --output=itotal /tmp /dev/shm . | tail -n +2").await;
    for inodes in inodes.split_whitespace() {
        assert!(inodes.parse::<u64>().unwrap() <= 16384, "{inodes}");
    }
}

#[tokio::test]
async fn there_is_no_network_but_the_loopback() {
    let names = "tail -n +3 /proc/net/dev | cut -d : -f 1 | tr -d ' '";
    assert_eq!(printed_by(names).await, "lo\n");
    assert_eq!(printed_by("tail -n +2 /proc/net/route").await, "");
}

#[tokio::test]
async fn limits_of_the_container_hold() {
    assert_eq!(printed_by("ulimit -c").await, "0\n");
    // The agent's own; it makes its guests even likelier victims.
    assert_eq!(printed_by("cat /proc/1/oom_score_adj").await, "500\n");
}

/// When the host has dropped what it had in memory of files. (The covert channel `page-cache` of the hostile suite shows what
/// would be without the holder.)
#[tokio::test]
async fn what_programs_read_of_their_image_is_in_memory_and_not_theirs() {
    let host = DockerHost::new().await;
    let backend = host.backend(WorkerId::new()).await;
    let session = open(&*backend, &host.spec()).await;
    fs::write("/proc/sys/vm/drop_caches", "3").expect("this test needs root");
    // Whoever has a page fetched is charged with it. A shell counts what its children have done.
    let program = "find /usr -xdev -type f -exec cat {} + | wc -c; grep ^read_bytes /proc/$$/io";
    let printed = printed_in(session, program).await;
    let (read, fetched) = printed.trim().split_once('\n').unwrap();
    let (_, fetched) = fetched.split_once(' ').unwrap();
    let (read, fetched): (u64, u64) = (read.parse().unwrap(), fetched.parse().unwrap());
    assert!(read > 64 << 20 && fetched < 8 << 20, "{fetched} of {read} bytes");
}
