#include "hostile.h"
#include <linux/filter.h>
#include <linux/seccomp.h>

/* Filters of its own: compiled, they are memory of the kernel's that nobody is charged for and a share of the whole host's; and
   they may write to the host's log. */
enum { PROCESSES = 24, FILTERS = 4, LENGTH = 4000 };

int attack(void) {
    static struct sock_filter code[LENGTH];
    for (int i = 0; i < LENGTH - 1; i++) code[i] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_IMM, (unsigned)i);
    code[LENGTH - 1] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_filter log = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_LOG);
    struct sock_fprog large = {LENGTH, code}, logging = {1, &log};
    int installed = 0, told[2];
    if (pipe(told)) return 1;
    for (int process = 0; process < PROCESSES; process++) {
        if (fork()) continue;
        int own = 0;
        for (int filter = 0; filter < FILTERS; filter++) {
            own += !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &large);
            own += !syscall(SYS_prctl, PR_SET_SECCOMP | 1ul << 32, SECCOMP_MODE_FILTER, &large);
        }
        own += !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &logging);
        if (write(told[1], &own, sizeof own)) pause();
    }
    for (int process = 0; process < PROCESSES; process++) {
        int own = 0;
        if (read(told[0], &own, sizeof own) == sizeof own) installed += own;
    }
    if (installed) printf("%d filters are installed\n", installed);
    else puts("withstood");
    return 0;
}
