#include "hostile.h"
#include "refused.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/prctl.h>

/* A filter that allows everything, on top of the one there is. */
int attack(void) {
    struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = {1, &allow};
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
    unknown("seccomp", syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program));
    unknown("seccomp with a listener", syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 1 << 3, &program));
    prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0);
    unknown("unshare", unshare(CLONE_NEWUSER));
    return verdict();
}
