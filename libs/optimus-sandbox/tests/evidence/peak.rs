//! Reported memory against what a program has touched.

use optimus_common::limits::Limits;
use optimus_testkit::boxes::Kind;

use crate::{place::Place, program::limits};

/// What a figure may be off by: a twentieth, or this.
const SMALL: u64 = 1 << 20;

/// KiB touched.
const SIZES: [u64; 4] = [1 << 10, 8 << 10, 50 << 10, 180 << 10];

pub(crate) async fn memory_is_what_a_program_has_touched(place: &Place) {
    let limits = Limits {
        memory_bytes: 300 << 20,
        ..limits()
    };
    // In a container nobody looks into a program before some milliseconds have passed, and several processes are seen
    // together only while they live.
    let hold = match place.kind {
        Kind::Native => 0,
        Kind::Container => 50,
    };
    let ways = [
        "heap 1", "mmap 1", "stack 1", "shared 1", "file 1", "freed 1", "family 4",
    ];
    let mut wrong = Vec::new();
    for way in ways {
        let commands = SIZES.map(|kib| format!("{way} {kib} {hold}"));
        for ((ran, command), kib) in place
            .run(limits, &commands)
            .await
            .iter()
            .zip(&commands)
            .zip(SIZES)
        {
            let (touched, told) = (kib << 10, ran.facts.peak_memory_bytes);
            let off = told.abs_diff(touched);
            println!(
                "{command}: {} KiB told by {:?}, {} KiB {}",
                told >> 10,
                ran.facts.peak_memory_from,
                off >> 10,
                if told < touched { "too few" } else { "too many" }
            );
            if off > SMALL.max(touched / 20) {
                wrong.push(format!("{command}: {ran:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
