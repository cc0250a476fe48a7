//! Memory that the kernel keeps after a run has ended, and is charged to whoever asked for it.

use std::{fmt::Write, fs, path::Path};

use optimus_common::facts::RunEnd;
use rustix::fs::{Advice, fadvise};

use crate::suite::{
    job::Job,
    session::{Message, Session},
};

/// Names of files that are not there, and nobody has asked for yet. The kernel remembers them, in some 200 bytes each.
const NAMES: &str = "500000";

/// More than a program that does nothing is told.
const TRIVIAL: u64 = 3 << 19;

#[test]
fn what_an_earlier_run_made_the_kernel_keep_is_not_the_next_ones() {
    let job = Job::c("int main() {
        int names = 0; scanf(\"%d\", &names);
        char path[64]; struct stat s; struct timespec now; clock_gettime(CLOCK_REALTIME, &now);
        for (int i = 0; i < names; i++) { snprintf(path, 64, \"/usr/%lx-%lx-%d\", now.tv_sec, now.tv_nsec, i); stat(path, &s); }
        return 0; }");
    let mut session = Session::start();
    session.send_job(&job.limit(|limits| limits.memory_bytes = 256 << 20));
    session.expect_compiled();
    let mut peak_of = |run: u32, input: &str| {
        session.send_test(run, input.as_bytes());
        let facts = session.next_run().1.facts;
        assert_eq!(facts.end, RunEnd::Exited { code: 0 }, "{facts:?}");
        (facts.peak_memory_bytes, session.test_box.groups())
    };
    let (_, before) = peak_of(0, "0");
    let (_, same) = peak_of(1, NAMES);
    assert_eq!(before, same, "what leaves nothing needs no other group");
    for run in 2..5 {
        let (after, groups) = peak_of(run, "0");
        assert_ne!(groups, same);
        assert!(after <= TRIVIAL, "{after}");
    }
}

/// More than a program is told that reads files in small pieces.
const MOST_OF_READING: u64 = 8 << 20;

/// Large files of this host that boxes see as they are.
fn files_of(folder: &Path, found: &mut String) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let (path, about) = (entry.path(), entry.metadata().expect("it is there"));
        if about.is_dir() {
            files_of(&path, found);
        } else if about.is_file() && about.len() > 1 << 16 {
            writeln!(found, "{}", path.display()).expect("text");
        }
    }
}

#[test]
fn files_that_were_read_are_neither_a_runs_memory_nor_the_next_ones() {
    let mut files = String::new();
    // No libraries: runs beside this one are charged with what they read of them.
    files_of(Path::new("/usr/lib/gcc"), &mut files);
    // As if nobody had read them yet.
    let mut bytes = 0;
    for path in files.lines() {
        let file = fs::File::open(path).expect("root may");
        bytes += file.metadata().expect("it is there").len();
        fadvise(&file, 0, None, Advice::DontNeed).expect("it is a file");
    }
    assert!(
        bytes > 4 * MOST_OF_READING,
        "a compiler is to be read: {bytes} bytes"
    );
    let job = Job::sh("while read file; do cat $file; done > /dev/null")
        .limit(|limits| limits.memory_bytes = 64 << 20);
    let runs = job.run(&[b"", files.as_bytes(), b"", b"", b""]);
    for (index, run) in runs.iter().enumerate() {
        assert_eq!(run.facts.end, RunEnd::Exited { code: 0 }, "{run:?}");
        let most = if index == 1 { MOST_OF_READING } else { TRIVIAL };
        assert!(run.facts.peak_memory_bytes <= most, "{index}: {:?}", run.facts);
    }
}

/// The kernel lets go of what it keeps whenever it likes, so that the next run can grow unseen below what was there before.
#[test]
fn what_the_kernel_lets_go_of_during_a_run_hides_nothing_of_it() {
    let job = Job::c("int main() {
        int names = 0, wait = 0; scanf(\"%d %d\", &names, &wait);
        char path[64]; struct stat s; struct timespec now; clock_gettime(CLOCK_REALTIME, &now);
        for (int i = 0; i < names; i++) { snprintf(path, 64, \"/usr/%lx-%lx-%d\", now.tv_sec, now.tv_nsec, i); stat(path, &s); }
        puts(\"started\"); fflush(stdout); usleep(wait * 1000);
        if (wait) { void *spike = mmap(0, 1 << 21, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            memset(spike, 1, 1 << 21); munmap(spike, 1 << 21); }
        return 0; }");
    let mut session = Session::start();
    session.send_job(&job);
    session.expect_compiled();
    for round in 0..3 {
        // Some 2 MB.
        session.send_test(2 * round, b"10000 0");
        session.next_run();
        session.send_test(2 * round + 1, b"0 500");
        let Some(Message::Output(step, stream, data)) = session.next() else {
            panic!("it prints first");
        };
        session.keep(step, stream, &data);
        fs::write("/proc/sys/vm/drop_caches", "2").expect("root may");
        let facts = session.next_run().1.facts;
        let told = facts.peak_memory_bytes;
        assert!(((2 << 20)..(2 << 20) + TRIVIAL).contains(&told), "{facts:?}");
    }
}
