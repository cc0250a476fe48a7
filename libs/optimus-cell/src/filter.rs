//! The system call filters of every guest.
//!
//! An allow-list: what [`crate::syscalls`] does not name is refused. A refused call answers `ENOSYS`, as on a kernel
//! that does not have it, because that is the refusal runtimes are written to survive: the C library then falls back
//! from `clone3`, which a filter cannot look into, to `clone`, which it can. System calls of another architecture,
//! such as `int 0x80` on `x86_64`, kill the process; those of x32 have numbers that the list does not contain.
//!
//! The kernel takes half a millisecond to digest so long a filter. The agent therefore puts it on itself, once, and
//! every guest inherits it. The few calls that make a guest of the agent's child are closed by a second, short filter:
//! the child's last step before `exec`.

use std::collections::BTreeMap;

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

use crate::{error::CellError, syscalls};

/// A system call's allowed arguments: any of the rules, each a list of conditions that must all hold.
type Rules = Vec<SeccompRule>;

/// `personality` flags that only switch the randomisation of addresses off, or ask without changing anything.
const PERSONALITIES: [u64; 3] = [0, libc::ADDR_NO_RANDOMIZE as u64, 0xffff_ffff];

/// Largest protocol number of a plain socket, that of UDP. TCP, ICMP and "the usual one" are below it; SCTP, MPTCP, SMC
/// and other rarely tested ones above.
const LAST_PROTOCOL: u64 = libc::IPPROTO_UDP as u64;

/// Confines this process and all its future children, for good.
pub(crate) fn confine() -> Result<(), CellError> {
    let program = allow_list().map_err(|source| CellError::Filter { source })?;
    seccompiler::apply_filter(&program).map_err(|source| CellError::Confine { source })
}

/// The second filter, to be installed by each guest.
pub(crate) fn for_guest() -> Result<BpfProgram, CellError> {
    guest_filter().map_err(|source| CellError::Filter { source })
}

fn allow_list() -> Result<BpfProgram, BackendError> {
    let all = syscalls::GUEST.iter().chain(&syscalls::BEFORE_EXEC);
    let mut rules: BTreeMap<i64, Rules> = all.map(|number| (*number, Vec::new())).collect();
    rules.insert(libc::SYS_clone, vec![without_namespaces()?]);
    rules.insert(libc::SYS_socket, sockets()?);
    rules.insert(libc::SYS_socketpair, vec![all_of([equal(0, libc::AF_UNIX)?])?]);
    rules.insert(libc::SYS_ioctl, vec![harmless_ioctls()?]);
    rules.insert(libc::SYS_personality, personalities()?);
    build(rules, refuse(), SeccompAction::Allow)
}

fn guest_filter() -> Result<BpfProgram, BackendError> {
    let rules = syscalls::BEFORE_EXEC
        .iter()
        .map(|number| (*number, Vec::new()))
        .collect();
    build(rules, SeccompAction::Allow, refuse())
}

fn refuse() -> SeccompAction {
    SeccompAction::Errno(libc::ENOSYS.unsigned_abs())
}

fn build(
    rules: BTreeMap<i64, Rules>,
    otherwise: SeccompAction,
    matching: SeccompAction,
) -> Result<BpfProgram, BackendError> {
    let arch: TargetArch = std::env::consts::ARCH.try_into()?;
    SeccompFilter::new(rules, otherwise, matching, arch)?.try_into()
}

fn all_of<const N: usize>(conditions: [SeccompCondition; N]) -> Result<SeccompRule, BackendError> {
    SeccompRule::new(conditions.into())
}

fn argument(index: u8, operator: SeccompCmpOp, value: u64) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(index, SeccompCmpArgLen::Dword, operator, value)
}

fn equal(index: u8, value: i32) -> Result<SeccompCondition, BackendError> {
    argument(index, SeccompCmpOp::Eq, u64::from(value.unsigned_abs()))
}

/// `clone` that makes threads and processes, but no new namespace.
fn without_namespaces() -> Result<SeccompRule, BackendError> {
    let namespaces = libc::CLONE_NEWUSER
        | libc::CLONE_NEWNS
        | libc::CLONE_NEWPID
        | libc::CLONE_NEWNET
        | libc::CLONE_NEWIPC
        | libc::CLONE_NEWUTS
        | libc::CLONE_NEWCGROUP;
    all_of([argument(
        0,
        SeccompCmpOp::MaskedEq(u64::from(namespaces.cast_unsigned())),
        0,
    )?])
}

/// Local and internet sockets of the two usual types. The box has no network but its own loopback.
fn sockets() -> Result<Rules, BackendError> {
    // The two highest bits are SOCK_NONBLOCK and SOCK_CLOEXEC; the type is in the lowest four.
    let of_type = |kind: i32| argument(1, SeccompCmpOp::MaskedEq(0xf), u64::from(kind.unsigned_abs()));
    let mut rules = Vec::new();
    for family in [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6] {
        for kind in [libc::SOCK_STREAM, libc::SOCK_DGRAM] {
            let protocol = argument(2, SeccompCmpOp::Le, LAST_PROTOCOL)?;
            rules.push(all_of([equal(0, family)?, of_type(kind)?, protocol])?);
        }
    }
    Ok(rules)
}

/// All but those that type into a terminal somebody else reads.
fn harmless_ioctls() -> Result<SeccompRule, BackendError> {
    #[expect(
        clippy::unnecessary_cast,
        reason = "the constants' type differs between C libraries"
    )]
    let [sti, linux, ldisc] = [
        libc::TIOCSTI as u64,
        libc::TIOCLINUX as u64,
        libc::TIOCSETD as u64,
    ];
    all_of([
        argument(1, SeccompCmpOp::Ne, sti)?,
        argument(1, SeccompCmpOp::Ne, linux)?,
        argument(1, SeccompCmpOp::Ne, ldisc)?,
    ])
}

fn personalities() -> Result<Rules, BackendError> {
    PERSONALITIES
        .into_iter()
        .map(|flags| all_of([argument(0, SeccompCmpOp::Eq, flags)?]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filters_compile_and_fit_the_kernels_limit() {
        for program in [allow_list().unwrap(), guest_filter().unwrap()] {
            assert!(program.len() < 4096, "{} instructions", program.len());
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
            libc::SYS_setgroups,
            libc::SYS_sync,
        ];
        for number in dangerous {
            assert!(!syscalls::GUEST.contains(&number), "{number}");
        }
    }

    #[test]
    fn no_call_is_allowed_both_with_and_without_conditions() {
        for number in [
            libc::SYS_clone,
            libc::SYS_socket,
            libc::SYS_socketpair,
            libc::SYS_ioctl,
            libc::SYS_personality,
        ] {
            assert!(!syscalls::GUEST.contains(&number), "{number}");
        }
    }
}
