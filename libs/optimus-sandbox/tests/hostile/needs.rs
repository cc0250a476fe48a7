//! What a case may need of a host beside a language.

use std::{fs, path::Path, thread::available_parallelism};

/// Why this host does not offer something, where it does not.
pub(crate) fn lacks(need: &str) -> Option<String> {
    let (there, lack) = match need {
        "ipv6" => (Path::new("/proc/net/if_inet6").exists(), "the kernel has no IPv6"),
        "two-cpus" => (
            available_parallelism().is_ok_and(|cpus| cpus.get() >= 2),
            "there is one CPU alone",
        ),
        "landlock" => (
            fs::read_to_string("/sys/kernel/security/lsm").is_ok_and(|modules| modules.contains("landlock")),
            "the kernel has no Landlock",
        ),
        unknown => panic!("nobody knows whether a host offers {unknown}"),
    };
    (!there).then(|| lack.to_owned())
}
