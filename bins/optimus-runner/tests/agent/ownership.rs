//! What UIDs keep apart.

use optimus_common::facts::RunEnd;

use crate::suite::job::Job;

#[test]
fn artefacts_cannot_be_altered_even_if_the_compile_step_wants_them_to_be() {
    // What runs is `program`; the compile step opens everything to everybody.
    let compile = "mkdir -p open/deep; echo kept > open/deep/file; echo kept > note; mkfifo pipe; ln -s /tmp/x link
        printf '#!/bin/sh\\nexec sh /box/attack\\n' > program; chmod 06777 program; chmod -R 0777 open note; chmod 666 pipe";
    let attack = "cd /box
        for f in program note open/deep/file; do
            (echo altered > $f) 2>&- && echo wrote $f; rm -f $f 2>&- && echo removed $f; mv $f x 2>&- && echo moved $f
            chmod 777 $f 2>&- && echo changed $f
        done
        mkdir open/new 2>&- && echo made; rmdir open/deep 2>&- && echo removed deep; mv open x 2>&- && echo moved open
        (: > open/deep/new) 2>&- && echo made file; rm link 2>&- && echo removed link; (echo x 1<>pipe) 2>&- && echo piped
        ln note open/hard 2>&- && echo linked; cat note open/deep/file; find . -perm /07022 ! -type l ! -name .
        echo mine > scratch && cat scratch";
    let job = Job::command(&["./program"])
        .file("attack", attack.as_bytes())
        .compile(&["sh", "-c", compile]);
    for ran in job.run(&[b"", b""]) {
        assert_eq!(ran.facts.end, RunEnd::Exited { code: 0 });
        assert_eq!(ran.text(), "kept\nkept\nmine\n");
    }
}
