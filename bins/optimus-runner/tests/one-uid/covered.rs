//! A guest that owns the artefacts can alter them, but only its own view of them.

use optimus_common::facts::RunEnd;

use crate::session::Job;

#[test]
fn what_a_run_does_to_artefacts_is_undone_for_the_next() {
    let attack = "cat note folder/file; echo altered > note; rm program folder/file; chmod 0 folder; rm -rf folder; mkdir folder
        echo forged > folder/file; cat note folder/file";
    let job = Job::command(&["./program"])
        .file("attack", attack.as_bytes())
        .compile(&[
            "sh",
            "-c",
            "mkdir folder; echo kept > note; echo kept > folder/file
             printf '#!/bin/sh\\nexec sh /box/attack\\n' > program; chmod 755 program",
        ]);
    for ran in job.run(&[b"", b"", b""]) {
        assert_eq!(ran.facts.end, RunEnd::Exited { code: 0 });
        assert_eq!(ran.text(), "kept\nkept\naltered\nforged\n", "{ran:?}");
    }
}

#[test]
fn the_compile_step_cannot_change_what_the_agent_will_do() {
    let job = Job::sh("echo honest").compile(&[
        "sh",
        "-c",
        "cat /run/optimus/job.json; (echo '{}' > /run/optimus/job.json); chmod 777 /run/optimus; ls /run/optimus; true",
    ]);
    assert_eq!(job.run_once().text(), "honest\n");
}
