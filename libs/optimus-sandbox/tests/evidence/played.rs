//! Waits of a program's own making, which look like one for a disk.

use std::time::Duration;

use optimus_common::{facts::RunFacts, result::Verdict};

use crate::{place::Place, program::limits};

/// One thread holds a lock of its memory all the time, which the other waits for where no signal reaches it.
pub(crate) async fn who_waits_for_another_thread_waits_for_no_disk(place: &Place) {
    const TIME: Duration = Duration::from_secs(2);
    let command = format!("locked 1 {}", TIME.as_millis());
    let ran = place.run(limits(), &[command]).await.remove(0);
    let RunFacts { waited_for_io, .. } = ran.facts;
    println!("{waited_for_io:?} waiting for the disk");
    assert_eq!(ran.verdict, Verdict::Accepted, "{ran:?}");
    assert!(
        waited_for_io.is_none_or(|waited| waited < TIME / 4),
        "it has waited for no disk: {ran:?}"
    );
}
