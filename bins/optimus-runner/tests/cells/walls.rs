//! What a cell keeps from its guest, and its guest from it.

use std::time::Duration;

use optimus_common::facts::{LimitKind, RunEnd};

use crate::{WAY, suite::job::Job};

/// The end of a program that says nothing.
fn silent(source: &str) -> RunEnd {
    let ran = Job::c(source).run_once();
    assert_eq!(ran.text(), "");
    ran.facts.end
}

#[test]
fn neighbours_do_not_see_each_other() {
    let job = Job::sh(
        "read me; echo mine > /tmp/$me; echo mine > /box/$me; echo mine > /dev/shm/$me; sleep 0.4
         ls /tmp /box /dev/shm; echo /proc/[0-9]*; kill -9 -1 2>&-; cat /tmp/$me; sleep 0.4",
    )
    .slots(2);
    for (ran, me) in job.run(&[b"a\n", b"b\n"]).iter().zip(["a", "b"]) {
        assert_eq!(ran.facts.end, RunEnd::Exited { code: 0 });
        let expected = format!("/box:\n{me}\n\n/dev/shm:\n{me}\n\n/tmp:\n{me}\n/proc/1 /proc/2\nmine\n");
        assert_eq!(ran.text(), expected);
    }
}

#[test]
fn abstract_sockets_do_not_reach_a_neighbour_but_work_in_a_cell() {
    // Each names its socket by its input, and tries the other's until both have surely been there.
    let source = "
        static int made(char name, int s) {
            struct sockaddr_un a = { .sun_family = AF_UNIX }; a.sun_path[1] = name;
            return s ? bind(s, (void *)&a, 4) : 0;
        }
        static int reached(char name) {
            struct sockaddr_un a = { .sun_family = AF_UNIX }; a.sun_path[1] = name;
            int s = socket(AF_UNIX, SOCK_STREAM, 0); int r = connect(s, (void *)&a, 4); close(s); return r == 0;
        }
        int main() {
            char me = getchar(), other = me == 'a' ? 'b' : 'a';
            int s = socket(AF_UNIX, SOCK_STREAM, 0);
            if (made(me, s) || listen(s, 50)) return 1;
            if (!fork()) exit(!reached(me));
            int status; wait(&status); if (status) return 2;
            for (int i = 0; i < 40; i++) { if (reached(other)) return 3; usleep(20000); }
            return 0; }";
    for ran in Job::c(source).slots(2).run(&[b"a", b"b"]) {
        assert_eq!(ran.facts.end, RunEnd::Exited { code: 0 });
    }
}

#[test]
fn nothing_a_guest_does_to_its_first_process_matters() {
    let source = "int main() {
        for (int s = 0; s < 65; s++) { kill(1, s); syscall(SYS_tkill, 1, s); }
        int p = syscall(SYS_pidfd_open, 1, 0); for (int s = 1; s < 65; s++) syscall(SYS_pidfd_send_signal, p, s, 0, 0);
        char path[64]; const char *files[] = { \"mem\", \"environ\", \"maps\", \"auxv\", \"stack\", \"syscall\", \"io\", \"pagemap\",
            \"fd/0\", \"fd/3\", \"root/etc/passwd\", \"cwd/etc/passwd\", \"exe\", \"map_files\", \"ns/mnt\" };
        for (int i = 0; i < 15; i++) {
            snprintf(path, 64, \"/proc/1/%s\", files[i]);
            if (open(path, O_RDONLY) >= 0) { char b[1]; if (read(open(path, O_RDONLY), b, 1) >= 0) puts(path); }
        }
        const char *writable[] = { \"mem\", \"oom_score_adj\", \"clear_refs\", \"comm\", \"uid_map\", \"setgroups\" };
        for (int i = 0; i < 6; i++) {
            snprintf(path, 64, \"/proc/1/%s\", writable[i]);
            if (open(path, O_WRONLY) >= 0) puts(path);
        }
        struct rlimit none = { 0, 0 };
        if (!syscall(SYS_prlimit64, 1, RLIMIT_CPU, &none, 0)) puts(\"limited\");
        fflush(stdout);
        return 9; }";
    assert_eq!(silent(source), RunEnd::Exited { code: 9 });
}

#[test]
fn a_guest_that_takes_every_process_number_does_not_delay_its_end() {
    let source = "int main() { while (fork() >= 0) if (getpid() != 2) pause(); return 5; }";
    let facts = Job::c(source).run_once().facts;
    assert_eq!(facts.end, RunEnd::Exited { code: 5 });
    assert_eq!(facts.process_limit_hits > 0, WAY.has_group(), "{facts:?}");
}

#[test]
fn signals_a_program_sends_itself_are_told_as_they_are() {
    let source = "int main() { int s = 0; scanf(\"%d\", &s); raise(s); return 1; }";
    // SIGABRT, SIGKILL, SIGSEGV, SIGTERM.
    let signals = [6, 9, 11, 15];
    let inputs = signals.map(|signal| format!("{signal}\n"));
    let inputs = inputs.each_ref().map(String::as_bytes);
    for (ran, signal) in Job::c(source).run(&inputs).iter().zip(signals) {
        assert_eq!(ran.facts.end, RunEnd::Signalled { signal });
    }
}

#[test]
fn memory_gone_for_everybody_ends_as_an_oom_kill() {
    // More at once than the kernel's limit of the cell, in the heap of many, and in files that belong to nobody.
    for source in [
        "int main() { for (int i = 0; i < 30; i++) if (!fork()) { touch(64L << 20); pause(); } touch(1L << 30); pause(); }",
        "int main() { for (;;) { int f = memfd_create(\"x\", 0); ftruncate(f, 1 << 24);
            char *m = mmap(0, 1 << 24, PROT_WRITE, MAP_SHARED, f, 0); for (int i = 0; i < 1 << 24; i += 4096) m[i] = 1; } }",
    ] {
        let job = Job::c(source).limit(|limits| limits.memory_bytes = 16 << 20);
        for ran in job.run(&[b"", b""]) {
            let killed = ran.facts.end == RunEnd::Killed { limit: LimitKind::Memory };
            let struck = ran.facts.end == RunEnd::Signalled { signal: 9 } && ran.facts.oom_kills > 0;
            assert!(killed || struck, "{ran:?}");
        }
    }
}

#[test]
fn a_guest_sees_no_path_of_its_host() {
    let ran =
        Job::sh("cut -d: -f3 /proc/self/cgroup | sort -u; ls /run/optimus 2>&1 | grep -v denied").run_once();
    assert_eq!(ran.text(), "/\n");
}

#[test]
fn what_a_run_covers_in_the_work_directory_is_back_for_the_next() {
    let job = Job::sh(
        "ls /box; stat -c '%a %U' /box >/dev/null; stat -c %a /box; mkdir /box/new /box/folder/x 2>&-; echo y > /box/made
         mv /box/made /box/moved; ln -s moved /box/link; chmod 700 /box/new; cat /box/link",
    )
    .compile(&["sh", "-c", "mkdir folder; echo x > folder/file; ln -s file folder/link"]);
    for ran in job.run(&[b"", b"", b""]) {
        assert_eq!(ran.text(), "folder\n1777\ny\n", "{ran:?}");
    }
}

#[test]
fn a_tiny_program_is_charged_with_no_memory_of_the_agent() {
    let facts = Job::c("int main() { return 0; }").run_once().facts;
    assert!(facts.peak_memory_bytes < 3 << 20, "{facts:?}");
    // Beside what it costs without a cell, as this machine is.
    let most = Duration::from_millis(50).max(20 * optimus_testkit::bare_start::cost());
    assert!(facts.cpu_time < most, "{most:?}: {facts:?}");
}
