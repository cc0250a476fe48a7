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
    /// None of these bits is set.
    NoneOf(u32),
    /// At least one of these bits is set.
    AnyOf(u32),
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
/// Success, without the call being made.
pub(super) const PRETEND: u32 = libc::SECCOMP_RET_ERRNO;
pub(super) const KILL: u32 = libc::SECCOMP_RET_KILL_PROCESS;

const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
const AND: u32 = libc::BPF_ALU | libc::BPF_AND | libc::BPF_K;
const RETURN: u32 = libc::BPF_RET | libc::BPF_K;
const IF_EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
const IF_AT_LEAST: u32 = libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K;
const IF_ANY_BIT: u32 = libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K;

impl Program {
    pub(super) fn new(list: &BTreeMap<u32, Access>) -> Self {
        let mut assembly = Assembly::default();
        assembly.statement(LOAD, offset(offset_of!(seccomp_data, arch)));
        let known = assembly.label();
        assembly.branch(IF_EQUAL, ARCHITECTURE, known, Target::Next);
        assembly.statement(RETURN, KILL);
        assembly.place(known);
        assembly.statement(LOAD, offset(offset_of!(seccomp_data, nr)));
        assembly.bisect(&ranges(list));
        Self(assembly.finish())
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

/// Where a branch leads.
#[derive(Debug, Clone, Copy)]
enum Target {
    Next,
    Label(usize),
}

/// The answers, which stand once, at the end.
const ALLOWED: Target = Target::Label(0);
const REFUSED: Target = Target::Label(1);
const PRETENDED: Target = Target::Label(2);
const ANSWERS: [(Target, u32); 3] = [(ALLOWED, ALLOW), (REFUSED, REFUSE), (PRETENDED, PRETEND)];

/// A program whose branches still lead to names.
#[derive(Debug)]
struct Assembly {
    lines: Vec<Line>,
    /// The line each label stands before.
    labels: Vec<Option<usize>>,
}

#[derive(Debug)]
struct Line {
    code: u32,
    k: u32,
    yes: Target,
    no: Target,
}

impl Default for Assembly {
    fn default() -> Self {
        Self {
            lines: Vec::new(),
            labels: vec![None; ANSWERS.len()],
        }
    }
}

impl Assembly {
    fn statement(&mut self, code: u32, k: u32) {
        self.branch(code, k, Target::Next, Target::Next);
    }

    fn branch(&mut self, code: u32, k: u32, yes: Target, no: Target) {
        self.lines.push(Line { code, k, yes, no });
    }

    fn label(&mut self) -> Target {
        self.labels.push(None);
        Target::Label(self.labels.len() - 1)
    }

    fn place(&mut self, target: Target) {
        if let Target::Label(label) = target {
            self.labels[label] = Some(self.lines.len());
        }
    }

    /// Finds the number's range, and answers.
    fn bisect(&mut self, ranges: &[Range<'_>]) {
        if let [range] = ranges {
            return self.answer(range.access);
        }
        let (low, high) = ranges.split_at(ranges.len() / 2);
        let (to_low, to_high) = match (short_answer(low), short_answer(high)) {
            (Some(low), Some(high)) => (low, high),
            (Some(low), None) => (low, Target::Next),
            (None, Some(high)) => (Target::Next, high),
            (None, None) => (Target::Next, self.label()),
        };
        self.branch(IF_AT_LEAST, high[0].first, to_high, to_low);
        if short_answer(low).is_none() {
            self.bisect(low);
        }
        if short_answer(high).is_none() {
            self.place(to_high);
            self.bisect(high);
        }
    }

    fn answer(&mut self, access: Option<&Access>) {
        match access {
            None => self.statement(RETURN, REFUSE),
            Some(Access::Always) => self.statement(RETURN, ALLOW),
            Some(Access::If(rules)) => {
                for (index, rule) in rules.iter().enumerate() {
                    let otherwise = if index + 1 == rules.len() {
                        REFUSED
                    } else {
                        self.label()
                    };
                    self.check_all(rule, ALLOWED, otherwise);
                    self.place_own(otherwise);
                }
            }
            Some(Access::Pretended { rule, otherwise }) => {
                let next = self.label();
                self.check_all(rule, PRETENDED, next);
                self.place(next);
                self.answer(Some(otherwise));
            }
        }
    }

    /// Leads to `answer` where all of the rule's conditions hold.
    fn check_all(&mut self, rule: &Rule, answer: Target, otherwise: Target) {
        for (index, condition) in rule.iter().enumerate() {
            let then = if index + 1 == rule.len() {
                answer
            } else {
                self.label()
            };
            self.check(*condition, then, otherwise);
            self.place_own(then);
        }
    }

    /// Places a label that is none of the answers'.
    fn place_own(&mut self, target: Target) {
        if !matches!(target, Target::Label(label) if label < ANSWERS.len()) {
            self.place(target);
        }
    }

    fn check(&mut self, Condition { argument, test }: Condition, then: Target, otherwise: Target) {
        // The lower half comes first on the processors we know.
        const { assert!(cfg!(target_endian = "little")) }
        let at = offset_of!(seccomp_data, args) + usize::from(argument) * size_of::<u64>();
        self.statement(LOAD, offset(at));
        match test {
            Test::Equal(value) => self.branch(IF_EQUAL, value, then, otherwise),
            Test::NotEqual(value) => self.branch(IF_EQUAL, value, otherwise, then),
            Test::NoneOf(bits) => self.branch(IF_ANY_BIT, bits, otherwise, then),
            Test::AnyOf(bits) => self.branch(IF_ANY_BIT, bits, then, otherwise),
            Test::OneOf { mask, values } => {
                self.statement(AND, mask);
                for (index, value) in values.iter().enumerate() {
                    let last = index + 1 == values.len();
                    self.branch(
                        IF_EQUAL,
                        *value,
                        then,
                        if last { otherwise } else { Target::Next },
                    );
                }
            }
        }
    }

    fn finish(mut self) -> Vec<sock_filter> {
        for (answer, value) in ANSWERS {
            self.place(answer);
            self.statement(RETURN, value);
        }
        let distance = |from: usize, target: Target| match target {
            Target::Next => 0,
            Target::Label(label) => {
                let at = self.labels[label].expect("every label is placed");
                u8::try_from(at - from - 1).expect("no branch of so short a program is long")
            }
        };
        let line = |(index, line): (usize, &Line)| sock_filter {
            code: u16::try_from(line.code).expect("codes have 16 bits"),
            jt: distance(index, line.yes),
            jf: distance(index, line.no),
            k: line.k,
        };
        self.lines.iter().enumerate().map(line).collect()
    }
}

/// The answer to all of the ranges, where no argument need be looked at.
fn short_answer(ranges: &[Range<'_>]) -> Option<Target> {
    match ranges {
        [Range { access: None, .. }] => Some(REFUSED),
        [
            Range {
                access: Some(Access::Always),
                ..
            },
        ] => Some(ALLOWED),
        _ => None,
    }
}

fn offset(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("the structure is small")
}
