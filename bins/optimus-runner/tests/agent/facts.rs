//! What the agent reports of runs that stay within their limits.

use std::time::Duration;

use optimus_common::facts::{LimitKind, RunEnd};

use crate::{
    WAY,
    suite::{job::Job, session::Session},
};

#[test]
fn exit_codes_and_signals_are_told_apart() {
    let job = Job::sh("read how; case $how in exit*) exit ${how#exit};; *) kill -$how $$;; esac");
    let runs = job.run(&[
        b"exit0\n",
        b"exit3\n",
        b"exit137\n",
        b"exit255\n",
        b"SEGV\n",
        b"KILL\n",
        b"TERM\n",
    ]);
    let ends: Vec<_> = runs.into_iter().map(|run| run.facts.end).collect();
    let expected = [
        RunEnd::Exited { code: 0 },
        RunEnd::Exited { code: 3 },
        RunEnd::Exited { code: 137 },
        RunEnd::Exited { code: 255 },
        RunEnd::Signalled { signal: 11 },
        RunEnd::Signalled { signal: 9 },
        RunEnd::Signalled { signal: 15 },
    ];
    assert_eq!(ends, expected);
}

#[test]
fn input_and_both_outputs_are_carried_byte_by_byte() {
    let every_byte: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    // By their names in /dev, too: those are opened anew, which takes rights of its own.
    let ran = Job::sh("tee /dev/stderr < /dev/stdin > /dev/stdout")
        .run(&[&every_byte])
        .remove(0);
    assert_eq!(ran.stdout, every_byte);
    assert_eq!(ran.stderr, every_byte);
    assert_eq!(
        (ran.facts.stdout_bytes, ran.facts.stderr_bytes),
        (100_000, 100_000)
    );
}

#[test]
fn frames_in_the_output_are_only_output() {
    // An Exited, a Fault and a frame that announces 4 GiB.
    let forged = b"C\0\0\0\x02{}E\0\0\0\x04boomB\xff\xff\xff\xff";
    let ran = Job::command(&["cat"]).run(&[forged]).remove(0);
    assert_eq!(ran.stdout, forged);
    assert_eq!(ran.facts.end, RunEnd::Exited { code: 0 });
}

#[test]
fn an_input_of_64_mib_arrives_whole_and_is_not_counted_as_the_programs_memory() {
    let line = b"0123456789abcde\n".repeat(4 << 20);
    let job = Job::command(&["sha256sum"]).limit(|limits| limits.memory_bytes = 32 << 20);
    let runs = job.run(&[&line, b"", &line]);
    assert_eq!(runs[0].stdout, runs[2].stdout);
    assert!(
        runs[1]
            .text()
            .starts_with("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    );
    for run in &runs {
        assert_eq!(run.facts.end, RunEnd::Exited { code: 0 });
        assert!(run.facts.peak_memory_bytes < 16 << 20, "{:?}", run.facts);
    }
}

#[test]
fn an_output_of_16_mib_arrives_whole() {
    let ran = Job::sh("head -c 16777216 /dev/zero").run_once();
    assert_eq!(ran.stdout.len(), 16 << 20);
    assert_eq!(ran.facts.end, RunEnd::Exited { code: 0 });
}

/// Prints 4 MiB through standard output under some number, which it has tried to make non-blocking, and gives up at the first
/// error.
const HASTY: &str = "
#include <sys/ioctl.h>
static char text[1 << 20];
static void *print(void *descriptor) {
    int to = *(int *)descriptor;
    memset(text, 'x', sizeof text);
    for (int i = 0; i < 4; i++) for (size_t at = 0; at < sizeof text;) {
        ssize_t written = write(to, text + at, sizeof text - at);
        if (written < 0) exit(errno);
        at += written;
    }
    return 0;
}
int main() {
    int way = getchar(), on = 1, to = 1, other = way == '3' ? dup3(1, 50, O_CLOEXEC) : way == 'f' ? fcntl(1, F_DUPFD, 9) : dup(1);
    if (way == 'i' ? ioctl(other, FIONBIO, &on) : fcntl(other, F_SETFL, O_WRONLY | O_NONBLOCK)) return 100;
    if (way != '1') to = other;
    if (way == 'c') return fork() ? (wait(&on), on >> 8) : (print(&to), 0);
    if (way != 't') return print(&to) != 0;
    pthread_t thread;
    pthread_create(&thread, 0, print, &to);
    return pthread_join(thread, 0);
}";

#[test]
fn no_output_is_lost_by_a_duplicate_that_is_made_non_blocking() {
    let ways: [&[u8]; 6] = [b"1", b"3", b"f", b"i", b"c", b"t"];
    for (way, ran) in ways.iter().zip(Job::c(HASTY).run(&ways)) {
        assert_eq!(ran.facts.end, RunEnd::Exited { code: 0 }, "{way:?}");
        assert_eq!(ran.stdout.len(), 4 << 20, "{way:?}");
    }
}

#[test]
fn no_output_is_lost_by_a_stream_that_is_opened_non_blocking() {
    let names = [
        "/dev/stdout",
        "/dev/fd/1",
        "/proc/self/fd/1",
        "/proc/thread-self/fd/1",
        "pid",
        "/dev/fd/50",
    ];
    let ran = Job::c(
        "static char text[1 << 20];
        int main() {
            char name[64], own[64];
            scanf(\"%63s\", name);
            sprintf(own, \"/proc/%d/fd/1\", getpid());
            dup2(1, 50);
            int way = O_NONBLOCK | O_CLOEXEC, to = open(strcmp(name, \"pid\") ? name : own, O_WRONLY | O_TRUNC | way);
            if (to < 0 || fcntl(to, F_GETFD) != FD_CLOEXEC) return 100;
            memset(text, 'x', sizeof text);
            for (int i = 0; i < 4; i++) for (size_t at = 0; at < sizeof text;) {
                ssize_t written = write(to, text + at, sizeof text - at);
                if (written < 0) return errno;
                at += written;
            }
            /* What is no stream is opened as it was asked for. */
            if (mkfifo(\"/tmp/fifo\", 0600) || open(\"/tmp/fifo\", O_WRONLY | way) != -1 || errno != ENXIO) return 101;
            if (fcntl(open(\"/tmp/fifo\", O_RDWR | way), F_GETFL) != (O_RDWR | O_NONBLOCK | 0100000)) return 102;
            if (open(\"/tmp/file\", O_WRONLY | O_CREAT | way, 0600) < 0) return 103;
            return open((char *)1, O_WRONLY | way) != -1 || errno != EFAULT; }",
    )
    .run(&names.map(str::as_bytes));
    for (name, ran) in names.iter().zip(ran) {
        assert_eq!(ran.facts.end, RunEnd::Exited { code: 0 }, "{name}");
        assert_eq!(ran.stdout.len(), 4 << 20, "{name}");
    }
}

#[test]
fn descriptors_that_are_no_stream_can_be_made_non_blocking() {
    let ran = Job::c(
        "#include <sys/ioctl.h>
        int main() {
            int ends[2], on = 1;
            char block[4096] = {0};
            if (pipe(ends) || fcntl(ends[1], F_SETFL, O_WRONLY | O_NONBLOCK)) return 1;
            while (write(ends[1], block, sizeof block) > 0) {}
            if (errno != EAGAIN) return 2;
            if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) || ioctl(ends[0], FIONBIO, &on)) return 3;
            if (read(ends[0], block, 1) != -1 || errno != EAGAIN) return 4;
            return fcntl(77, F_SETFL, O_NONBLOCK) != -1 || errno != EBADF; }",
    )
    .run_once();
    assert_eq!(ran.facts.end, RunEnd::Exited { code: 0 });
}

/// The agent has other things to do than to answer.
#[test]
fn whoever_asks_without_end_is_kept_to_its_limits() {
    let job = Job::c(
        "static void *ask(void *unused) { for (;;) fcntl(9, F_SETFL, O_NONBLOCK); return unused; }
        int main() {
            dup2(1, 9);
            pthread_t thread;
            for (int i = 0; i < 8; i++) pthread_create(&thread, 0, ask, 0);
            ask(0); }",
    );
    let limit = Duration::from_secs(1);
    let job = job.limit(|limits| (limits.cpu_time, limits.wall_time) = (limit, limit * 2));
    let ran = job.run_once();
    assert!(
        matches!(
            ran.facts.end,
            RunEnd::Killed {
                limit: LimitKind::CpuTime | LimitKind::WallTime
            }
        ),
        "{ran:?}"
    );
}

#[test]
fn programs_that_ignore_or_close_their_streams_are_no_trouble() {
    let big = vec![b'x'; 1 << 20];
    assert_eq!(
        Job::sh("exit 0").run(&[&big])[0].facts.end,
        RunEnd::Exited { code: 0 }
    );
    let ran = Job::sh("exec <&- >&-; echo heard >&2; exec 2>&-; exit 7")
        .run(&[&big])
        .remove(0);
    assert_eq!(ran.facts.end, RunEnd::Exited { code: 7 });
    assert_eq!(ran.stderr, b"heard\n");
}

#[test]
fn two_hundred_tests_run_in_one_box() {
    let inputs: Vec<_> = (0..200).map(|n| format!("{n}\n").into_bytes()).collect();
    let inputs: Vec<_> = inputs.iter().map(Vec::as_slice).collect();
    for (run, input) in Job::sh("cat").run(&inputs).iter().zip(&inputs) {
        assert_eq!(run.stdout, *input);
    }
}

#[test]
fn a_program_that_cannot_be_executed_is_a_fact_and_the_box_goes_on() {
    let broken = Job::command(&["./main"])
        .file("main", b"\x7fELF not really")
        .compile(&["chmod", "755", "main"]);
    let cases = [
        Job::command(&["./absent"]),
        Job::command(&["no-such-program"]),
        Job::command(&["/etc/passwd"]),
        Job::command(&["./"]),
        Job::command(&[]),
        broken,
    ];
    for job in cases {
        for run in job.run(&[b"", b"unread"]) {
            assert!(
                matches!(&run.facts.end, RunEnd::NotStarted { error } if !error.is_empty()),
                "{job:?}: {run:?}"
            );
        }
    }
}

#[test]
fn arguments_and_environment_are_the_commands_own() {
    let mut job = Job::command(&["sh", "-c", "printf '%s\\n' \"$#\" \"${#1}\" \"$2\"; env", "sh"]);
    job.run
        .extend(["x".repeat(60_000), "two words; $HOME".to_owned()]);
    job.env.insert("GREETING".to_owned(), "two\nlines".to_owned());
    job.env.insert("HOME".to_owned(), "/box".to_owned());
    job.env.insert("BIG".to_owned(), "y".repeat(60_000));
    let ran = job.run_once();
    let text = ran.text();
    assert!(text.starts_with("2\n60000\ntwo words; $HOME\n"), "{text:.100}");
    for line in [
        "GREETING=two",
        "HOME=/box",
        "TMPDIR=/tmp",
        "LANG=C.UTF-8",
        "PWD=/box",
    ] {
        assert!(text.lines().any(|own| own == line), "{line} is missing");
    }
    assert!(text.contains(&format!("BIG={}", "y".repeat(60_000))));
    assert!(!text.contains("OPTIMUS_TEST_SECRET"));
}

#[test]
fn a_guest_has_a_name_and_a_home_and_writes_neither() {
    let look = "id -un; id -gn; echo $USER $LOGNAME $SHELL; cd ~ && : > note && pwd
        for file in passwd group; do echo x >> /run/users/$file || rm -f /run/users/$file || echo closed; done 2> /dev/null";
    let job = Job::sh(look).compile(&["sh", "-c", "id -un >&2; test $(id -un) = $USER"]);
    // Who has no UID but the agent's is root of the box's user namespace.
    let name = if WAY.has_uids() { "guest" } else { "root" };
    for ran in job.run(&[b"", b""]) {
        assert_eq!(
            ran.text(),
            format!("{name}\n{name}\n{name} {name} /bin/sh\n/tmp\nclosed\nclosed\n")
        );
    }
}

#[test]
fn time_and_memory_are_measured() {
    let job = Job::c("int main() { burn(300); touch(48 << 20); usleep(200000); return 0; }");
    let facts = job.run_once().facts;
    assert!(facts.cpu_time >= Duration::from_millis(300), "{facts:?}");
    assert!(
        facts.wall_time >= Duration::from_millis(500) && facts.wall_time >= facts.cpu_time,
        "{facts:?}"
    );
    assert!(
        (48 << 20..64 << 20).contains(&facts.peak_memory_bytes),
        "{facts:?}"
    );
    assert_eq!((facts.oom_kills, facts.process_limit_hits), (0, 0));
}

#[test]
fn results_come_as_each_run_ends() {
    let mut session = Session::start();
    session.send_job(&Job::command(&["cat"]));
    session.expect_compiled();
    for run in [7, 3, 4_000_000_000] {
        session.send_test(run, b"hello");
        let (named, ran) = session.next_run();
        assert_eq!((named, ran.stdout.as_slice()), (run, &b"hello"[..]));
    }
    session.send(optimus_protocol::FrameKind::End, &[]);
    session.expect_end();
}
