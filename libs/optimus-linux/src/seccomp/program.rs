//! From an allow-list to a program for the kernel's packet filter machine.
//!
//! When a filter is installed, the kernel runs it once for every system call number there is, to remember those that
//! are allowed whatever their arguments. A chain of comparisons, one for each allowed call, costs it half a
//! millisecond. Neighbouring numbers with the same answer are therefore one range, and ranges are found by bisection:
//! some eight comparisons instead of some three hundred.
//!
//! And the kernel translates it for the processor, anew for every run, which takes as long as the program is. So every part of
//! it gives an answer at one place, to which all its branches lead.

use std::{
    collections::BTreeMap,
    mem::offset_of,
    os::fd::{FromRawFd, OwnedFd},
};

use libc::{seccomp_data, sock_filter};

use super::rules::{Action, Clause, Condition, SyscallRule, Test, Width};
use crate::process::last_errno;

/// A finished program.
#[derive(Debug)]
pub struct Program(pub Vec<sock_filter>);

#[cfg(target_arch = "x86_64")]
pub const ARCHITECTURE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
pub const ARCHITECTURE: u32 = 0xc000_00b7;

pub const KILL: u32 = libc::SECCOMP_RET_KILL_PROCESS;

const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
const AND: u32 = libc::BPF_ALU | libc::BPF_AND | libc::BPF_K;
const RETURN: u32 = libc::BPF_RET | libc::BPF_K;
const ALWAYS: u32 = libc::BPF_JMP | libc::BPF_JA;
/// Statements after which answers are given, so that branches reach them: no branch reaches farther than 255.
const PART: usize = 128;

const IF_EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
const IF_AT_LEAST: u32 = libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K;
const IF_ANY_BIT: u32 = libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K;

impl Program {
    pub fn new(list: &BTreeMap<u32, SyscallRule>) -> Self {
        let mut assembly = BpfAssembly::default();
        assembly.statement(LOAD, offset(offset_of!(seccomp_data, arch)));
        let known = assembly.label();
        assembly.branch(IF_EQUAL, ARCHITECTURE, known, Target::Next);
        assembly.statement(RETURN, KILL);
        assembly.place(known);
        assembly.statement(LOAD, offset(offset_of!(seccomp_data, nr)));
        assembly.all(&ranges(list));
        Self(assembly.finish())
    }

    pub fn install(&self) -> rustix::io::Result<()> {
        self.set(0).map(|_| ())
    }

    /// Returns what is asked through.
    pub fn install_with_listener(&self) -> rustix::io::Result<OwnedFd> {
        let listener = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER;
        // Of a process with one thread they say nothing. But kernels that do not know them together with a listener, before 5.7, are
        // not the ones that let a call go on which was asked about, before 5.5: there nobody is asked.
        let (same, same_or_fail) = (
            libc::SECCOMP_FILTER_FLAG_TSYNC,
            libc::SECCOMP_FILTER_FLAG_TSYNC_ESRCH,
        );
        // Once somebody is looking at a question no signal takes it back; kernels before 5.19 do not know that.
        let descriptor = self
            .set(listener | libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV)
            .or_else(|_| self.set(listener | same | same_or_fail))?;
        // SAFETY: the descriptor is new and owned.
        Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
    }

    /// Returns what the kernel answers: a descriptor, if the flags ask for one.
    fn set(&self, flags: libc::c_ulong) -> rustix::io::Result<i32> {
        let program = libc::sock_fprog {
            len: u16::try_from(self.0.len()).unwrap_or(u16::MAX),
            filter: self.0.as_ptr().cast_mut(),
        };
        // SAFETY: the program is as long as it says, and the kernel only reads it.
        let outcome = unsafe {
            libc::syscall(
                libc::SYS_seccomp,
                libc::SECCOMP_SET_MODE_FILTER,
                flags,
                &raw const program,
            )
        };
        i32::try_from(outcome)
            .ok()
            .filter(|outcome| *outcome >= 0)
            .ok_or_else(last_errno)
    }
}

/// System call numbers from `first` to the next range's first, and what they are answered.
#[derive(Debug)]
struct Range<'a> {
    first: u32,
    access: Option<&'a SyscallRule>,
}

/// All numbers there are, in order. Ranges side by side differ.
fn ranges(list: &BTreeMap<u32, SyscallRule>) -> Vec<Range<'_>> {
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    Next,
    Label(usize),
}

/// A program whose branches still lead to names.
#[derive(Debug, Default)]
struct BpfAssembly {
    lines: Vec<Line>,
    /// The line each label stands before.
    labels: Vec<Option<usize>>,
    /// What is to be answered at the end of this part, and where that will be.
    answers: Vec<(Action, Target)>,
    /// Where this part begins.
    part: usize,
}

#[derive(Debug)]
struct Line {
    code: u32,
    k: u32,
    yes: Target,
    no: Target,
}

impl BpfAssembly {
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

    fn all(&mut self, ranges: &[Range<'_>]) {
        // Where there is nothing to find.
        self.answer(Action::ABSENT);
        self.bisect(ranges);
        self.give_answers();
    }

    /// Where those whose numbers are in these ranges go: straight to their answer, or to what follows.
    fn begin(&mut self, ranges: &[Range<'_>]) -> Target {
        let [range] = ranges else {
            return Target::Next;
        };
        match range.access {
            None => self.answer(Action::ABSENT),
            Some(SyscallRule::Allow) => self.answer(Action::Allow),
            Some(SyscallRule::ByArguments { .. }) => Target::Next,
        }
    }

    /// Finds the number's range, and answers. Nothing runs on from its end.
    fn bisect(&mut self, ranges: &[Range<'_>]) {
        if let [range] = ranges {
            return self.judge(range.access);
        }
        let (low, high) = ranges.split_at(ranges.len() / 2);
        let to_low = self.begin(low);
        let to_high = match self.begin(high) {
            Target::Next if to_low == Target::Next => self.label(),
            begin => begin,
        };
        self.branch(IF_AT_LEAST, high[0].first, to_high, to_low);
        self.bisect(low);
        if to_low == Target::Next && self.begin(high) == Target::Next {
            self.place(to_high);
        }
        self.bisect(high);
    }

    fn judge(&mut self, access: Option<&SyscallRule>) {
        let Some(SyscallRule::ByArguments { clauses, otherwise }) = access else {
            return;
        };
        for (index, clause) in clauses.iter().enumerate() {
            let last = index + 1 == clauses.len();
            let next = if last {
                self.answer(*otherwise)
            } else {
                self.label()
            };
            self.clause(clause, next);
            if !last {
                self.place(next);
            }
        }
        if self.lines.len() - self.part > PART {
            self.give_answers();
        }
    }

    /// Where an answer will be given.
    fn answer(&mut self, action: Action) -> Target {
        if let Some((_, target)) = self.answers.iter().find(|(known, _)| *known == action) {
            return *target;
        }
        let target = self.label();
        self.answers.push((action, target));
        target
    }

    fn give_answers(&mut self) {
        for (answer, target) in std::mem::take(&mut self.answers) {
            self.place(target);
            self.statement(RETURN, encode(answer));
        }
        self.part = self.lines.len();
    }

    fn clause(&mut self, Clause { rule, action }: &Clause, next: Target) {
        if rule.is_empty() {
            return self.statement(RETURN, encode(*action));
        }
        for (index, condition) in rule.iter().enumerate() {
            let holds = if index + 1 == rule.len() {
                self.answer(*action)
            } else {
                self.label()
            };
            self.check(condition, holds, next);
            if index + 1 < rule.len() {
                self.place(holds);
            }
        }
    }

    fn check(&mut self, condition: &Condition, then: Target, otherwise: Target) {
        let Condition {
            argument,
            width,
            test,
        } = condition;
        // The lower half comes first on the processors we know.
        const { assert!(cfg!(target_endian = "little")) }
        let low = offset_of!(seccomp_data, args) + usize::from(*argument) * size_of::<u64>();
        let high = low + size_of::<u32>();
        if *test == Test::NotZero {
            for half in [high, low] {
                self.statement(LOAD, offset(half));
                let no = if half == low { otherwise } else { Target::Next };
                self.branch(IF_EQUAL, 0, no, then);
            }
            return;
        }
        if *width == Width::Whole {
            self.statement(LOAD, offset(high));
            self.branch(IF_EQUAL, 0, Target::Next, otherwise);
        }
        self.statement(LOAD, offset(low));
        match test {
            Test::NotZero => {}
            Test::Equal(value) => self.branch(IF_EQUAL, *value, then, otherwise),
            Test::NoneOf(bits) => self.branch(IF_ANY_BIT, *bits, otherwise, then),
            Test::AnyOf(bits) => self.branch(IF_ANY_BIT, *bits, then, otherwise),
            Test::OneOf { mask, values } => {
                if *mask != u32::MAX {
                    self.statement(AND, *mask);
                }
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

    /// Branches reach 255 statements far. Those that lead farther go by a jump of their own, right behind them.
    fn finish(self) -> Vec<sock_filter> {
        let mut far = vec![[false; 2]; self.lines.len()];
        loop {
            let places = Self::places(&far);
            let mut settled = true;
            for (index, line) in self.lines.iter().enumerate() {
                for (branch, target) in [line.yes, line.no].into_iter().enumerate() {
                    let too_far = self.distance(&places, index, target) > usize::from(u8::MAX);
                    if too_far && !far[index][branch] {
                        far[index][branch] = true;
                        settled = false;
                    }
                }
            }
            if settled {
                return self.written(&far, &places);
            }
        }
    }

    /// Where each line starts, and the end.
    fn places(far: &[[bool; 2]]) -> Vec<usize> {
        let mut at = 0;
        let mut places = Vec::with_capacity(far.len() + 1);
        for jumps in far {
            places.push(at);
            at += 1 + jumps.iter().filter(|jump| **jump).count();
        }
        places.push(at);
        places
    }

    /// Statements between a line's own and its target.
    fn distance(&self, places: &[usize], from: usize, target: Target) -> usize {
        let to = match target {
            Target::Next => from + 1,
            Target::Label(label) => self.labels[label].expect("every label is placed"),
        };
        places[to] - places[from] - 1
    }

    fn written(&self, far: &[[bool; 2]], places: &[usize]) -> Vec<sock_filter> {
        let mut program = Vec::new();
        let statement = |code, jt, jf, k| sock_filter {
            code: u16::try_from(code).expect("codes have 16 bits"),
            jt,
            jf,
            k,
        };
        for (index, line) in self.lines.iter().enumerate() {
            let mut jumps = Vec::new();
            let mut branches = [0; 2];
            for (branch, target) in [line.yes, line.no].into_iter().enumerate() {
                let distance = self.distance(places, index, target);
                let reach = if far[index][branch] {
                    jumps.push(distance - jumps.len() - 1);
                    jumps.len() - 1
                } else {
                    distance
                };
                branches[branch] = u8::try_from(reach).expect("what is farther goes by a jump");
            }
            if !is_conditional(line.code) {
                branches = [0; 2];
            }
            let [yes, no] = branches;
            program.push(statement(line.code, yes, no, line.k));
            for distance in jumps {
                program.push(statement(ALWAYS, 0, 0, offset(distance)));
            }
        }
        program
    }
}

fn is_conditional(code: u32) -> bool {
    [IF_EQUAL, IF_AT_LEAST, IF_ANY_BIT].contains(&code)
}

pub fn encode(answer: Action) -> u32 {
    match answer {
        Action::Allow => libc::SECCOMP_RET_ALLOW,
        Action::Refuse(errno) => libc::SECCOMP_RET_ERRNO | errno.unsigned_abs(),
        Action::Notify => libc::SECCOMP_RET_USER_NOTIF,
    }
}

fn offset(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("the structure is small")
}
