//! Filters of system calls: rules, and the program that the kernel gets of them.

mod program;
mod rules;

pub use program::{ARCHITECTURE, KILL, Program, encode};
pub use rules::{Action, Clause, Condition, Rule, SyscallRule, Test, Width};
