//! What one run may use.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::units;

/// The limits of one process tree: of the compile step, or of one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Limits {
    /// CPU time, user and system, summed over all threads and descendants.
    #[serde(rename = "cpu_time_ms", with = "units::ms")]
    #[cfg_attr(feature = "openapi", schema(value_type = u64))]
    pub cpu_time: Duration,
    /// Time by the monotonic clock, so that a sleeping program ends too. Time in which the program was ready to run and
    /// got no CPU, or waited for a disk, is granted on top, at most three times the limit. While its output is not read, the
    /// clock stands still.
    #[serde(rename = "wall_time_ms", with = "units::ms")]
    #[cfg_attr(feature = "openapi", schema(value_type = u64))]
    pub wall_time: Duration,
    /// Resident memory of the whole tree, files in its tmpfs included.
    pub memory_bytes: u64,
    /// Bytes the tree may write to standard output, and as many again to standard error.
    pub output_bytes: u64,
    /// Processes and threads alive at once.
    pub processes: u32,
    /// Open files of one process.
    pub open_files: u32,
    /// Size of one file it writes.
    pub file_size_bytes: u64,
}

/// Bytes of a core file of a process in a box: too few for any, and the one number for which the kernel starts no program
/// either. With zero it still starts the host's handler of crashes, where there is one, as root and outside of every box.
pub const CORE_LIMIT: u64 = 1;

/// How many times over the wall limit may be extended.
const MOST_GRANTED: u32 = 3;

/// What part of a time limit its margin is, and how long it is at least: what a busy machine does to a program that is
/// started again and again.
const MARGIN: u32 = 10;
const SHORTEST_MARGIN: Duration = Duration::from_millis(5);

impl Limits {
    /// The wall limit of a program that waited this long for a CPU or a disk: a busy machine must not fail a program. A program
    /// that makes itself wait, by starting more threads than there are CPUs, gains little: the grant is bounded.
    pub fn wall_time_granting(&self, waited: Duration) -> Duration {
        self.wall_time
            .saturating_add(waited)
            .min(self.longest_wall_time())
    }

    /// The wall limit with everything granted that ever is.
    pub fn longest_wall_time(&self) -> Duration {
        self.wall_time.saturating_mul(1 + MOST_GRANTED)
    }

    /// The most that is granted on top of the wall limit. The time for which the wall clock stands still while a program waits for
    /// an agent that has no CPU itself is a part of it: the program's own load can be what keeps the agent waiting.
    pub fn most_granted(&self) -> Duration {
        self.wall_time.saturating_mul(MOST_GRANTED)
    }

    /// How far a run may go over a time limit and still be run again: to a tenth above it, 5 ms at least. It is killed
    /// for its CPU time only beyond that. What went over the limit itself has failed all the same.
    pub fn with_margin(limit: Duration) -> Duration {
        limit.saturating_add((limit / MARGIN).max(SHORTEST_MARGIN))
    }
}
