//! The program against the rules, written down a second time and run by a machine of our own.

use std::collections::BTreeSet;

use libc::sock_filter;
use proptest::prelude::*;

use super::{
    for_guests,
    program::{ALLOW, ARCHITECTURE, KILL, PRETEND, REFUSE},
};
use crate::syscalls;

/// Runs a program as the kernel does, on the structure it gives to filters.
fn run(program: &[sock_filter], number: u32, architecture: u32, arguments: [u64; 6]) -> u32 {
    let mut data = Vec::new();
    data.extend(number.to_le_bytes());
    data.extend(architecture.to_le_bytes());
    data.extend(0xdead_beef_dead_beef_u64.to_le_bytes());
    data.extend(arguments.iter().flat_map(|argument| argument.to_le_bytes()));
    let mut accumulator = 0_u32;
    let mut at = 0;
    loop {
        let sock_filter { code, jt, jf, k } = program[at];
        at += 1;
        let holds = match code {
            0x20 => {
                let from = k as usize;
                assert_eq!(from % 4, 0, "the kernel refuses loads that are not aligned");
                accumulator = u32::from_le_bytes(data[from..from + 4].try_into().unwrap());
                continue;
            }
            0x54 => {
                accumulator &= k;
                continue;
            }
            0x06 => return k,
            0x15 => accumulator == k,
            0x25 => accumulator > k,
            0x35 => accumulator >= k,
            0x45 => accumulator & k != 0,
            other => panic!("the filter machine of the kernel has no {other:#x}"),
        };
        at += usize::from(if holds { jt } else { jf });
    }
}

/// The rules once more, as plain code.
fn allowed(number: u32, arguments: [u64; 6]) -> bool {
    #[expect(clippy::cast_possible_truncation, reason = "as the kernel does")]
    let [first, second, third, ..] = arguments.map(|argument| argument as u32);
    match i64::from(number) {
        libc::SYS_clone => first & 0x7e02_0000 == 0,
        libc::SYS_socket => {
            [1, 2, 10].contains(&first) && [1, 2].contains(&(second & 15)) && [0, 6, 17].contains(&third)
        }
        libc::SYS_socketpair => first == 1,
        libc::SYS_setsockopt => match second {
            1 => ![7, 8, 32, 33, 26, 50, 51, 52].contains(&third),
            41 => third != 32,
            _ => true,
        },
        libc::SYS_ioctl => ![0x5412, 0x541c, 0x5423].contains(&second),
        libc::SYS_personality => [0, 0x0004_0000, 0xffff_ffff].contains(&first),
        libc::SYS_prlimit64 => first == 0,
        other => syscalls::GUEST.contains(&other),
    }
}

/// What would make standard output or error non-blocking.
fn pretended(number: u32, arguments: [u64; 6]) -> bool {
    #[expect(clippy::cast_possible_truncation, reason = "as the kernel does")]
    let [descriptor, command, flags, ..] = arguments.map(|argument| argument as u32);
    let asks = match i64::from(number) {
        libc::SYS_fcntl => command == 4 && flags & 0o4000 != 0,
        libc::SYS_ioctl => command == 0x5421,
        _ => false,
    };
    asks && [1, 2].contains(&descriptor)
}

fn expected(number: u32, architecture: u32, arguments: [u64; 6]) -> u32 {
    if architecture != ARCHITECTURE {
        KILL
    } else if pretended(number, arguments) {
        PRETEND
    } else if allowed(number, arguments) {
        ALLOW
    } else {
        REFUSE
    }
}

const X32: u32 = 0x4000_0000;
/// x86-64, 64-bit ARM, i386, ARM, and none at all.
const ARCHITECTURES: [u32; 5] = [0xc000_003e, 0xc000_00b7, 0x4000_0003, 0x4000_0028, 0];

fn values() -> impl Strategy<Value = u64> {
    // Mostly numbers that mean something, with anything in the upper half.
    let low = prop_oneof![
        0..20_u64,
        20..60_u64,
        Just(0x5412),
        Just(0x541c),
        Just(0x5423),
        Just(0x5421),
        Just(0o4001),
        Just(0x0004_0000),
        Just(0xffff_ffff),
        (0..32_u32).prop_map(|bit| 1 << bit),
        any::<u32>().prop_map(u64::from),
    ];
    (low, prop_oneof![Just(0), any::<u32>()]).prop_map(|(low, high)| low | u64::from(high) << 32)
}

proptest! {
    #[test]
    fn the_program_says_what_the_rules_say(arguments in prop::array::uniform6(values()), far in any::<u32>()) {
        let program = for_guests().0;
        for architecture in ARCHITECTURES {
            for number in (0..1024).chain(X32..X32 + 1024).chain([far, u32::MAX]) {
                prop_assert_eq!(
                    run(&program, number, architecture, arguments),
                    expected(number, architecture, arguments),
                    "call {} of {:#x} with {:?}", number, architecture, arguments
                );
            }
        }
    }

    #[test]
    fn sockets_are_checked_in_all_their_arguments(
        family in 0..50_u64, kind in 0..0x90000_u64, protocol in 0..300_u64,
    ) {
        let program = for_guests().0;
        for number in [libc::SYS_socket, libc::SYS_socketpair] {
            let number = u32::try_from(number).unwrap();
            let arguments = [family, kind, protocol, 0, 0, 0];
            prop_assert_eq!(
                run(&program, number, ARCHITECTURE, arguments),
                expected(number, ARCHITECTURE, arguments)
            );
        }
    }
}

#[test]
fn standard_output_and_error_cannot_be_made_non_blocking() {
    let program = for_guests().0;
    let answer = |call, arguments| {
        let [descriptor, command, flags] = arguments;
        let number = u32::try_from(call).unwrap();
        run(
            &program,
            number,
            ARCHITECTURE,
            [descriptor, command, flags, 0, 0, 0],
        )
    };
    let (set, get, non_blocking) = (4, 3, 0o4001);
    let upper = 0xdead_0000_0000_0000_u64;
    for descriptor in [1, 2, upper | 1, upper | 2] {
        assert_eq!(answer(libc::SYS_fcntl, [descriptor, set, non_blocking]), PRETEND);
        assert_eq!(answer(libc::SYS_fcntl, [descriptor, set, 1]), ALLOW);
        assert_eq!(answer(libc::SYS_fcntl, [descriptor, get, non_blocking]), ALLOW);
        assert_eq!(
            answer(libc::SYS_ioctl, [descriptor, 0x5421, 0x7fff_0000]),
            PRETEND
        );
    }
    for descriptor in [0, 3, 1 << 32, 0x101] {
        assert_eq!(answer(libc::SYS_fcntl, [descriptor, set, non_blocking]), ALLOW);
        assert_eq!(answer(libc::SYS_ioctl, [descriptor, 0x5421, 0x7fff_0000]), ALLOW);
    }
}

#[test]
fn the_program_is_short_and_every_way_through_it_shorter() {
    let program = for_guests().0;
    assert!(program.len() < 256, "{} statements", program.len());
    for number in 0..1024 {
        // The kernel takes this way for every number when the filter is installed: up to an answer, or to an argument.
        let mut at = 4;
        let mut steps = 0;
        while let sock_filter {
            code: 0x35,
            jt,
            jf,
            k,
        } = program[at]
        {
            at += 1 + usize::from(if number >= k { jt } else { jf });
            steps += 1;
        }
        assert!(matches!(program[at].code, 0x06 | 0x20));
        assert!(steps <= 8, "{steps} steps for {number}");
    }
}

#[test]
fn what_must_be_refused_is_not_on_the_list() {
    let dangerous = [
        libc::SYS_io_uring_setup,
        libc::SYS_io_uring_enter,
        libc::SYS_io_uring_register,
        libc::SYS_keyctl,
        libc::SYS_add_key,
        libc::SYS_request_key,
        libc::SYS_bpf,
        libc::SYS_perf_event_open,
        libc::SYS_userfaultfd,
        libc::SYS_ptrace,
        libc::SYS_process_vm_readv,
        libc::SYS_process_vm_writev,
        libc::SYS_pidfd_getfd,
        libc::SYS_mount,
        libc::SYS_umount2,
        libc::SYS_pivot_root,
        libc::SYS_chroot,
        libc::SYS_move_mount,
        libc::SYS_open_tree,
        libc::SYS_fsopen,
        libc::SYS_fsmount,
        libc::SYS_mount_setattr,
        libc::SYS_unshare,
        libc::SYS_setns,
        libc::SYS_clone3,
        libc::SYS_init_module,
        libc::SYS_finit_module,
        libc::SYS_kexec_load,
        libc::SYS_settimeofday,
        libc::SYS_clock_settime,
        libc::SYS_adjtimex,
        libc::SYS_reboot,
        libc::SYS_swapon,
        libc::SYS_acct,
        libc::SYS_quotactl,
        libc::SYS_shmget,
        libc::SYS_semget,
        libc::SYS_msgget,
        libc::SYS_mq_open,
        libc::SYS_name_to_handle_at,
        libc::SYS_open_by_handle_at,
        libc::SYS_kcmp,
        libc::SYS_setuid,
        libc::SYS_setresuid,
        libc::SYS_setresgid,
        libc::SYS_setgroups,
        libc::SYS_capset,
        libc::SYS_seccomp,
        libc::SYS_sync,
        libc::SYS_landlock_restrict_self,
    ];
    let program = for_guests().0;
    for number in dangerous {
        assert!(!syscalls::GUEST.contains(&number), "{number}");
        let number = u32::try_from(number).unwrap();
        assert_eq!(run(&program, number, ARCHITECTURE, [0; 6]), REFUSE, "{number}");
    }
}

#[test]
fn no_call_is_named_twice() {
    let names: BTreeSet<_> = syscalls::GUEST.iter().collect();
    assert_eq!(names.len(), syscalls::GUEST.len());
    for conditional in [
        libc::SYS_clone,
        libc::SYS_socket,
        libc::SYS_socketpair,
        libc::SYS_ioctl,
        libc::SYS_personality,
        libc::SYS_prlimit64,
    ] {
        assert!(!syscalls::GUEST.contains(&conditional), "{conditional}");
    }
}
