//! Control groups, version 1 and 2: making them, limiting them, and reading what they count.

mod counters;
mod folder;
mod group;
mod own_box;
mod recursive;

pub use counters::{Charge, Counters};
pub use group::{Controller, Group};
pub use own_box::of_own_box;
pub use recursive::Removal;
