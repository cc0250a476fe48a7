//! System calls that the filter refuses, and some that it must let through.

use optimus_common::facts::RunEnd;

use crate::suite::job::Job;

/// Prints the name of every call that does not fail with ENOSYS or EPERM.
const TRY: &str = "
#define TRY(name, ...) do { errno = 0; \
    if (syscall(name, ##__VA_ARGS__) != -1 || errno != ENOSYS) puts(#name); } while (0)
";

#[test]
fn dangerous_calls_are_refused() {
    let source = format!(
        "{TRY}
        int main() {{
            char b[256] = {{0}};
            TRY(425, 4, b); TRY(426, 0, 0, 0, 0, 0, 0); TRY(427, 0, 0, 0, 0);
            TRY(SYS_keyctl, 0, -3, 1); TRY(SYS_add_key, \"user\", \"a\", \"b\", 1, -3); TRY(SYS_request_key, 0, 0, 0, 0);
            TRY(SYS_bpf, 0, b, sizeof b); TRY(SYS_perf_event_open, b, 0, -1, -1, 0); TRY(SYS_userfaultfd, 1);
            TRY(SYS_ptrace, 0, 0, 0, 0); TRY(SYS_process_vm_readv, getpid(), b, 0, b, 0, 0);
            TRY(SYS_process_vm_writev, getpid(), b, 0, b, 0, 0); TRY(438, 0, 0, 0); TRY(SYS_kcmp, 1, 1, 0, 0, 0);
            TRY(SYS_mount, \"a\", \"/tmp\", \"tmpfs\", 0, 0); TRY(SYS_umount2, \"/tmp\", 0); TRY(SYS_pivot_root, \"/\", \"/\");
            TRY(SYS_chroot, \"/tmp\"); TRY(428, -100, \"/\", 1); TRY(429, -1, \"\", -1, \"\", 0); TRY(430, \"tmpfs\", 0);
            TRY(SYS_unshare, 0); TRY(SYS_unshare, 0x10000000); TRY(SYS_setns, 0, 0); TRY(435, b, 88);
            TRY(SYS_clone, 0x10000000 | SIGCHLD, 0, 0, 0, 0); TRY(SYS_clone, 0x40000000 | SIGCHLD, 0, 0, 0, 0);
            TRY(SYS_init_module, b, 1, \"\"); TRY(SYS_finit_module, 0, \"\", 0); TRY(SYS_kexec_load, 0, 0, 0, 0);
            TRY(SYS_settimeofday, b, 0); TRY(SYS_clock_settime, 0, b); TRY(SYS_adjtimex, b); TRY(SYS_clock_adjtime, 0, b);
            TRY(SYS_reboot, 0, 0, 0, 0); TRY(SYS_swapon, \"a\", 0); TRY(SYS_acct, 0); TRY(SYS_quotactl, 0, 0, 0, 0);
            TRY(SYS_syslog, 3, b, 1); TRY(SYS_sethostname, \"a\", 1); TRY(SYS_sync);
            TRY(SYS_shmget, 0, 4096, 0x3ff); TRY(SYS_semget, 0, 1, 0x3ff); TRY(SYS_msgget, 0, 0x3ff);
            TRY(SYS_mq_open, \"a\", O_CREAT | O_RDWR, 0600, 0);
            TRY(SYS_name_to_handle_at, -100, \"/\", b, b, 0); TRY(SYS_open_by_handle_at, 0, b, 0);
            TRY(SYS_personality, 0x0800000); TRY(SYS_fanotify_init, 0, 0); TRY(SYS_vmsplice, 1, b, 0, 0);
            TRY(SYS_io_setup, 1, b); TRY(SYS_setuid, getuid()); TRY(SYS_setresgid, -1, -1, -1); TRY(SYS_setresuid, -1, -1, -1);
            TRY(SYS_setgroups, 0, 0); TRY(SYS_capset, 0, 0); TRY(SYS_seccomp, 1, 0, 0);
            // The kernel would say that there is no such descriptor.
            for (int i = 0; i < 2; i++) for (long upper = 0; upper < 2; upper++)
                if (syscall(SYS_ioctl, -1, upper << 32 | (i ? 0x5412 : 0x541C), b) != -1 || errno != ENOTTY) puts(\"SYS_ioctl\");
            return 0; }}"
    );
    let ran = Job::c(&source).run_once();
    assert_eq!((&ran.facts.end, ran.text()), (&RunEnd::Exited { code: 0 }, ""));
}

#[test]
fn only_plain_sockets_can_be_made() {
    let source = format!(
        "{TRY}
        int main() {{
            for (int family = 0; family < 48; family++) for (int type = 0; type < 16; type++) {{
                int plain = (family == AF_UNIX || family == AF_INET || family == AF_INET6)
                    && (type == SOCK_STREAM || type == SOCK_DGRAM);
                errno = 0;
                int made = socket(family, type | SOCK_CLOEXEC, 0);
                if (plain ? made < 0 : made != -1 || errno != ENOSYS) printf(\"%d %d\\n\", family, type);
                close(made);
            }}
            TRY(SYS_socket, AF_INET, SOCK_STREAM, 262); TRY(SYS_socket, AF_INET, SOCK_STREAM, 132);
            TRY(SYS_socketpair, AF_INET, SOCK_STREAM, 0, 0);
            int pair[2];
            return socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair); }}"
    );
    let ran = Job::c(&source).run_once();
    assert_eq!((&ran.facts.end, ran.text()), (&RunEnd::Exited { code: 0 }, ""));
}

/// Pages that a socket or a pipe is given instead of a copy are memory of nobody's, and each piece, however small, takes a place in a
/// pipe. What programs fall back from to reading and writing is this one answer.
#[test]
fn no_pages_are_handed_on() {
    let source = "
        static char block[65536];
        int main() {
            int file = memfd_create(\"x\", 0), pair[2], ends[2];
            off_t at = 0;
            if (write(file, block, sizeof block) != sizeof block || pipe(ends)) return 1;
            if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair)) return 2;
            int targets[] = {pair[0], ends[1], 1, memfd_create(\"y\", 0)};
            for (int i = 0; i < 4; i++) {
                if (syscall(SYS_sendfile, targets[i], file, &at, 1L) != -1 || errno != EINVAL) return 3;
                if (syscall(SYS_splice, file, &at, targets[i], 0L, 1L, 0L) != -1 || errno != EINVAL) return 4;
            }
            // A copy is one, and only files can be its target.
            if (syscall(SYS_copy_file_range, file, &at, targets[3], 0L, sizeof block, 0L) != sizeof block) return 5;
            at = 0;
            for (int i = 0; i < 3; i++)
                if (syscall(SYS_copy_file_range, file, &at, targets[i], 0L, 1L, 0L) != -1) return 6;
            return 0; }";
    let ran = Job::c(source).run_once();
    assert_eq!((&ran.facts.end, ran.text()), (&RunEnd::Exited { code: 0 }, ""));
}

#[cfg(target_arch = "x86_64")]
#[test]
fn calls_of_other_architectures_do_not_slip_past() {
    // getpid by its number of i386, and of x32.
    let source = "int main() {
        if (getchar() == '3') { long r; __asm__ volatile(\"int $0x80\" : \"=a\"(r) : \"a\"(20)); return 1; }
        return !(syscall(0x40000000 | SYS_getpid) == -1 && errno == ENOSYS); }";
    let runs = Job::c(source).run(&[b"3", b"x"]);
    assert_eq!(runs[0].facts.end, RunEnd::Signalled { signal: 31 }, "SIGSYS");
    assert_eq!(runs[1].facts.end, RunEnd::Exited { code: 0 });
}

/// SQLite, with either of its journals, in the way it locks its files.
#[test]
fn a_data_base_works_though_no_record_lock_is_made() {
    let source = "
import os, sqlite3
for mode in ('delete', 'wal'):
    for place in ('/box', '/tmp'):
        file = f'{place}/{mode}.db'
        one = sqlite3.connect(file)
        assert one.execute(f'pragma journal_mode={mode}').fetchone() == (mode,)
        one.execute('create table numbers (number)')
        with one:
            one.executemany('insert into numbers values (?)', ((n,) for n in range(1000)))
        other = sqlite3.connect(file)
        print(*other.execute('select sum(number) from numbers').fetchone())
        one.close()
        other.close()
";
    let ran = Job::command(&["python3", "main.py"])
        .file("main.py", source.as_bytes())
        .run_once();
    assert_eq!(ran.text(), "499500\n".repeat(4), "{:?}", ran.facts);
}

#[test]
fn what_programs_need_is_allowed() {
    let source = "
        void *thread(void *x) { return x; }
        int main() {
            pthread_t t; if (pthread_create(&t, 0, thread, 0) || pthread_join(t, 0)) return 1;
            if (system(\"echo from a child | cat\")) return 2;
            FILE *p = popen(\"cat > /dev/null\", \"w\"); fputs(\"x\", p); if (pclose(p)) return 3;
            if (mkfifo(\"/tmp/fifo\", 0600) || symlink(\"a\", \"/tmp/b\") || rename(\"/tmp/b\", \"/tmp/c\")) return 4;
            char name[] = \"/tmp/fXXXXXX\"; int f = mkstemp(name);
            if (ftruncate(f, 100) || flock(f, 2) || fsync(f) || fchmod(f, 0600)) return 5;
            if (mmap(0, 100, PROT_READ, MAP_SHARED, f, 0) == MAP_FAILED) return 6;
            timer_t timer; if (timer_create(CLOCK_MONOTONIC, 0, &timer)) return 7;
            if (shm_open(\"/name\", O_CREAT | O_RDWR, 0600) < 0 || memfd_create(\"m\", 0) < 0) return 8;
            if (setpriority(PRIO_PROCESS, 0, 5) || sched_yield() || nice(1) == -1) return 9;
            return 0; }";
    let source = source.replace("int main", "#include <sys/file.h>\nint main");
    let ran = Job::c(&source).run_once();
    assert_eq!(
        (&ran.facts.end, ran.text()),
        (&RunEnd::Exited { code: 0 }, "from a child\n")
    );
}
