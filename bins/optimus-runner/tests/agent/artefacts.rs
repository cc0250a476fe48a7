//! Files that the worker asks for.

use optimus_protocol::{FileFound, FrameKind, Get};
use optimus_testkit::waiting::until_blocking;

use crate::suite::{
    job::Job,
    session::{Message, Session},
};

fn sealed(job: &Job) -> Session {
    let mut session = Session::start();
    session.send_job(job);
    session.expect_compiled();
    session
}

#[test]
fn what_the_compile_step_has_made_can_be_had_and_nothing_else() {
    let job = Job::sh("cat large")
        .file("src/source", b"kept")
        .compile(&[
            "sh",
            "-c",
            "head -c 3000000 /dev/urandom > large; echo hidden > own; chmod 600 own; : > empty
             echo made > .optimus/made; ln -s own link; ln -s .optimus way; ln -s / root; mkfifo pipe; mkdir folder
             echo x > closed; chmod 0 closed",
        ]);
    let mut session = sealed(&job);
    let mut had = |path: &str, most| session.get(path, most);
    assert_eq!(had("own", 100), (FileFound::Bytes(7), b"hidden\n".to_vec()));
    assert_eq!(had(".optimus/made", 5), (FileFound::Bytes(5), b"made\n".to_vec()));
    assert_eq!(had("src/source", 4), (FileFound::Bytes(4), b"kept".to_vec()));
    assert_eq!(had("empty", 0), (FileFound::Bytes(0), Vec::new()));
    assert_eq!(
        had("large", 2_999_999),
        (FileFound::TooLarge(3_000_000), Vec::new())
    );
    for path in [
        "missing",
        "link",
        "way/made",
        "root/etc/passwd",
        "pipe",
        "folder",
        "",
        ".",
        "..",
        "../run/optimus/job.json",
        "/run/optimus/job.json",
        "/box/own",
        "src/../own",
    ] {
        assert_eq!(had(path, 1 << 30), (FileFound::Missing, Vec::new()), "{path:?}");
    }
    // Its owner may not read it, unless that is root of its box.
    let closed = had("closed", 1 << 30).0;
    assert_eq!(closed == FileFound::Missing, crate::WAY.has_uids(), "{closed:?}");
    let (found, large) = had("large", 3_000_000);
    assert_eq!(found, FileFound::Bytes(3_000_000));
    session.send_test(0, b"");
    assert!(session.next_run().1.stdout == large);
    session.send(FrameKind::End, &[]);
    session.expect_end();
}

#[test]
fn what_a_run_leaves_beside_artefacts_cannot_be_had() {
    let job = Job::sh("echo mine > mine; chmod 644 mine; echo there; read line").compile(&[
        "sh",
        "-c",
        "echo x > made",
    ]);
    let mut session = sealed(&job);
    let id = session.send_live(0);
    match session.next() {
        Some(Message::Output(..)) => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(session.get("mine", 100), (FileFound::Missing, Vec::new()));
    assert_eq!(session.get("made", 100).0, FileFound::Bytes(2));
    session.send(FrameKind::Kill, &id.encode());
    match session.next() {
        Some(Message::Exited(exited)) => assert_eq!(exited.id, id),
        other => panic!("{other:?}"),
    }
    session.send(FrameKind::End, &[]);
    session.expect_end();
}

/// Several are asked for at once, and none of the answers is read for a while: there is never a whole one in the agent.
#[test]
fn files_are_sent_one_after_the_other_while_programs_run() {
    const BYTES: usize = 60_000_000;
    let job = Job::sh("echo ran").compile(&["sh", "-c", "head -c 60000000 /dev/zero > large"]);
    let mut session = sealed(&job);
    let agent = session.test_box.agent();
    let (before, read_before) = (highest_memory(agent), has_read(agent));
    session.deaf_while(|session| {
        for _ in 0..3 {
            let get = Get {
                path: "large".to_owned(),
                most_bytes: BYTES as u64,
            };
            session.send_message(FrameKind::Get, &get);
        }
        session.send_test(0, b"");
        // The channel is full of the first one then.
        until_blocking("a file is on its way", || {
            has_read(agent) > read_before + (200 << 10)
        });
    });
    let (mut files, mut bytes, mut ran) = (0, 0, false);
    while files < 3 || bytes < 3 * BYTES || !ran {
        match session.next() {
            Some(Message::File(found)) => {
                assert_eq!((found, bytes), (FileFound::Bytes(BYTES as u64), files * BYTES));
                files += 1;
            }
            Some(Message::Data(data)) => bytes += data.len(),
            Some(Message::Output(..)) => {}
            Some(Message::Exited(_)) => ran = true,
            other => panic!("{other:?}"),
        }
    }
    let grown = highest_memory(agent) - before;
    assert!(grown < BYTES as u64 / 4, "{grown} bytes more");
    session.send(FrameKind::End, &[]);
    session.expect_end();
}

/// The most bytes of memory that a process had at any time.
fn highest_memory(pid: u32) -> u64 {
    number_of(pid, "status", "VmHWM:") << 10
}

/// Bytes that a process has read.
fn has_read(pid: u32) -> u64 {
    number_of(pid, "io", "rchar:")
}

fn number_of(pid: u32, file: &str, name: &str) -> u64 {
    let lines = std::fs::read_to_string(format!("/proc/{pid}/{file}")).expect("the box lives");
    let line = lines.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.expect("the kernel tells it")
}
