//! What a guest that has the agent's UID, and so owns all there is, finds closed all the same.

use optimus_common::facts::RunEnd;

use crate::suite::job::Job;

#[test]
fn artefacts_cannot_be_altered_by_a_run_that_owns_them() {
    let attack = "exec 2>&-; cat note folder/file; echo altered > note; echo forged > folder/file; rm -f program note folder/file
        mv note moved; mv folder moved; chmod 0 folder note; touch -d 2000-01-01 note; rm -rf folder; mkdir folder/new
        echo mine > scratch; cat scratch; rm scratch; cat note folder/file; ls -A; find note -newermt 2020-01-01";
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
        let left = ".optimus\nattack\nfolder\nnote\nprogram\nnote\n";
        assert_eq!(
            ran.text(),
            format!("kept\nkept\nmine\nkept\nkept\n{left}"),
            "{ran:?}"
        );
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
