//! What a box must be, apart from who uses it for what.

use optimus_common::{LanguageName, language::Language};

/// What a box must be. Boxes of equal specifications are interchangeable, so whoever keeps boxes keeps them by this.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BoxSpec {
    pub root: RootRef,
    pub resources: ResourceLimits,
    pub network: NetworkPolicy,
    pub lifetime: Lifetime,
    /// The container runtime; the engine's default where it is empty.
    pub runtime: String,
}

impl BoxSpec {
    /// A box on the usual terms: without a network, for one job, of the engine's default runtime.
    pub fn new(root: RootRef, resources: ResourceLimits) -> Self {
        Self {
            root,
            resources,
            network: NetworkPolicy::Off,
            lifetime: Lifetime::OneJob,
            runtime: String::new(),
        }
    }
}

/// What a box is to have as its file system, by name. What that is here and now, a [`RootProvider`](crate::RootProvider) says.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RootRef {
    /// The language whose toolchain is in it.
    pub language: LanguageName,
    /// The image that has the toolchain, for those who make boxes of images.
    pub image: String,
}

impl From<&Language> for RootRef {
    fn from(language: &Language) -> Self {
        Self {
            language: language.name.clone(),
            image: language.image.clone(),
        }
    }
}

/// What everything in a box together may use.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceLimits {
    /// A run at its limit, or the compile step at its own, and what the agent and the files in the box need beside it. The one
    /// limit that a box can be [given more](crate::BoxHandle::grow_memory) of.
    pub memory_bytes: u64,
    /// So many may be in use at the same time.
    pub cpus: Cpus,
    /// Processes and threads.
    pub processes: u32,
    /// Size of each file system that a run can write to.
    pub disk_bytes: u64,
    /// Size of each file system that the compile step can write to, and of what it leaves for the runs.
    pub compile_disk_bytes: u64,
    pub open_files: u32,
}

/// A number of CPUs, which need not be whole; exact to a billionth, as engines count them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cpus {
    billionths: u64,
}

const BILLION: f64 = 1e9;

impl Cpus {
    #[expect(
        clippy::cast_precision_loss,
        reason = "no machine has so many CPUs that it matters"
    )]
    pub fn as_f64(self) -> f64 {
        self.billionths as f64 / BILLION
    }

    pub fn billionths(self) -> u64 {
        self.billionths
    }
}

impl From<f64> for Cpus {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a float is cut to the range of the integer"
    )]
    fn from(cpus: f64) -> Self {
        Self {
            billionths: (cpus * BILLION).round() as u64,
        }
    }
}

/// What a box may reach by network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NetworkPolicy {
    /// Nothing but itself.
    Off,
}

/// How long a box is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lifetime {
    /// By one job, after which it is destroyed.
    OneJob,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_of_cpus_stays_what_it_is() {
        for cpus in [0.0, 0.01, 0.1, 1.0, 1.5, 2.75, 64.0] {
            assert!((Cpus::from(cpus).as_f64() - cpus).abs() < f64::EPSILON, "{cpus}");
        }
        assert_eq!(Cpus::from(-1.0), Cpus::from(0.0));
        assert!(Cpus::from(1e300).as_f64() > 1e9);
    }
}
