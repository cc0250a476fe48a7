//! The program against that of libseccomp, which gets the same rules and compiles them in its own way.

use std::{
    fmt::Write as _,
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use libc::sock_filter;
use proptest::{prelude::*, test_runner::TestRunner};

use optimus_linux::seccomp::{Action, Condition, Program, SyscallRule, Test, Width};

use super::{ALLOW, ARCHITECTURE, PRETEND, run, values};
use crate::filter::allow_list;

const COMPILER: &str = r#"
#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
/* Rules from standard input: number, whether it is done, count of comparisons; each: argument, kind, mask, value. */
int main(void) {
    scmp_filter_ctx all = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
    int number, done, count;
    if (!all) return 2;
    while (scanf("%d %d %d", &number, &done, &count) == 3) {
        struct scmp_arg_cmp cmp[6];
        for (int i = 0; i < count; i++) {
            unsigned argument, kind;
            unsigned long long mask, value;
            if (scanf("%u %u %llu %llu", &argument, &kind, &mask, &value) != 4) return 3;
            cmp[i] = kind ? SCMP_CMP(argument, SCMP_CMP_MASKED_EQ, mask, value) : SCMP_CMP(argument, SCMP_CMP_NE, value);
        }
        int error = seccomp_rule_add_exact_array(all, done ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(0), number, count, cmp);
        if (error) return fprintf(stderr, "call %d: error %d\n", number, error), 4;
    }
    return seccomp_export_bpf(all, 1) ? 5 : 0;
}
"#;

/// All ways to fulfil a condition, as comparisons of the whole register: kind, mask and value.
fn comparisons(Condition { width, test, .. }: &Condition) -> Vec<(u32, u64, u64)> {
    let upper = match width {
        Width::Half => 0,
        Width::Whole => u64::from(u32::MAX) << 32,
    };
    let equal = |mask: u32, value: u32| (1, upper | u64::from(mask), u64::from(value));
    match test {
        Test::Equal(value) => vec![equal(u32::MAX, *value)],
        Test::NoneOf(bits) => vec![equal(*bits, 0)],
        Test::OneOf { mask, values } => values.iter().map(|value| equal(*mask, *value)).collect(),
        Test::NotZero => vec![(0, 0, 0)],
        Test::AnyOf(_) => panic!("only where clauses overlap, which libseccomp orders otherwise"),
    }
}

/// One line for each rule of libseccomp's.
fn rules() -> String {
    let mut text = String::new();
    for (number, access) in allow_list() {
        let SyscallRule::ByArguments { clauses, otherwise } = access else {
            writeln!(text, "{number} 1 0").unwrap();
            continue;
        };
        if otherwise == Action::PRETEND {
            writeln!(text, "{number} 0 0").unwrap();
            continue;
        }
        for clause in clauses {
            let done = match clause.action {
                Action::Allow => 1,
                Action::PRETEND => 0,
                Action::Refuse(_) | Action::Notify => continue,
            };
            let mut ways = vec![String::new()];
            for condition in &clause.rule {
                let all = comparisons(condition);
                ways = ways
                    .iter()
                    .flat_map(|way| {
                        all.iter().map(move |(kind, mask, value)| {
                            format!("{way} {} {kind} {mask} {value}", condition.argument)
                        })
                    })
                    .collect();
            }
            for way in ways {
                writeln!(text, "{number} {done} {}{way}", clause.rule.len()).unwrap();
            }
        }
    }
    text
}

fn compiled_by_libseccomp() -> Vec<sock_filter> {
    let folder = tempfile::tempdir().unwrap();
    let (source, program) = (folder.path().join("compiler.c"), folder.path().join("compiler"));
    fs::write(&source, COMPILER).unwrap();
    let built = Command::new("cc")
        .args([
            source.as_os_str(),
            "-o".as_ref(),
            program.as_os_str(),
            "-lseccomp".as_ref(),
        ])
        .status()
        .unwrap();
    assert!(built.success(), "the comparison needs libseccomp-dev");
    let mut compiler = Command::new(&program)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = compiler.stdin.take().unwrap();
    input.write_all(rules().as_bytes()).unwrap();
    drop(input);
    let output = compiler.wait_with_output().unwrap();
    assert!(output.status.success(), "{:?}", output.status);
    output
        .stdout
        .chunks_exact(8)
        .map(|bytes| sock_filter {
            code: u16::from_ne_bytes([bytes[0], bytes[1]]),
            jt: bytes[2],
            jf: bytes[3],
            k: u32::from_ne_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]),
        })
        .collect()
}

/// Which error a refusal answers is not compared: libseccomp knows one for all.
fn kind(answer: u32) -> u32 {
    match answer {
        ALLOW | PRETEND => answer,
        refused => {
            assert_eq!(refused & !0xffff, libc::SECCOMP_RET_ERRNO);
            u32::MAX
        }
    }
}

#[test]
fn libseccomp_says_the_same() {
    if !Path::new("/usr/include/seccomp.h").exists() {
        return optimus_testkit::passed_over::because(
            "the headers of libseccomp (libseccomp-dev) are not installed",
        );
    }
    let (ours, theirs) = (Program::new(&allow_list()).0, compiled_by_libseccomp());
    assert!(theirs.len() > 100);
    let mut answers = [0; 3];
    TestRunner::default()
        .run(&prop::array::uniform6(values()), |arguments| {
            for number in 0..512 {
                let ours = kind(run(&ours, number, ARCHITECTURE, arguments));
                let theirs = kind(run(&theirs, number, ARCHITECTURE, arguments));
                prop_assert_eq!(ours, theirs, "call {} with {:x?}", number, arguments);
            }
            Ok(())
        })
        .unwrap();
    // Commands beside all values that mean something, in every argument.
    for table in crate::commands::tables() {
        let number = u32::try_from(table.call).unwrap();
        let values = table
            .rows
            .iter()
            .flat_map(|row| row.commands)
            .chain(
                table
                    .also
                    .iter()
                    .filter_map(|condition| match condition.test {
                        Test::Equal(ref value) => Some(value),
                        _ => None,
                    })
                    .map(|value| Box::leak(Box::new(("", *value))) as &_),
            )
            .flat_map(|(_, value)| [*value, value.wrapping_add(1), value | 1 << 31, value << 1]);
        let values: Vec<_> = values
            .map(u64::from)
            .flat_map(|low| [low, low | 7 << 32])
            .collect();
        for first in &values {
            for second in &values {
                for arguments in [
                    [*first, *second, *first, *second, *first, *second],
                    [0, *first, *second, *first, *second, *first],
                ] {
                    let answer = kind(run(&ours, number, ARCHITECTURE, arguments));
                    assert_eq!(
                        answer,
                        kind(run(&theirs, number, ARCHITECTURE, arguments)),
                        "call {number} with {arguments:x?}"
                    );
                    answers[match answer {
                        ALLOW => 0,
                        PRETEND => 1,
                        _ => 2,
                    }] += 1;
                }
            }
        }
    }
    assert!(answers.iter().all(|count| *count > 50), "{answers:?}");
}
