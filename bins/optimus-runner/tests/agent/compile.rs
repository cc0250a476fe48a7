//! The compile step.

use std::time::Duration;

use optimus_common::facts::{LimitKind, RunEnd};
use optimus_protocol::{COMPILE_OUTPUT_KEPT, MOST_ENTRIES, Product};

use crate::suite::{
    job::Job,
    session::{Ran, Session},
};

/// Runs a compile step that fails, and checks that the box then ends in peace.
fn failed(job: &Job) -> Ran {
    let mut session = Session::start();
    session.send_job(job);
    let compiled = session.compiled().expect("there is a compile step");
    session.expect_end();
    compiled
}

#[test]
fn a_program_that_does_not_compile_ends_the_box_with_the_compilers_own_words() {
    let compiled = failed(&Job::c("int main() { return undeclared; }"));
    assert_eq!(compiled.facts.end, RunEnd::Exited { code: 1 });
    assert!(String::from_utf8_lossy(&compiled.stderr).contains("undeclared"));
}

#[test]
fn the_compile_step_has_limits_of_its_own() {
    let mut job = Job::c("#include \"/dev/zero\"\nint main() {}");
    job.compile_limits.memory_bytes = 128 << 20;
    let facts = failed(&job).facts;
    assert_eq!(
        facts.end,
        RunEnd::Killed {
            limit: LimitKind::Memory
        },
        "{facts:?}"
    );

    let mut job = Job::sh("true").compile(&["sleep", "1000"]);
    job.compile_limits.wall_time = Duration::from_millis(200);
    assert_eq!(
        failed(&job).facts.end,
        RunEnd::Killed {
            limit: LimitKind::WallTime
        }
    );

    let mut job = Job::sh("true").compile(&["yes"]);
    job.compile_limits.output_bytes = 1000;
    let compiled = failed(&job);
    assert_eq!(
        compiled.facts.end,
        RunEnd::Killed {
            limit: LimitKind::Output
        }
    );
    assert_eq!(compiled.stdout.len(), 1000);
}

#[test]
fn a_compiler_that_says_much_is_heard_out_and_cut() {
    let kept = usize::try_from(COMPILE_OUTPUT_KEPT).unwrap();
    let job = Job::sh("cat made").compile(&[
        "sh",
        "-c",
        "head -c 3000000 /dev/zero >&2; echo out; echo x > made",
    ]);
    let mut session = Session::start();
    session.send_job(&job);
    let compiled = session.compiled().unwrap();
    assert_eq!(compiled.facts.end, RunEnd::Exited { code: 0 });
    assert_eq!(
        (compiled.facts.stderr_bytes, compiled.stderr.len()),
        (3_000_000, kept)
    );
    assert_eq!((compiled.facts.stdout_bytes, compiled.text()), (4, "out\n"));
    assert_eq!(session.run_all(&[b""])[0].text(), "x\n");
    session.expect_end();
}

#[test]
fn a_compile_step_that_makes_no_program_ends_the_box_in_peace() {
    for (script, made) in [
        ("true", false),
        ("echo x > main", false),
        ("mkdir main", false),
        ("ln -s nowhere main", false),
        ("cp /bin/true main", true),
    ] {
        let job = Job::command(&["./main"])
            .compile(&["sh", "-c", script])
            .program("main");
        let mut session = Session::start();
        session.send_job(&job);
        let (compiled, missing) = session.compile_done();
        assert_eq!(compiled.unwrap().facts.end, RunEnd::Exited { code: 0 });
        assert_eq!(missing, !made, "{script}");
        if made {
            session.run_all(&[b""]);
        }
        session.expect_end();
    }
}

#[test]
fn a_compile_step_that_leaves_too_many_files_ends_the_box_in_peace() {
    for (beside_the_source, too_many) in [(MOST_ENTRIES, false), (MOST_ENTRIES + 1, true)] {
        let script = format!(
            "mkdir made && cd made && seq {beside_the_source} | xargs touch && mv * .. && cd .. && rmdir made"
        );
        let job = Job::command(&["true"])
            .file("source", b"x")
            .compile(&["sh", "-c", &script]);
        let mut session = Session::start();
        session.send_job(&job);
        let (compiled, sealed) = session.compile_step_done();
        assert_eq!(compiled.unwrap().facts.end, RunEnd::Exited { code: 0 });
        assert_eq!(sealed.unwrap().too_many_entries, too_many, "{beside_the_source}");
        if !too_many {
            session.run_all(&[b""]);
        }
        session.expect_end();
    }
}

#[test]
fn a_compile_step_that_makes_nothing_for_another_program_ends_the_box_in_peace() {
    let named = |name: &str| Product::Named(name.to_owned());
    for (product, script, made) in [
        (named(".optimus/main.jar"), "true", false),
        (named(".optimus/main.jar"), "mkdir .optimus/main.jar", false),
        (
            named(".optimus/main.jar"),
            "ln -s nowhere .optimus/main.jar",
            false,
        ),
        (named(".optimus/main.jar"), "echo x > .optimus/main.jar", true),
        (
            named(".optimus/main.jar"),
            "ln -s main.jar .optimus/main.jar",
            true,
        ),
        (named(".optimus/main.jar/x"), "echo x > .optimus/main.jar", false),
        (named(".optimus"), "echo x > beside", false),
        (named(".optimus"), "echo x > .optimus/Main.class", true),
        (
            named(".optimus"),
            "echo x > .optimus/Main.class; chmod 0 .optimus",
            true,
        ),
        (
            Product::Anything,
            "mkdir -p a/b; echo y > src/one; echo x > /tmp/elsewhere",
            false,
        ),
        (Product::Anything, "mkdir -p a/b; echo x > a/b/c", true),
        (Product::Anything, "echo x > src/two", true),
        (Product::Unknown, "true", true),
    ] {
        let job = Job::command(&["true"])
            .file("src/one", b"x")
            .compile(&["sh", "-c", &format!("mkdir -p .optimus; {script}")])
            .product(product.clone());
        let mut session = Session::start();
        session.send_job(&job);
        let (compiled, missing) = session.compile_done();
        assert_eq!(compiled.unwrap().facts.end, RunEnd::Exited { code: 0 });
        assert_eq!(missing, !made, "{product:?}: {script}");
        if made {
            session.run_all(&[b""]);
        }
        session.expect_end();
    }
}

#[test]
fn a_compiler_that_is_missing_is_a_fact() {
    let facts = failed(&Job::sh("true").compile(&["no-such-compiler"])).facts;
    assert!(matches!(facts.end, RunEnd::NotStarted { .. }), "{facts:?}");
}

#[test]
fn sources_lie_in_their_folders_and_belong_to_the_compile_step() {
    let source = vec![b'/'; 3 << 20];
    let job = Job::sh("cat got")
        .file("src/deep/util.c", b"x")
        .file("empty", b"")
        .file("src/big.c", &source)
        .compile(&["sh", "-c", "find . -type f -size -9999999c -printf '%P %s %m\\n' | sort > /tmp/l; mv /tmp/l got; echo x > src/big.c"]);
    assert_eq!(
        job.run_once().text(),
        "empty 0 644\nsrc/big.c 3145728 644\nsrc/deep/util.c 1 644\n"
    );
}

#[test]
fn the_compile_step_runs_once_for_all_tests() {
    let job = Job::sh("cat stamp").compile(&["sh", "-c", "head -c 32 /dev/urandom | sha256sum > stamp"]);
    let runs = job.run(&[b"", b"", b""]);
    assert!(
        runs.iter()
            .all(|ran| ran.stdout == runs[0].stdout && !ran.stdout.is_empty())
    );
}

#[test]
fn orphans_of_the_compile_step_count_and_die() {
    let mut job = Job::sh("true").compile(&[
        "sh",
        "-c",
        "(setsid sh -c 'while :; do :; done' &); exec sleep 1000",
    ]);
    job.compile_limits.cpu_time = Duration::from_millis(300);
    assert_eq!(
        failed(&job).facts.end,
        RunEnd::Killed {
            limit: LimitKind::CpuTime
        }
    );
}
