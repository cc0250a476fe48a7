//! What a filter says to system calls, before it is a program.

use std::borrow::Cow;

/// What the filter says to one system call number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SyscallRule {
    Allow,
    /// The first of the clauses whose rule holds decides.
    ByArguments {
        clauses: Vec<Clause>,
        otherwise: Action,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clause {
    pub rule: Rule,
    pub action: Action,
}

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Allow,
    /// With this error, or as a success if it is 0; either way the call is not made.
    Refuse(libc::c_int),
    /// Whoever holds the listener of the filter is asked, and says.
    Notify,
}

impl Action {
    /// Success, without the call being made.
    pub const PRETEND: Self = Self::Refuse(0);
    pub const ABSENT: Self = Self::Refuse(libc::ENOSYS);
}

/// Conditions that must all hold.
pub type Rule = Vec<Condition>;

/// What one argument must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// Counted from 0.
    pub argument: u8,
    pub width: Width,
    pub test: Test,
}

/// How much of an argument the kernel looks at, and so the filter. A register has 64 bits, whatever the call takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Width {
    /// The lower half. What stands in the upper one changes nothing, and must not change the answer.
    Half,
    /// All of it: the upper half must be zero.
    Whole,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Test {
    Equal(u32),
    /// None of these bits is set.
    NoneOf(u32),
    /// At least one of these bits is set.
    AnyOf(u32),
    /// With these bits alone, one of the values.
    OneOf {
        mask: u32,
        values: Cow<'static, [u32]>,
    },
    /// A bit of either half is set, whatever the width.
    NotZero,
}

impl Condition {
    pub const fn new(argument: u8, width: Width, test: Test) -> Self {
        Self {
            argument,
            width,
            test,
        }
    }

    pub const fn equal(argument: u8, value: u32) -> Self {
        Self::new(argument, Width::Half, Test::Equal(value))
    }

    /// None of these bits is set.
    pub const fn none_of(argument: u8, bits: u32) -> Self {
        Self::new(argument, Width::Half, Test::NoneOf(bits))
    }

    /// An address that is none.
    pub const fn zero(argument: u8) -> Self {
        Self::new(argument, Width::Whole, Test::Equal(0))
    }

    pub const fn not_zero(argument: u8) -> Self {
        Self::new(argument, Width::Whole, Test::NotZero)
    }

    /// With these bits alone, one of the values.
    pub fn one_of(argument: u8, mask: u32, values: impl Into<Cow<'static, [u32]>>) -> Self {
        let values = values.into();
        Self::new(argument, Width::Half, Test::OneOf { mask, values })
    }
}
