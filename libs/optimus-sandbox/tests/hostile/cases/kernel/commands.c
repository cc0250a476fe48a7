#include "hostile.h"
#include "refused.h"

/* Commands of calls that programs need for other ones. No descriptor and no address is right, so that the kernel would answer
   otherwise than the filter does; and the kernel does not look at the upper half of most arguments, where there is junk too. */
static const struct {
    const char *name;
    long call;
    int at; /* the argument that tells the command */
    long arguments[6];
    int error;
} asked[] = {
    {"SIOCGIFCONF", SYS_ioctl, 1, {-1, 0x8912}, ENOTTY},
    {"SIOCGIFFLAGS", SYS_ioctl, 1, {-1, 0x8913}, ENOTTY},
    {"SIOCGIFBR, which may load a module", SYS_ioctl, 1, {-1, 0x8940}, ENOTTY},
    {"SIOCGIFVLAN, which may load a module", SYS_ioctl, 1, {-1, 0x8982}, ENOTTY},
    {"NS_GET_USERNS", SYS_ioctl, 1, {-1, 0xb701}, ENOTTY},
    {"PIDFD_GET_MNT_NAMESPACE", SYS_ioctl, 1, {-1, 0xff03}, ENOTTY},
    {"FIOASYNC", SYS_ioctl, 1, {-1, 0x5452}, ENOTTY},
    {"FS_IOC_SETFLAGS", SYS_ioctl, 1, {-1, 0x40086602}, ENOTTY},
    {"F_SETSIG", SYS_fcntl, 1, {-1, 10}, EINVAL},
    {"F_SETOWN", SYS_fcntl, 1, {-1, 8}, EINVAL},
    {"F_SETLEASE", SYS_fcntl, 1, {-1, 1024}, EINVAL},
    {"F_NOTIFY", SYS_fcntl, 1, {-1, 1026}, EINVAL},
    {"O_ASYNC", SYS_fcntl, 1, {-1, F_SETFL, O_ASYNC}, EINVAL},
    {"F_SETLKW", SYS_fcntl, 1, {-1, F_SETLKW}, ENOLCK},
    {"F_SETLK", SYS_fcntl, 1, {-1, F_SETLK}, 0},
    {"PR_SET_SECCOMP", SYS_prctl, 0, {22, 2}, EINVAL},
    {"PR_SET_PTRACER", SYS_prctl, 0, {0x59616d61, 1}, EINVAL},
    {"PR_SET_VMA", SYS_prctl, 0, {0x53564d41}, EINVAL},
    {"PR_SET_MEMORY_MERGE", SYS_prctl, 0, {67, 1}, EINVAL},
    {"PR_SCHED_CORE", SYS_prctl, 0, {62, 1}, EINVAL},
    {"PR_FUTEX_HASH", SYS_prctl, 0, {78, 1, 4}, EINVAL},
    {"MADV_MERGEABLE", SYS_madvise, 2, {0, 0, 12}, EINVAL},
    {"MADV_PAGEOUT", SYS_madvise, 2, {0, 0, 21}, EINVAL},
    {"MADV_HWPOISON", SYS_madvise, 2, {0, 0, 100}, EINVAL},
    {"POSIX_FADV_DONTNEED", SYS_fadvise64, 3, {-1, 0, 0, 4}, 0},
    {"readahead", SYS_readahead, 0, {-1, 0, 4096}, 0},
    {"RWF_NOWAIT", SYS_preadv2, 5, {-1, 0, 0, 0, 0, 8}, EOPNOTSUPP},
    {"STATX_MNT_ID_UNIQUE", SYS_statx, 3, {AT_FDCWD, 0, 0, 0x4000}, EINVAL},
    {"a pipe of notifications", SYS_pipe2, 1, {0, O_EXCL}, EINVAL},
    {"RENAME_WHITEOUT", SYS_renameat2, 4, {AT_FDCWD, 0, AT_FDCWD, 0, 4}, EINVAL},
    {"FUTEX_LOCK_PI", SYS_futex, 1, {1, 6}, ENOSYS},
    {"FUTEX_CMP_REQUEUE_PI", SYS_futex, 1, {1, 12 | 128}, ENOSYS},
    {"MEMBARRIER_CMD_GLOBAL", SYS_membarrier, 0, {1}, EINVAL},
    {"RLIMIT_CORE", SYS_setrlimit, 0, {RLIMIT_CORE}, EPERM},
    {"RLIMIT_CORE, the other way", SYS_prlimit64, 1, {0, RLIMIT_CORE, 1}, EPERM},
    {"SCHED_FIFO", SYS_sched_setscheduler, 1, {-1, 1}, EPERM},
    {"sched_setattr", SYS_sched_setattr, 0, {0}, ENOSYS},
    {"tee", SYS_tee, 0, {-1, -1, 1}, ENOSYS},
    {"SO_RCVBUFFORCE", SYS_setsockopt, 2, {-1, SOL_SOCKET, 33}, ENOPROTOOPT},
    {"SO_ATTACH_FILTER", SYS_setsockopt, 2, {-1, SOL_SOCKET, 26}, ENOPROTOOPT},
    {"SO_ZEROCOPY", SYS_setsockopt, 2, {-1, SOL_SOCKET, 60}, ENOPROTOOPT},
    {"SO_RCVBUF", SYS_setsockopt, 2, {-1, SOL_SOCKET, SO_RCVBUF}, 0},
    {"TCP_ULP", SYS_setsockopt, 2, {-1, 6, 31}, ENOPROTOOPT},
    {"TCP_FASTOPEN", SYS_setsockopt, 2, {-1, 6, 23}, ENOPROTOOPT},
    {"TCP_REPAIR", SYS_setsockopt, 2, {-1, 6, 19}, ENOPROTOOPT},
    {"UDP_ENCAP", SYS_setsockopt, 2, {-1, 17, 100}, ENOPROTOOPT},
    {"IP_OPTIONS", SYS_setsockopt, 2, {-1, 0, 4}, ENOPROTOOPT},
    {"IPT_SO_SET_REPLACE", SYS_setsockopt, 2, {-1, 0, 64}, ENOPROTOOPT},
    {"IPV6_FLOWLABEL_MGR", SYS_setsockopt, 2, {-1, 41, 32}, ENOPROTOOPT},
    {"SO_COOKIE", SYS_getsockopt, 2, {-1, SOL_SOCKET, 57}, ENOPROTOOPT},
    {"MSG_OOB", SYS_sendto, 3, {-1, 0, 0, MSG_OOB}, EOPNOTSUPP},
    {"MSG_OOB, the other way", SYS_recvmsg, 2, {-1, 0, MSG_OOB}, EOPNOTSUPP},
    {"MSG_ZEROCOPY", SYS_sendmsg, 2, {-1, 0, 0x4000000}, EOPNOTSUPP},
    {"MSG_FASTOPEN", SYS_sendmmsg, 3, {-1, 0, 0, 0x20000000}, EOPNOTSUPP},
    {"MSG_ERRQUEUE", SYS_recvfrom, 3, {-1, 0, 0, 0x2000}, EOPNOTSUPP},
};

int attack(void) {
    static const unsigned long junk[] = {0, 1ul << 32, 0xdeadbeef00000000};
    for (unsigned long i = 0; i < sizeof asked / sizeof *asked; i++) {
        for (int which = 0; which < 3; which++) {
            long a[6];
            memcpy(a, asked[i].arguments, sizeof a);
            a[asked[i].at] |= (long)junk[which];
            answered(asked[i].name, syscall(asked[i].call, a[0], a[1], a[2], a[3], a[4], a[5]), asked[i].error);
        }
    }
    return verdict();
}
