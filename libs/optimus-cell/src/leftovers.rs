//! Whether something is still there that has to go.

/// Whether a guest still has what it must not have any more: processes, zombies included, or files, or a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leftovers {
    None,
    Some,
}
