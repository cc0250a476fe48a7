//! What the fuzz targets need of this crate's private parts.

use std::time::Duration;

use crate::{
    proc_files::{Stat, memory_of_status},
    waited::run_delay_of_schedstat,
};

/// Of a line of `/proc/<pid>/stat`: the process and its start, its own CPU time, that of the children it waited for.
pub fn stat(line: &[u8]) -> Option<(u32, u64, Duration, Duration)> {
    let Stat {
        identity,
        own_cpu,
        waited_for_cpu,
    } = Stat::parse(line)?;
    Some((identity.pid, identity.start, own_cpu, waited_for_cpu))
}

/// Of a text of `/proc/<pid>/status`: memory in bytes.
pub fn memory(status: &[u8]) -> u64 {
    memory_of_status(status)
}

/// Of a text of `/proc/<pid>/task/<tid>/schedstat`: the time spent waiting for a CPU.
pub fn run_delay(schedstat: &str) -> Option<Duration> {
    run_delay_of_schedstat(schedstat)
}
