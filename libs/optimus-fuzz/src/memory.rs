//! A bound on what a target may allocate. An allocation beyond it ends the process, as one beyond a machine's memory
//! would.

use std::{
    alloc::System,
    panic,
    sync::{Mutex, MutexGuard, Once, PoisonError},
};

use cap::Cap;

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

/// The bound is the process', so one target runs at a time.
static TURN: Mutex<()> = Mutex::new(());

/// Lifts the bound, also on the way of a panic.
struct Bound<'a> {
    _turn: MutexGuard<'a, ()>,
}

impl Drop for Bound<'_> {
    fn drop(&mut self) {
        lift();
    }
}

fn lift() {
    let lifted = ALLOCATOR.set_limit(usize::MAX);
    debug_assert!(lifted.is_ok());
}

/// What is told of a panic needs memory too.
fn lift_before_panics_are_told() {
    let tell = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        lift();
        tell(panic);
    }));
}

/// Does `work` with at most `bytes` more memory than before.
pub(crate) fn bounded<T>(bytes: usize, work: impl FnOnce() -> T) -> T {
    static HOOK: Once = Once::new();
    HOOK.call_once(lift_before_panics_are_told);
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let _bound = Bound { _turn: turn };
    ALLOCATOR
        .set_limit(ALLOCATOR.allocated().saturating_add(bytes))
        .expect("the limit is above what is allocated");
    work()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_over_the_bound_is_not_there() {
        bounded(1 << 20, || {
            let mut bytes: Vec<u8> = Vec::new();
            assert!(bytes.try_reserve(512 << 10).is_ok());
            assert!(bytes.try_reserve(2 << 20).is_err());
        });
        let mut bytes: Vec<u8> = Vec::new();
        assert!(bytes.try_reserve(2 << 20).is_ok());
    }
}
