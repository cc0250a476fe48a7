//! The program against the rules, written down a second time and run by a machine of our own.

mod libseccomp;

use std::collections::BTreeSet;

use libc::sock_filter;
use proptest::prelude::*;

use optimus_linux::seccomp::{ARCHITECTURE, Action, KILL, encode};

use super::Filter;
use crate::syscalls;

const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
const REFUSE: u32 = libc::SECCOMP_RET_ERRNO | libc::ENOSYS.unsigned_abs();
const PRETEND: u32 = libc::SECCOMP_RET_ERRNO;
const ASK: u32 = libc::SECCOMP_RET_USER_NOTIF;

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
            0x05 => {
                at += k as usize;
                continue;
            }
            0x15 => accumulator == k,
            0x25 => accumulator > k,
            0x35 => accumulator >= k,
            0x45 => accumulator & k != 0,
            other => panic!("the filter machine of the kernel has no {other:#x}"),
        };
        at += usize::from(if holds { jt } else { jf });
    }
}

/// The rules once more, as plain code with the numbers of the kernel's own headers.
fn judged(number: u32, arguments: [u64; 6]) -> Action {
    #[expect(clippy::cast_possible_truncation, reason = "as the kernel does")]
    let [first, second, third, fourth, fifth, sixth] = arguments.map(|argument| argument as u32);
    let lowered = [0, 1, 2, 3, 5, 6, 7, 8, 9];
    let direct = if cfg!(target_arch = "x86_64") {
        0o40000
    } else {
        0o200_000
    };
    let allowed_or = |allowed, errno| {
        if allowed {
            Action::Allow
        } else {
            Action::Refuse(errno)
        }
    };
    let opened = |flags: u32| {
        let other = libc::O_DIRECTORY | libc::O_NOFOLLOW;
        if flags & (!0o37_777_703 | direct | 0o20000) != 0 {
            Action::Refuse(libc::EINVAL)
        } else if flags & 0o4000 != 0 && flags & 3 != 0 && flags & (0o10_000_200 | other.cast_unsigned()) == 0
        {
            Action::Notify
        } else {
            Action::Allow
        }
    };
    match i64::from(number) {
        libc::SYS_clone => allowed_or(first & 0x7e02_0000 == 0, libc::ENOSYS),
        libc::SYS_socket => allowed_or(
            [1, 2, 10].contains(&first) && [1, 2].contains(&(second & 15)) && [0, 6, 17].contains(&third),
            libc::ENOSYS,
        ),
        libc::SYS_socketpair => allowed_or(first == 1, libc::ENOSYS),
        libc::SYS_personality => allowed_or([0, 0x0004_0000, 0xffff_ffff].contains(&first), libc::ENOSYS),
        libc::SYS_fcntl => match second {
            4 if third & (0o24000 | direct) == 0o4000 => Action::Notify,
            4 => allowed_or(third & (0o20000 | direct) == 0, libc::EINVAL),
            6 | 37 => Action::PRETEND,
            7 | 38 => Action::Refuse(libc::ENOLCK),
            command => allowed_or(
                [0, 1, 2, 3, 5, 36, 1030, 1032, 1033, 1034].contains(&command),
                libc::EINVAL,
            ),
        },
        libc::SYS_ioctl => match second {
            0x5421 => Action::Notify,
            request => allowed_or(
                [0x5401, 0x540f, 0x5411, 0x5413, 0x541b, 0x5421, 0x5450, 0x5451].contains(&request),
                libc::ENOTTY,
            ),
        },
        libc::SYS_renameat2 => allowed_or(fifth & !3 == 0, libc::EINVAL),
        libc::SYS_statx => allowed_or(fourth & !0x1fff == 0, libc::EINVAL),
        libc::SYS_pipe2 => allowed_or(second & !0o2_004_000 == 0, libc::EINVAL),
        libc::SYS_fadvise64 => match fourth {
            3 | 4 => Action::PRETEND,
            advice => allowed_or([0, 1, 2, 5].contains(&advice), libc::EINVAL),
        },
        libc::SYS_readahead | libc::SYS_fsync | libc::SYS_fdatasync | libc::SYS_sync_file_range => {
            Action::PRETEND
        }
        #[cfg(target_arch = "x86_64")]
        libc::SYS_open => opened(second),
        libc::SYS_openat => opened(third),
        libc::SYS_msync => match third & !2 {
            0 | 1 => Action::Allow,
            4 => Action::PRETEND,
            _ => Action::Refuse(libc::EINVAL),
        },
        libc::SYS_sendfile | libc::SYS_splice => Action::Refuse(libc::EINVAL),
        libc::SYS_preadv2 | libc::SYS_pwritev2 => allowed_or(sixth & !0x16 == 0, libc::EOPNOTSUPP),
        libc::SYS_mmap => {
            let unknown = if cfg!(target_arch = "x86_64") {
                !0x13_f873_u64
            } else {
                !0x13_f833_u64
            };
            allowed_or(arguments[3] & unknown == 0, libc::EINVAL)
        }
        libc::SYS_mremap => allowed_or(arguments[3] & !3 == 0, libc::EINVAL),
        libc::SYS_madvise => allowed_or(
            [0, 1, 2, 3, 4, 8, 10, 11, 14, 15, 16, 17, 18, 19].contains(&third),
            libc::EINVAL,
        ),
        libc::SYS_memfd_create => allowed_or(second & !0x1b == 0, libc::EINVAL),
        libc::SYS_prctl => {
            let vectors = cfg!(target_arch = "aarch64") && [50, 51].contains(&first);
            let usual = [1, 2, 3, 4, 15, 16, 23, 36, 37, 38, 39, 41, 42].contains(&first);
            allowed_or(vectors || usual, libc::EINVAL)
        }
        libc::SYS_futex => allowed_or([0, 1, 3, 4, 5, 9, 10].contains(&(second & !0x180)), libc::ENOSYS),
        libc::SYS_membarrier => allowed_or([0, 8, 16, 32, 64].contains(&first), libc::EINVAL),
        libc::SYS_setrlimit => allowed_or(lowered.contains(&first), libc::EPERM),
        libc::SYS_prlimit64 => allowed_or(
            first == 0 && (arguments[2] == 0 || lowered.contains(&second)),
            libc::EPERM,
        ),
        libc::SYS_sched_setscheduler => match second & !0x4000_0000 {
            5 => Action::PRETEND,
            policy => allowed_or([0, 3].contains(&policy), libc::EPERM),
        },
        libc::SYS_setpriority if third < 32 => Action::PRETEND,
        libc::SYS_setpriority => Action::Refuse(libc::EACCES),
        libc::SYS_ioprio_set if [0, 2, 3].contains(&(third >> 13)) => Action::PRETEND,
        libc::SYS_ioprio_set => Action::Refuse(libc::EPERM),
        libc::SYS_setsockopt => match (second, third) {
            (1, 7 | 8) => Action::PRETEND,
            (1, name) => allowed_or([2, 6, 9, 13, 15, 20, 21].contains(&name), libc::ENOPROTOOPT),
            (6, name) => allowed_or([1, 3, 4, 5, 6, 12].contains(&name), libc::ENOPROTOOPT),
            (level, name) => internet(level, name),
        },
        libc::SYS_getsockopt => match (second, third) {
            (1, name) => allowed_or(
                [2, 3, 4, 6, 7, 8, 9, 13, 15, 17, 20, 21, 30, 38, 39].contains(&name),
                libc::ENOPROTOOPT,
            ),
            (6, name) => allowed_or([1, 2, 3, 4, 5, 6, 12].contains(&name), libc::ENOPROTOOPT),
            (level, name) => internet(level, name),
        },
        libc::SYS_sendto | libc::SYS_sendmmsg => allowed_or(fourth & !0xc0c0 == 0, libc::EOPNOTSUPP),
        libc::SYS_sendmsg => allowed_or(third & !0xc0c0 == 0, libc::EOPNOTSUPP),
        libc::SYS_recvfrom | libc::SYS_recvmmsg => allowed_or(fourth & !0x4001_4162 == 0, libc::EOPNOTSUPP),
        libc::SYS_recvmsg => allowed_or(third & !0x4001_4162 == 0, libc::EOPNOTSUPP),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_arch_prctl => allowed_or(
            [
                0x1001, 0x1002, 0x1003, 0x1004, 0x1021, 0x1022, 0x1023, 0x3001, 0x5001, 0x5002, 0x5003,
                0x5005,
            ]
            .contains(&first),
            libc::EINVAL,
        ),
        other => allowed_or(syscalls::GUEST.contains(&other), libc::ENOSYS),
    }
}

/// Options of the two families.
fn internet(level: u32, name: u32) -> Action {
    let known: &[u32] = match level {
        0 => &[1, 2, 33, 34],
        41 => &[16, 18, 19, 26, 49, 67],
        _ => &[],
    };
    if known.contains(&name) {
        Action::Allow
    } else {
        Action::Refuse(libc::ENOPROTOOPT)
    }
}

fn expected(number: u32, architecture: u32, arguments: [u64; 6]) -> u32 {
    if architecture == ARCHITECTURE {
        encode(judged(number, arguments))
    } else {
        KILL
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
        1024..1040_u64,
        0x5400..0x5460_u64,
        0x1000..0x1030_u64,
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
        let program = Filter::for_guests().asking.0;
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
        let program = Filter::for_guests().asking.0;
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

/// Where nobody can be asked the filter says the same, but that of what it would ask about it pretends what the numbers of the
/// streams are used with, and allows the rest.
#[test]
fn without_anybody_to_ask_nothing_else_changes() {
    let Filter { asking, silent } = Filter::for_guests();
    for number in 0..1024 {
        for arguments in [
            [0; 6],
            [3, 4, 0o4001, 0, 0, 0],
            [3, 0x5421, 1, 0, 0, 0],
            [1, 4, 0o4001, 0, 0, 0],
            [0, 0o4001, 0o4001, 0, 0, 0],
            [2, 0x5421, 1, 0, 0, 0],
            [0, 0x5421, 1, 0, 0, 0],
        ] {
            let said = run(&asking.0, number, ARCHITECTURE, arguments);
            let of_number = [libc::SYS_fcntl, libc::SYS_ioctl].contains(&i64::from(number));
            let wanted = match arguments[0] {
                1 | 2 if said == ASK && of_number => PRETEND,
                _ if said == ASK => ALLOW,
                _ => said,
            };
            assert_eq!(
                run(&silent.0, number, ARCHITECTURE, arguments),
                wanted,
                "{number}"
            );
        }
    }
}

#[test]
fn standard_output_and_error_cannot_be_made_non_blocking() {
    let Filter { asking, silent } = Filter::for_guests();
    let (set, get, non_blocking) = (4, 3, 0o4001);
    let upper = 0xdead_0000_0000_0000_u64;
    // What a stream is called says nothing where somebody knows what it is.
    for (program, of_streams, of_others) in [(&asking.0, ASK, ASK), (&silent.0, PRETEND, ALLOW)] {
        let answer = |call, [descriptor, command, flags]: [u64; 3]| {
            let number = u32::try_from(call).unwrap();
            let arguments = [descriptor, command, flags, 0, 0, 0];
            run(program, number, ARCHITECTURE, arguments)
        };
        let streams = [1, 2, upper | 1, upper | 2].map(|stream| (stream, of_streams));
        let others = [0, 1 << 32, 3, 0x101, upper | 5].map(|other| (other, of_others));
        for (descriptor, wanted) in streams.into_iter().chain(others) {
            assert_eq!(answer(libc::SYS_fcntl, [descriptor, set, non_blocking]), wanted);
            assert_eq!(answer(libc::SYS_fcntl, [descriptor, set, 1]), ALLOW);
            assert_eq!(answer(libc::SYS_fcntl, [descriptor, get, non_blocking]), ALLOW);
            assert_eq!(answer(libc::SYS_ioctl, [descriptor, 0x5421, 0x7fff_0000]), wanted);
        }
        let asynchronous = answer(libc::SYS_fcntl, [3, set, non_blocking | 0o20000]);
        assert_eq!(
            asynchronous,
            libc::SECCOMP_RET_ERRNO | libc::EINVAL.unsigned_abs()
        );
    }
}

/// A register has 64 bits, and most calls take 32 of them.
#[test]
fn what_stands_in_the_upper_half_counts_exactly_where_the_kernel_looks_at_it() {
    let program = Filter::for_guests().asking.0;
    let answer = |call, arguments| run(&program, u32::try_from(call).unwrap(), ARCHITECTURE, arguments);
    let upper = 0x0001_0000_0000_0000_u64;
    // Forbidden commands stay forbidden, and allowed ones allowed.
    let forbidden = |call, at: usize, command: u64, errno: i32| {
        for command in [command, command | upper, command | 1 << 32] {
            let mut arguments = [0; 6];
            arguments[at] = command;
            let wanted = libc::SECCOMP_RET_ERRNO | errno.unsigned_abs();
            assert_eq!(answer(call, arguments), wanted, "{call} {command:#x}");
        }
    };
    forbidden(libc::SYS_fcntl, 1, 1024, libc::EINVAL);
    forbidden(libc::SYS_ioctl, 1, 0x5412, libc::ENOTTY);
    forbidden(libc::SYS_prctl, 0, 22, libc::EINVAL);
    forbidden(libc::SYS_madvise, 2, 21, libc::EINVAL);
    forbidden(libc::SYS_memfd_create, 1, 4, libc::EINVAL);
    forbidden(libc::SYS_mmap, 3, 0x40022, libc::EINVAL);
    forbidden(libc::SYS_sendto, 3, 1, libc::EOPNOTSUPP);
    forbidden(libc::SYS_futex, 1, 6, libc::ENOSYS);
    forbidden(libc::SYS_setrlimit, 0, 4, libc::EPERM);
    assert_eq!(answer(libc::SYS_fcntl, [0, upper | 3, 0, 0, 0, 0]), ALLOW);
    // An address whose lower half is zero is one.
    assert_eq!(answer(libc::SYS_prlimit64, [0, 4, 0, 0, 0, 0]), ALLOW);
    for address in [1 << 32, 1, upper] {
        let refused = libc::SECCOMP_RET_ERRNO | libc::EPERM.unsigned_abs();
        assert_eq!(answer(libc::SYS_prlimit64, [0, 4, address, 0, 0, 0]), refused);
        assert_eq!(answer(libc::SYS_prlimit64, [0, 7, address, 0, 0, 0]), ALLOW);
    }
    assert_eq!(
        answer(libc::SYS_mmap, [0, 0, 0, 1 << 32 | 0x22, 0, 0]),
        libc::SECCOMP_RET_ERRNO | libc::EINVAL.unsigned_abs(),
        "64 bits are flags"
    );
}

#[test]
fn the_program_is_short_and_every_way_through_it_shorter() {
    let program = Filter::for_guests().asking.0;
    assert!(program.len() < 512, "{} statements", program.len());
    for number in 0..1024 {
        // The kernel takes this way for every number when the filter is installed: up to an answer, or to an argument.
        let mut at = 4;
        let mut steps = 0;
        loop {
            let sock_filter { code, jt, jf, k } = program[at];
            at += match code {
                0x35 => 1 + usize::from(if number >= k { jt } else { jf }),
                0x05 => 1 + k as usize,
                _ => break,
            };
            steps += 1;
        }
        assert!(matches!(program[at].code, 0x06 | 0x20));
        assert!(steps <= 12, "{steps} steps for {number}");
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
        libc::SYS_syncfs,
        libc::SYS_openat2,
        libc::SYS_landlock_restrict_self,
        libc::SYS_vmsplice,
        libc::SYS_tee,
        libc::SYS_sched_setattr,
    ];
    let program = Filter::for_guests().asking.0;
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
    let by_command = crate::commands::tables().map(|table| table.call);
    for conditional in by_command.chain([
        libc::SYS_clone,
        libc::SYS_socket,
        libc::SYS_socketpair,
        libc::SYS_personality,
    ]) {
        assert!(!syscalls::GUEST.contains(&conditional), "{conditional}");
    }
}
