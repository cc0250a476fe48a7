//! Switches that take single layers of defence away, for tests that show that each layer is needed.
//!
//! Only where this is compiled with `--cfg optimus_weaken`, which `scripts/rustc-with-switches.sh` does for tests. Without it
//! every question below is answered by a constant, and nothing of this is left in a program.
//!
//! The layers are named by `docs/sandbox.md`. A test starts a program with their names in the variable
//! `OPTIMUS_TEST_WITHOUT`, separated by commas; the program hands it on to the processes that make boxes and to the agents
//! in them.

/// Names the layers to take away.
#[cfg(optimus_weaken)]
pub const VARIABLE: &str = "OPTIMUS_TEST_WITHOUT";

/// Whether a layer is taken away.
#[cfg(optimus_weaken)]
pub fn is_off(layer: &str) -> bool {
    taken().split(',').any(|name| name == layer)
}

/// Whether any layer is taken away.
#[cfg(optimus_weaken)]
pub fn is_active() -> bool {
    !taken().is_empty()
}

/// What a process with an environment of its own needs to know the same.
#[cfg(optimus_weaken)]
pub fn handed_on() -> Option<(&'static str, &'static str)> {
    is_active().then(|| (VARIABLE, taken()))
}

/// Read once: the agent asks where it may not allocate.
#[cfg(optimus_weaken)]
fn taken() -> &'static str {
    static TAKEN: std::sync::LazyLock<String> =
        std::sync::LazyLock::new(|| std::env::var(VARIABLE).unwrap_or_default());
    &TAKEN
}

#[cfg(not(optimus_weaken))]
#[inline]
pub const fn is_off(_layer: &str) -> bool {
    false
}

#[cfg(not(optimus_weaken))]
#[inline]
pub const fn is_active() -> bool {
    false
}

#[cfg(not(optimus_weaken))]
#[inline]
pub const fn handed_on() -> Option<(&'static str, &'static str)> {
    None
}

/// A limit of a file system, or 0, which is none, where this layer is taken away.
#[inline]
pub fn limit_unless_off(layer: &str, limit: u64) -> u64 {
    if is_off(layer) { 0 } else { limit }
}
