//! What guests see of `/proc` and of the settings in it: what programs ask for, and nothing that tells one host from another or
//! counts what others do there.
//!
//! It is a list of what stays. All else that a kernel shows is covered, also what is newer than this list.

/// Entries of `/proc` that stay, beside those of processes. What is no name of a program's own is the same on every host with
/// this kernel, or of the namespaces and the user that look at it.
pub const SHOWN: [&str; 17] = [
    "cpuinfo",
    "dma",
    "execdomains",
    "filesystems",
    "key-users",
    "keys",
    "loadavg",
    "meminfo",
    "mounts",
    "net",
    "self",
    "stat",
    "sys",
    "sysvipc",
    "thread-self",
    "uptime",
    "version",
];

/// Settings below `/proc/sys` that stay: what programs look up about what they may do.
pub const SHOWN_SETTINGS: [&str; 42] = [
    "fs/file-max",
    "fs/inotify/max_queued_events",
    "fs/inotify/max_user_instances",
    "fs/inotify/max_user_watches",
    "fs/nr_open",
    "fs/pipe-max-size",
    "kernel/cap_last_cap",
    "kernel/domainname",
    "kernel/hostname",
    "kernel/msgmax",
    "kernel/msgmnb",
    "kernel/msgmni",
    "kernel/ngroups_max",
    "kernel/osrelease",
    "kernel/ostype",
    "kernel/overflowgid",
    "kernel/overflowuid",
    "kernel/perf_event_paranoid",
    "kernel/pid_max",
    "kernel/random/uuid",
    "kernel/randomize_va_space",
    "kernel/sem",
    "kernel/shmall",
    "kernel/shmmax",
    "kernel/shmmni",
    "kernel/threads-max",
    "kernel/version",
    "kernel/yama/ptrace_scope",
    "net/core/rmem_default",
    "net/core/rmem_max",
    "net/core/somaxconn",
    "net/core/wmem_default",
    "net/core/wmem_max",
    "net/ipv4/ip_local_port_range",
    "net/ipv4/tcp_rmem",
    "net/ipv4/tcp_wmem",
    "net/ipv6/bindv6only",
    "net/ipv6/conf/all/disable_ipv6",
    "vm/max_map_count",
    "vm/mmap_min_addr",
    "vm/overcommit_memory",
    "vm/overcommit_ratio",
];

/// The one of them that is another one each time it is read.
pub const CHANGING_SETTING: &str = "kernel/random/uuid";

/// Where a native box has [`SHOWN_SETTINGS`], to be laid over `/proc/sys`, and a folder with nothing in it.
pub const SETTINGS_FOLDER: &str = "/optimus/proc/sys";
pub const EMPTY_FOLDER: &str = "/optimus/proc/empty";

/// Where it has what is laid over `/proc/stat`: the same form, and counters that stand still. See [`still_counters`].
pub const STILL_COUNTERS: &str = "/optimus/proc/stat";

/// What is covered in containers, whichever kernel their engine has, beside what is found in this process' own `/proc`:
/// engines may be elsewhere. Of settings only what counts or names something of the host is named, since a container's cannot be
/// laid over as a whole.
pub const FACTS_OF_THE_HOST: [&str; 39] = [
    "acpi",
    "buddyinfo",
    "bus",
    "cmdline",
    "config.gz",
    "consoles",
    "crypto",
    "devices",
    "diskstats",
    "driver",
    "fs",
    "interrupts",
    "iomem",
    "ioports",
    "irq",
    "kallsyms",
    "locks",
    "misc",
    "modules",
    "mtrr",
    "pagetypeinfo",
    "partitions",
    "pressure",
    "schedstat",
    "softirqs",
    "swaps",
    "sys/dev",
    "sys/fs/aio-nr",
    "sys/fs/dentry-state",
    "sys/fs/file-nr",
    "sys/fs/inode-nr",
    "sys/fs/inode-state",
    "sys/kernel/core_pattern",
    "sys/kernel/pty",
    "sys/kernel/random/boot_id",
    "sys/kernel/random/entropy_avail",
    "tty",
    "vmstat",
    "zoneinfo",
];

/// What is set for a network of guests, below `/proc/sys/net`.
///
/// Of a connection that is over the kernel keeps both ends' addresses for a minute, and what it has learnt on the way: notes
/// that one run could leave for the next one of its box. What buffers hold may be charged to nobody, so they are small; what a
/// connection has received that nobody has accepted yet never is charged, so there are few of them, with the least of
/// buffers. A program that reads gets larger ones from the kernel by itself.
pub const NETWORK_SETTINGS: [(&str, &str); 5] = [
    ("core/somaxconn", "128"),
    ("ipv4/tcp_max_tw_buckets", "0"),
    ("ipv4/tcp_no_metrics_save", "1"),
    ("ipv4/tcp_rmem", "4096 16384 262144"),
    ("ipv4/tcp_wmem", "4096 16384 262144"),
];

/// Whether a name of `/proc` is to be seen. Those of processes are numbers.
pub fn stays(name: &str) -> bool {
    SHOWN.contains(&name) || name.bytes().all(|byte| byte.is_ascii_digit())
}

/// What guests see in the place of this text of `/proc/stat`. Programs learn from it how many CPUs there are, when the machine was
/// started, and how busy it is. The first two are true. All else counts for the whole host: whoever makes many switches, interrupts
/// or processes could be heard by others, also later. No CPU's times are all zero, since programs divide by their sum.
pub fn still_counters(of_host: &str) -> String {
    /// After those for users and the kernel.
    const IDLE: usize = 3;
    let mut text = String::new();
    for line in of_host.lines() {
        let mut fields = line.split_ascii_whitespace();
        let name = fields.next().unwrap_or_default();
        text.push_str(name);
        // The sum of all CPUs has two spaces before it.
        text.push_str(if name == "cpu" { " " } else { "" });
        for (index, value) in fields.enumerate() {
            let shown = match name {
                "btime" => value,
                "procs_running" => "1",
                _ if name.starts_with("cpu") && index == IDLE => "1",
                _ => "0",
            };
            text.push(' ');
            text.push_str(shown);
        }
        text.push('\n');
    }
    text
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn what_tells_hosts_apart_is_on_no_list() {
        for hidden in [
            "cmdline",
            "diskstats",
            "interrupts",
            "fs",
            "irq",
            "iomem",
            "new-in-linux-9",
        ] {
            assert!(!stays(hidden), "{hidden}");
        }
        assert!(["1", "31337", "self", "cpuinfo", "sys"].into_iter().all(stays));
        assert!(SHOWN.is_sorted() && SHOWN_SETTINGS.is_sorted());
        assert!(SHOWN_SETTINGS.contains(&CHANGING_SETTING));
        assert_eq!(
            (CHANGING_SETTING, SETTINGS_FOLDER),
            ("kernel/random/uuid", "/optimus/proc/sys")
        );
    }

    #[test]
    fn counters_stand_still_and_all_else_is_as_it_was() {
        let of_host = "cpu  30 5 7 900 1 0 2 3 0 0\ncpu0 15 2 3 450 0 0 1 1 0 0\ncpu3 15 3 4 450 1 0 1 2 0 0\n\
                       intr 738 0 26 7\nctxt 21457\nbtime 1795736271\nprocesses 4792096\nprocs_running 14\n\
                       procs_blocked 2\nsoftirq 869 0 37\n";
        let shown = "cpu  0 0 0 1 0 0 0 0 0 0\ncpu0 0 0 0 1 0 0 0 0 0 0\ncpu3 0 0 0 1 0 0 0 0 0 0\n\
                     intr 0 0 0 0\nctxt 0\nbtime 1795736271\nprocesses 0\nprocs_running 1\n\
                     procs_blocked 0\nsoftirq 0 0 0\n";
        assert_eq!(still_counters(of_host), shown);
        let here = still_counters(&std::fs::read_to_string("/proc/stat").unwrap());
        assert_eq!(still_counters(&here), here);
        assert!(
            here.contains("\ncpu0 0 0 0 1 0 ") && here.contains("\nbtime 1"),
            "{here}"
        );
    }
}
