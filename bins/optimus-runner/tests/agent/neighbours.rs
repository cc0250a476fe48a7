//! Runs that see each other: only where they share a box without cells.

use optimus_common::facts::RunEnd;

use crate::suite::job::Job;

#[test]
fn no_run_can_signal_its_neighbour_or_touch_its_files() {
    let job = Job::sh(
        "read me other; echo mine > /tmp/$me; echo $$ > /tmp/pid-$me
         while [ ! -s /tmp/pid-$other ]; do sleep 0.01; done
         kill -9 $(cat /tmp/pid-$other) 2>&- && echo killed; kill -9 -1 2>&-
         rm -f /tmp/$other 2>&- && echo removed; (echo forged > /tmp/$other) 2>&- && echo wrote
         sleep 0.3; cat /tmp/$me",
    )
    .slots(2);
    // kill -1 spares its sender's shell, and reaches nobody else: the neighbour has another UID.
    for ran in job.run(&[b"a b\n", b"b a\n"]) {
        assert_eq!(
            (&ran.facts.end, ran.text()),
            (&RunEnd::Exited { code: 0 }, "mine\n")
        );
    }
}
