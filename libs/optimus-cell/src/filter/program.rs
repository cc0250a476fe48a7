//! From an allow-list to a program for the kernel's packet filter machine.
//!
//! When a filter is installed, the kernel runs it once for every system call number there is, to remember those that
//! are allowed whatever their arguments. A chain of comparisons, one for each allowed call, costs it half a
//! millisecond. Neighbouring numbers with the same answer are therefore one range, and ranges are found by bisection:
//! some eight comparisons instead of some three hundred.

use std::{collections::BTreeMap, mem::offset_of};

use libc::{seccomp_data, sock_filter};

use super::Access;
use crate::step::last_errno;

/// A finished program.
#[derive(Debug)]
pub(crate) struct Program(pub(super) Vec<sock_filter>);

/// Conditions that must all hold.
pub(super) type Rule = Vec<Condition>;

/// What the lower half of one argument must be. The calls in question take 32 bits and ignore the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Condition {
    /// Counted from 0.
    pub(super) argument: u8,
    pub(super) test: Test,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Test {
    Equal(u32),
    NotEqual(u32),
    AtMost(u32),
    /// None of these bits is set.
    NoneOf(u32),
    /// With these bits alone, one of the values.
    OneOf {
        mask: u32,
        values: &'static [u32],
    },
}

#[cfg(target_arch = "x86_64")]
pub(super) const ARCHITECTURE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
pub(super) const ARCHITECTURE: u32 = 0xc000_00b7;

pub(super) const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
pub(super) const REFUSE: u32 = libc::SECCOMP_RET_ERRNO | libc::ENOSYS.unsigned_abs();
pub(super) const KILL: u32 = libc::SECCOMP_RET_KILL_PROCESS;

const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
const AND: u32 = libc::BPF_ALU | libc::BPF_AND | libc::BPF_K;
const RETURN: u32 = libc::BPF_RET | libc::BPF_K;
const JUMP: u32 = libc::BPF_JMP | libc::BPF_JA;
const IF_EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
const IF_GREATER: u32 = libc::BPF_JMP | libc::BPF_JGT | libc::BPF_K;
const IF_AT_LEAST: u32 = libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K;
const IF_ANY_BIT: u32 = libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K;

impl Program {
    pub(super) fn new(list: &BTreeMap<u32, Access>) -> Self {
        let mut program = vec![
            statement(LOAD, offset(offset_of!(seccomp_data, arch))),
            branch(IF_EQUAL, ARCHITECTURE, 1, 0),
            statement(RETURN, KILL),
            statement(LOAD, offset(offset_of!(seccomp_data, nr))),
        ];
        program.extend(bisect(&ranges(list)));
        Self(program)
    }

    /// Confines this thread and all its future children, for good. Allocates nothing, so it may be called after
    /// `fork`. The process must have given up gaining privileges.
    pub(crate) fn install(&self) -> rustix::io::Result<()> {
        let program = libc::sock_fprog {
            len: u16::try_from(self.0.len()).unwrap_or(u16::MAX),
            filter: self.0.as_ptr().cast_mut(),
        };
        // SAFETY: the program is as long as it says, and the kernel only reads it.
        let outcome = unsafe {
            libc::syscall(
                libc::SYS_seccomp,
                libc::SECCOMP_SET_MODE_FILTER,
                0,
                &raw const program,
            )
        };
        if outcome == 0 { Ok(()) } else { Err(last_errno()) }
    }
}

/// System call numbers from `first` to the next range's first, and what they are answered.
#[derive(Debug)]
struct Range<'a> {
    first: u32,
    access: Option<&'a Access>,
}

/// All numbers there are, in order. Ranges side by side differ.
fn ranges(list: &BTreeMap<u32, Access>) -> Vec<Range<'_>> {
    let mut ranges: Vec<Range<'_>> = Vec::new();
    let mut add = |first, access| {
        if ranges.last().is_none_or(|range| range.access != access) {
            ranges.push(Range { first, access });
        }
    };
    let mut next = 0;
    for (number, access) in list {
        if *number > next {
            add(next, None);
        }
        add(*number, Some(access));
        next = *number + 1;
    }
    add(next, None);
    ranges
}

/// Finds the number's range, and answers.
fn bisect(ranges: &[Range<'_>]) -> Vec<sock_filter> {
    if let [range] = ranges {
        return answer(range.access);
    }
    let (low, high) = ranges.split_at(ranges.len() / 2);
    let middle = high[0].first;
    let (low, high) = (bisect(low), bisect(high));
    let mut program = match u8::try_from(low.len()) {
        Ok(over) => vec![branch(IF_AT_LEAST, middle, over, 0)],
        Err(_) => vec![
            branch(IF_AT_LEAST, middle, 0, 1),
            statement(JUMP, u32::try_from(low.len()).expect("programs are short")),
        ],
    };
    program.extend(low);
    program.extend(high);
    program
}

fn answer(access: Option<&Access>) -> Vec<sock_filter> {
    let rules = match access {
        None => return vec![statement(RETURN, REFUSE)],
        Some(Access::Always) => return vec![statement(RETURN, ALLOW)],
        Some(Access::If(rules)) => rules,
    };
    let mut program = Vec::new();
    for rule in rules {
        // Written from the end, since a condition that fails jumps to behind the rule's end.
        let mut backwards = vec![statement(RETURN, ALLOW)];
        for condition in rule.iter().rev() {
            let behind = u8::try_from(backwards.len()).expect("rules are short");
            backwards.extend(check(*condition, behind).into_iter().rev());
        }
        program.extend(backwards.into_iter().rev());
    }
    program.push(statement(RETURN, REFUSE));
    program
}

/// Goes on if the condition holds, else passes over the next `behind` statements.
fn check(Condition { argument, test }: Condition, behind: u8) -> Vec<sock_filter> {
    // The lower half comes first on the processors we know.
    const { assert!(cfg!(target_endian = "little")) }
    let at = offset_of!(seccomp_data, args) + usize::from(argument) * size_of::<u64>();
    let load = statement(LOAD, offset(at));
    match test {
        Test::Equal(value) => vec![load, branch(IF_EQUAL, value, 0, behind)],
        Test::NotEqual(value) => vec![load, branch(IF_EQUAL, value, behind, 0)],
        Test::AtMost(value) => vec![load, branch(IF_GREATER, value, behind, 0)],
        Test::NoneOf(bits) => vec![load, branch(IF_ANY_BIT, bits, behind, 0)],
        Test::OneOf { mask, values } => {
            let mut program = vec![load, statement(AND, mask)];
            for (index, value) in values.iter().enumerate() {
                let over = u8::try_from(values.len() - index - 1).expect("lists are short");
                // The last one decides; the others jump to behind it.
                let otherwise = if over == 0 { behind } else { 0 };
                program.push(branch(IF_EQUAL, *value, over, otherwise));
            }
            program
        }
    }
}

fn offset(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("the structure is small")
}

fn statement(code: u32, k: u32) -> sock_filter {
    branch(code, k, 0, 0)
}

fn branch(code: u32, k: u32, jt: u8, jf: u8) -> sock_filter {
    let code = u16::try_from(code).expect("codes have 16 bits");
    sock_filter { code, jt, jf, k }
}
