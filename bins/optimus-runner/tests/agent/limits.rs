//! Limits: each is enforced on the whole tree, and named in the facts.

use std::{
    process::{Child, Command},
    thread::{self, available_parallelism},
    time::Duration,
};

use optimus_common::facts::{LimitKind, RunEnd};

use crate::{
    WAY,
    suite::{
        boxes::{Neighbour, PROCESSES},
        job::Job,
        session::{Ran, Session},
    },
};

const CPU: Duration = Duration::from_millis(600);
const MEMORY: u64 = 64 << 20;

fn killed(ran: &Ran, limit: LimitKind) {
    assert_eq!(ran.facts.end, RunEnd::Killed { limit }, "{ran:?}");
}

/// Runs a program that uses too much CPU time, and another one after it.
fn cpu_is_limited(source: &str) {
    let job = Job::c(source).limit(|limits| limits.cpu_time = CPU);
    for ran in job.run(&[b"", b""]) {
        killed(&ran, LimitKind::CpuTime);
        assert!(ran.facts.cpu_time > CPU, "{:?}", ran.facts);
        assert!(ran.facts.cpu_time < CPU * 4, "caught late: {:?}", ran.facts);
    }
}

#[test]
fn a_busy_loop_is_killed_for_cpu_time() {
    cpu_is_limited("int main() { for (;;); }");
}

#[test]
fn cpu_time_of_a_grandchild_counts() {
    cpu_is_limited(
        "int main() { if (!fork()) { if (!fork()) for (;;); wait(0); exit(0); } wait(0); return 0; }",
    );
}

#[test]
fn cpu_time_of_an_orphan_in_its_own_session_counts() {
    cpu_is_limited("int main() { if (!fork()) { setsid(); if (!fork()) for (;;); exit(0); } pause(); }");
}

#[test]
fn cpu_time_of_children_that_nobody_waits_for_counts() {
    cpu_is_limited(
        "int main() { signal(SIGCHLD, SIG_IGN); for (;;) { if (!fork()) { burn(40); exit(0); } usleep(50000); } }",
    );
}

#[test]
fn whoever_is_slow_to_take_an_answer_does_not_stop_the_clocks() {
    cpu_is_limited(
        "int main() {
            cpu_set_t one; CPU_ZERO(&one); CPU_SET(sched_getcpu(), &one); sched_setaffinity(0, sizeof one, &one);
            struct sched_param none = {0};
            for (int i = 0; i < 48; i++) if (!fork()) {
                while (i % 6) {}
                burn(3); sched_setscheduler(0, SCHED_IDLE, &none); setpriority(PRIO_PROCESS, 0, 19);
                for (;;) close(open(\"/dev/stdout\", O_WRONLY | O_NONBLOCK));
            }
            for (;;); }",
    );
}

#[test]
fn a_storm_of_orphans_does_not_stop_the_clocks() {
    cpu_is_limited(
        "int main() { for (int i = 0; i < 4; i++) fork();
           for (;;) { int p = fork(); if (p > 0) waitpid(p, 0, 0); if (!p) { fork(); exit(0); } } }",
    );
}

#[test]
fn cpu_time_of_threads_adds_up() {
    cpu_is_limited(
        "void *spin(void *x) { for (;;); }
         int main() { pthread_t t; for (int i = 0; i < 3; i++) pthread_create(&t, 0, spin, 0); pause(); }",
    );
}

/// Busy programs, each in a control group beside the box's: wherever the kernel shares out CPU time by group, each gets as
/// much of it as a whole box.
struct Crowd(Vec<(Child, Neighbour)>);

impl Crowd {
    fn of(programs_per_cpu: usize) -> Self {
        let cpus = available_parallelism().expect("known on Linux").get();
        let program = |_| {
            let group = Neighbour::make();
            let script = format!("{}exec setsid sh -c 'while :; do :; done'", group.entering());
            let program = Command::new("sh").args(["-c", &script]).spawn();
            (program.expect("util-linux is there"), group)
        };
        Self((0..cpus * programs_per_cpu).map(program).collect())
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        for (program, _) in &mut self.0 {
            let _ = program.kill();
            let _ = program.wait();
        }
    }
}

#[test]
fn waiting_for_a_cpu_is_not_held_against_a_program() {
    let wall = Duration::from_secs(1);
    let job = Job::c("int main() { long ms; scanf(\"%ld\", &ms); burn(ms); return 0; }")
        .limit(|limits| limits.wall_time = wall);
    let longest = job.limits.longest_wall_time();
    let mut session = Session::start();
    session.send_job(&job);
    session.expect_compiled();
    let _crowd = Crowd::of(4);
    // How long it waits for so much time is the rest of the machine's affair as well.
    let proved = [300, 150, 600, 75, 300].into_iter().zip(0..).any(|(ms, run)| {
        session.send_test(run, format!("{ms}").as_bytes());
        let (_, ran) = session.next_run();
        let is_granted_all = ran.facts.wall_time >= longest;
        let end = RunEnd::Exited { code: 0 };
        assert!(ran.facts.end == end || is_granted_all, "{ran:?}");
        ran.facts.end == end && ran.facts.wall_time > wall
    });
    assert!(
        proved,
        "it never waited for more than its limit, and less than is granted"
    );
}

/// More than all pipes and buffers on the way hold.
const MUCH: &str =
    "for (int i = 0; i < 4; i++) { static char block[1 << 20]; fwrite(block, 1 << 20, 1, stdout); }";

#[test]
fn waiting_for_its_reader_is_not_held_against_a_program() {
    let wall = Duration::from_millis(500);
    let job = Job::c(&format!("int main() {{ {MUCH} return 0; }}")).limit(|limits| limits.wall_time = wall);
    let mut session = Session::start();
    session.send_job(&job);
    session.expect_compiled();
    session.deaf_while(|session| {
        session.send_test(0, b"");
        // The most that a wall clock ever grants, and more.
        thread::sleep(wall * 6);
    });
    let (_, ran) = session.next_run();
    assert_eq!(ran.facts.end, RunEnd::Exited { code: 0 }, "{ran:?}");
    assert_eq!(ran.stdout.len(), 4 << 20);
    assert!(
        ran.facts.held > wall * 4 && ran.facts.wall_time < wall * 4,
        "{:?}",
        ran.facts
    );
}

#[test]
fn cpu_time_is_limited_also_while_nobody_reads() {
    let source = format!(
        "void *print(void *x) {{ {MUCH} return 0; }}
         int main() {{ pthread_t t; pthread_create(&t, 0, print, 0); for (;;); }}"
    );
    let job = Job::c(&source).limit(|limits| {
        limits.cpu_time = CPU;
        // A clock that stands still must not be what ends it, nor one that goes on beside many others.
        limits.wall_time = CPU * 2;
    });
    let mut session = Session::start();
    session.send_job(&job);
    session.expect_compiled();
    session.deaf_while(|session| {
        session.send_test(0, b"");
        thread::sleep(CPU * 6);
    });
    let (_, ran) = session.next_run();
    killed(&ran, LimitKind::CpuTime);
    assert!(ran.facts.cpu_time < CPU * 4, "caught late: {:?}", ran.facts);
}

#[test]
fn a_sleeper_that_has_printed_is_killed_by_the_wall_clock_once_it_is_read() {
    let source = format!("int main() {{ {MUCH} fflush(stdout); sleep(1000); }}");
    // Enough to print all of it.
    let job = Job::c(&source).limit(|limits| limits.wall_time = CPU * 4);
    for ran in job.run(&[b""]) {
        killed(&ran, LimitKind::WallTime);
        assert_eq!(ran.stdout.len(), 4 << 20);
    }
}

#[test]
fn a_sleeper_is_killed_by_the_wall_clock() {
    let job = Job::command(&["sleep", "1000"]).limit(|limits| limits.wall_time = CPU);
    let ran = job.run_once();
    killed(&ran, LimitKind::WallTime);
    assert!(
        ran.facts.wall_time >= CPU && ran.facts.cpu_time < CPU,
        "{:?}",
        ran.facts
    );
}

#[test]
fn a_program_that_stops_itself_and_ignores_signals_is_killed_by_the_wall_clock() {
    let source = "int main() { for (int s = 1; s < 65; s++) signal(s, SIG_IGN); for (;;) raise(SIGSTOP); }";
    let job = Job::c(source).limit(|limits| limits.wall_time = CPU);
    for ran in job.run(&[b"", b""]) {
        killed(&ran, LimitKind::WallTime);
    }
}

pub(crate) fn memory_is_limited(job: Job) {
    let job = job.limit(|limits| limits.memory_bytes = MEMORY);
    for ran in job.run(&[b"", b""]) {
        killed(&ran, LimitKind::Memory);
        assert!(ran.facts.peak_memory_bytes > MEMORY, "{:?}", ran.facts);
        assert_eq!(
            ran.facts.oom_kills, 0,
            "the box has more memory than the run may use"
        );
    }
}

#[test]
fn memory_on_the_heap_is_limited() {
    memory_is_limited(Job::c(
        "int main() { for (;;) { touch(1 << 20); usleep(1000); } }",
    ));
}

#[test]
fn memory_of_many_small_processes_is_limited() {
    memory_is_limited(Job::c(
        "int main() { for (int i = 0; i < 40; i++) if (!fork()) { touch(4 << 20); pause(); } pause(); }",
    ));
}

#[test]
fn a_program_that_left_files_in_memory_behind_has_used_that_memory() {
    let facts = Job::sh("head -c 30000000 /dev/zero > /tmp/file").run_once().facts;
    assert_eq!(facts.end, RunEnd::Exited { code: 0 });
    assert!(facts.peak_memory_bytes >= 30_000_000, "{facts:?}");
}

#[test]
fn address_space_alone_is_no_memory() {
    let source = "int main() { return mmap(0, 1L << 36, PROT_READ | PROT_WRITE,
        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) == MAP_FAILED; }";
    let ran = Job::c(source)
        .limit(|limits| limits.memory_bytes = MEMORY)
        .run_once();
    assert_eq!(ran.facts.end, RunEnd::Exited { code: 0 });
    assert!(ran.facts.peak_memory_bytes < MEMORY, "{:?}", ran.facts);
}

#[test]
fn a_deep_stack_may_grow_to_the_memory_limit() {
    let source =
        "int deep(int n) { volatile char room[4096]; room[0] = n; return n ? deep(n - 1) + room[0] : 0; }
        int main() { deep(10000); return 0; }";
    let ran = Job::c(source)
        .limit(|limits| limits.memory_bytes = MEMORY)
        .run_once();
    assert_eq!(ran.facts.end, RunEnd::Exited { code: 0 });
}

#[test]
fn output_is_limited_to_the_byte() {
    for stream in ["", " >&2"] {
        let job = Job::sh(&format!("read n; head -c $n /dev/zero{stream}"))
            .limit(|limits| limits.output_bytes = 100_000);
        let runs = job.run(&[b"100000\n", b"100001\n", b"99999\n", b"30000000\n"]);
        let bytes = |ran: &Ran| {
            (
                ran.facts.stdout_bytes + ran.facts.stderr_bytes,
                ran.stdout.len() + ran.stderr.len(),
            )
        };
        for (ran, told) in [(&runs[0], 100_000), (&runs[2], 99_999)] {
            assert_eq!(ran.facts.end, RunEnd::Exited { code: 0 });
            assert_eq!(bytes(ran), (told, usize::try_from(told).unwrap()));
        }
        for ran in [&runs[1], &runs[3]] {
            killed(ran, LimitKind::Output);
            assert_eq!(bytes(ran), (100_001, 100_000));
        }
    }
}

#[test]
fn an_endless_flood_on_both_streams_ends() {
    let job = Job::sh("yes >&2 & exec yes").limit(|limits| limits.output_bytes = 1 << 20);
    for ran in job.run(&[b"", b""]) {
        killed(&ran, LimitKind::Output);
    }
}

#[test]
fn a_file_cannot_grow_beyond_its_limit() {
    let job = Job::sh("exec head -c 2000000 /dev/zero > /tmp/file")
        .limit(|limits| limits.file_size_bytes = 1 << 20);
    assert_eq!(
        job.run_once().facts.end,
        RunEnd::Signalled { signal: 25 },
        "SIGXFSZ"
    );
}

#[test]
fn open_files_are_limited() {
    let source =
        "int main() { int n = 0; while (open(\"/dev/null\", O_RDONLY) >= 0) n++; printf(\"%d\\n\", n); }";
    let ran = Job::c(source).limit(|limits| limits.open_files = 40).run_once();
    assert_eq!(ran.text(), "37\n");
}

#[test]
fn fork_bombs_end_with_their_run_and_the_next_one_is_unharmed() {
    let bombs = [
        "int main() { for (;;) fork(); }",
        "int main() { for (;;) if (fork() == 0) { setsid(); if (fork()) exit(0); } }",
        "void *more(void *x) { pthread_t t; for (;;) pthread_create(&t, 0, more, 0); }
         int main() { more(0); }",
    ];
    for bomb in bombs {
        // The first byte of the input decides: a bomb, or a program that needs processes itself.
        let source = bomb.replace("int main()", "int bomb()")
            + "int main() { if (getchar() == 'b') return bomb();
                for (int i = 0; i < 8; i++) if (!fork()) exit(0);
                int n = 0; while (wait(0) > 0) n++; printf(\"%d\\n\", n); return 0; }";
        // Much for a few processes, also on a machine that is emulated.
        let job = Job::c(&source).limit(|limits| limits.cpu_time = CPU * 2);
        let runs = job.run(&[b"b", b"x", b"b", b"x"]);
        for ran in [&runs[0], &runs[2]] {
            killed(ran, LimitKind::CpuTime);
            assert!(
                ran.facts.process_limit_hits > 0 || !WAY.has_group(),
                "{PROCESSES} processes are allowed: {:?}",
                ran.facts
            );
        }
        for ran in [&runs[1], &runs[3]] {
            assert_eq!((&ran.facts.end, ran.text()), (&RunEnd::Exited { code: 0 }, "8\n"));
        }
    }
}

#[test]
fn core_files_are_not_written() {
    let ran = Job::sh("ulimit -Hc; ulimit -c unlimited 2>&1 || echo refused").run_once();
    assert!(
        ran.text().starts_with("0\n") && ran.text().ends_with("refused\n"),
        "{}",
        ran.text()
    );
}
