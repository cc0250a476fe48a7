//! Nothing of a run reaches the next one.

use optimus_common::facts::{LimitKind, RunEnd};

use crate::suite::job::Job;

/// The places a run can write to, as a shell loop sees them.
const PLACES: &str = "/box /tmp /dev/shm";

/// Runs the script with input `first`, then looks from a second run at what is left.
fn leaves_nothing(script: &str) {
    let job = Job::sh(&format!(
        "read turn; if [ $turn = first ]; then {script}\nelse ls -A {PLACES}; fi"
    ))
    .file("kept.txt", b"part of the job");
    let runs = job.run(&[b"first\n", b"second\n", b"first\n", b"second\n"]);
    for ran in &runs {
        assert_eq!(ran.facts.end, RunEnd::Exited { code: 0 }, "{ran:?}");
    }
    for look in [&runs[1], &runs[3]] {
        assert_eq!(look.text(), "/box:\nkept.txt\n\n/dev/shm:\n\n/tmp:\n");
    }
}

#[test]
fn files_of_every_kind_are_removed() {
    leaves_nothing(
        "for at in /box /tmp /dev/shm; do cd $at
            echo x > file; echo x > .hidden; echo x > 'two
lines'; echo x > \"$(printf 'bad\\377name')\"; echo x > -rf
            mkfifo pipe; ln -s /etc/passwd link; ln -s / root; ln -s nowhere dangling; ln -s . self
            mkdir -p a/b/c; echo x > a/b/c/d; ln -s ../../.. a/b/up; ln a/b/c/d a/hard; mkfifo a/pipe
            mkdir sticky; chmod 1777 sticky; mkdir setgid; chmod 2777 setgid; echo x > sticky/file
        done",
    );
}

#[test]
fn folders_nobody_may_read_are_removed() {
    leaves_nothing(
        "cd /tmp; mkdir -p a/b/c; echo x > a/b/c/d; chmod 0 a/b/c/d a/b/c a/b a; mkdir -m 0 b; echo x > c; chmod 0 c",
    );
}

#[test]
fn very_deep_folders_are_removed() {
    // Deeper than a path can say. Landlock looks at every folder on the way, so each costs more than the one before.
    let source = "int main() {
        if (getchar() != 'd') return access(\"/tmp/d\", F_OK) == 0;
        chdir(\"/tmp\");
        for (int i = 0; i < 4000; i++) if (mkdir(\"d\", 0700) || chdir(\"d\")) return 2;
        return 0; }";
    for ran in Job::c(source).run(&[b"d", b"x", b"d", b"x"]) {
        assert_eq!(ran.facts.end, RunEnd::Exited { code: 0 }, "{ran:?}");
    }
}

#[test]
fn very_many_files_are_removed() {
    let source = "int main() {
        char name[64]; int n = 0;
        if (getchar() == 'm') for (; n < 1000000; n++) {
            snprintf(name, sizeof name, n % 3 ? \"/tmp/%d\" : \"/tmp/d%d\", n);
            if (n % 3 ? mknod(name, S_IFREG | 0600, 0) : mkdir(name, 0)) break;
        }
        printf(\"%d\", n); return access(\"/tmp/1\", F_OK) == (n ? -1 : 0); }";
    let runs = Job::c(source).run(&[b"m", b"x", b"m"]);
    for ran in &runs {
        assert_eq!(ran.facts.end, RunEnd::Exited { code: 0 });
    }
    assert!(
        runs[0].text().parse::<u32>().unwrap() > 10_000,
        "as many as fit: {}",
        runs[0].text()
    );
    assert_eq!(
        runs[0].text(),
        runs[2].text(),
        "the third run has as much room as the first"
    );
}

#[test]
fn processes_that_outlive_their_run_are_killed() {
    let source = "int main() {
        if (getchar() == 'l') {
            for (int i = 0; i < 5; i++) if (!fork()) {
                setsid();
                if (fork()) exit(0);
                for (int s = 1; s < 65; s++) signal(s, SIG_IGN);
                if (i == 4) raise(SIGSTOP);
                for (;;) { usleep(1000); close(open(\"/tmp/alive\", O_CREAT | O_WRONLY, 0666)); write(1, \"!\", 1); }
            }
            while (access(\"/tmp/alive\", F_OK)) usleep(100);
            return 0;
        }
        usleep(50000);
        return system(\"ls /tmp; set -- /proc/[0-9]*; echo $#\"); }";
    let runs = Job::c(source).run(&[b"l", b"x", b"l", b"x"]);
    for ran in &runs {
        assert_eq!(ran.facts.end, RunEnd::Exited { code: 0 });
    }
    // The agent, the program, and its shell.
    for look in [&runs[1], &runs[3]] {
        assert_eq!(look.text(), "3\n");
    }
}

#[test]
fn a_killed_run_leaves_nothing_either() {
    let job = Job::sh(
        "read turn; ls /tmp; [ $turn = second ] || { mkdir -p /tmp/a/b; sleep 1000 & while :; do :; done; }",
    )
    .limit(|limits| limits.cpu_time = std::time::Duration::from_secs(1));
    let runs = job.run(&[b"first\n", b"second\n"]);
    assert_eq!(
        runs[0].facts.end,
        RunEnd::Killed {
            limit: LimitKind::CpuTime
        }
    );
    assert_eq!(
        (&runs[1].facts.end, runs[1].text()),
        (&RunEnd::Exited { code: 0 }, "")
    );
}

#[test]
fn the_compile_step_leaves_nothing_but_its_artefacts() {
    let compile = "mkdir -p /tmp/a /dev/shm/b; echo x > /tmp/c; mkdir made; echo x > made/it
        (setsid sh -c 'while :; do echo x > /tmp/alive; echo x > /box/alive; done' &) ; sleep 0.1; rm -f /box/alive";
    let job = Job::sh(&format!(
        "sleep 0.1; rm -f /box/alive; ls -A {PLACES} | grep -v '^alive$'"
    ))
    .compile(&["sh", "-c", compile]);
    for ran in job.run(&[b"", b""]) {
        assert_eq!(ran.text(), "/box:\n.optimus\nmade\n\n/dev/shm:\n\n/tmp:\n");
    }
}

#[test]
fn kernel_objects_that_would_outlive_a_run_cannot_be_made() {
    let source = "int main() {
        printf(\"%d %d %d %d\\n\", (int)syscall(SYS_shmget, 1, 4096, 0x3ff), (int)syscall(SYS_semget, 1, 1, 0x3ff),
            (int)syscall(SYS_msgget, 1, 0x3ff), (int)syscall(SYS_mq_open, \"q\", O_CREAT | O_RDWR, 0666, 0));
        return 0; }";
    assert_eq!(Job::c(source).run_once().text(), "-1 -1 -1 -1\n");
}
