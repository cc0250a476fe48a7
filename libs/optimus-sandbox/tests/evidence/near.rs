//! Verdicts near a limit, on a machine that is busy.

use std::time::Duration;

use futures_util::future::join_all;
use optimus_common::{limits::Limits, result::Verdict};

use crate::{
    burners::Burners,
    place::Place,
    program::{Ran, limits},
};

const TIMES: usize = 50;

const CPU: Duration = Duration::from_millis(200);
const WALL: Duration = Duration::from_millis(300);
const MEMORY: u64 = 64 << 20;
const OUTPUT: u64 = 1_000_000;

/// A limit, and programs that come near it: each uses so many percent of it, in one of several ways.
struct Near {
    limit: &'static str,
    limits: Limits,
    /// The verdict of what is over the limit.
    over: Verdict,
    command: fn(percent: u64, number: usize) -> String,
}

fn all() -> [Near; 4] {
    [
        Near {
            limit: "CPU time",
            limits: Limits {
                cpu_time: CPU,
                ..limits()
            },
            over: Verdict::TimeLimitExceeded,
            command: |percent, number| {
                let ms = u64::try_from(CPU.as_millis()).unwrap() * percent / 100;
                match number % 3 {
                    0 => format!("process 1 {ms}"),
                    1 => format!("threads 2 {}", ms / 2),
                    _ => format!("children 2 {}", ms / 2),
                }
            },
        },
        Near {
            limit: "wall time",
            limits: Limits {
                wall_time: WALL,
                ..limits()
            },
            over: Verdict::TimeLimitExceeded,
            command: |percent, _| {
                let ms = u64::try_from(WALL.as_millis()).unwrap() * percent / 100;
                format!("sleep 1 {ms}")
            },
        },
        Near {
            limit: "memory",
            limits: Limits {
                memory_bytes: MEMORY,
                ..limits()
            },
            over: Verdict::MemoryLimitExceeded,
            command: |percent, number| {
                let kib = (MEMORY >> 10) * percent / 100;
                match number % 4 {
                    0 => format!("heap 1 {kib}"),
                    1 => format!("mmap 1 {kib}"),
                    2 => format!("shared 1 {kib}"),
                    // Several processes of a container are seen together only while they live.
                    _ => format!("family 3 {kib} 50"),
                }
            },
        },
        Near {
            limit: "output",
            limits: Limits {
                output_bytes: OUTPUT,
                ..limits()
            },
            over: Verdict::OutputLimitExceeded,
            command: |percent, number| format!("print {} {}", 1 + number % 2, OUTPUT * percent / 100),
        },
    ]
}

/// Below and above a limit at once, beside as many programs that never stop as there are CPUs.
pub(crate) async fn every_verdict_near_a_limit_is_the_same_fifty_times(place: &Place) {
    let _burners = Burners::start();
    let mut wrong = Vec::new();
    for near in all() {
        let below_and_above = [(90, Verdict::Accepted), (115, near.over)].map(async |(percent, expected)| {
            let commands: Vec<_> = (0..TIMES).map(|number| (near.command)(percent, number)).collect();
            let runs = place.run(near.limits, &commands).await;
            report(near.limit, percent, &runs);
            let other = runs
                .iter()
                .zip(&commands)
                .find(|(ran, _)| ran.verdict != expected);
            other.map(|(ran, command)| format!("{percent} % of {}: {command}: {ran:?}", near.limit))
        });
        wrong.extend(join_all(below_and_above).await.into_iter().flatten());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What was measured, in one line.
fn report(limit: &str, percent: u64, runs: &[Ran]) {
    let again = runs.iter().filter(|ran| ran.earlier.is_some()).count();
    let facts = || runs.iter().map(|ran| &ran.facts);
    let cpu = facts().map(|facts| facts.cpu_time);
    let wall = facts().map(|facts| facts.wall_time);
    let memory = facts().map(|facts| facts.peak_memory_bytes >> 10);
    println!(
        "{limit} at {percent} %: {} runs, {again} of them tried again; CPU {:?} to {:?}, wall {:?} to {:?}, memory {} to {} KiB",
        runs.len(),
        cpu.clone().min().unwrap(),
        cpu.max().unwrap(),
        wall.clone().min().unwrap(),
        wall.max().unwrap(),
        memory.clone().min().unwrap(),
        memory.max().unwrap(),
    );
}

pub(crate) async fn output_is_limited_to_the_byte(place: &Place) {
    let limits = Limits {
        output_bytes: OUTPUT,
        ..limits()
    };
    for stream in [1, 2] {
        let commands = [OUTPUT, OUTPUT + 1].map(|bytes| format!("print {stream} {bytes}"));
        let runs = place.run(limits, &commands).await;
        let verdicts: Vec<_> = runs.iter().map(|ran| ran.verdict).collect();
        assert_eq!(
            verdicts,
            [Verdict::Accepted, Verdict::OutputLimitExceeded],
            "{runs:?}"
        );
    }
}
