#include "hostile.h"
#include "refused.h"
#include <signal.h>
#include <sys/uio.h>

int attack(void) {
    char secret = 'x', stolen = 0;
    struct iovec mine = {&stolen, 1}, theirs = {&secret, 1};
    pid_t child = fork();
    if (child == 0) for (;;) pause();
    unknown("process_vm_readv", process_vm_readv(child, &mine, 1, &theirs, 1, 0));
    unknown("process_vm_writev", process_vm_writev(child, &mine, 1, &theirs, 1, 0));
    unknown("process_madvise", syscall(SYS_process_madvise, 0, 0, 0, 0, 0));
    unknown("kcmp", syscall(SYS_kcmp, getpid(), child, 0, 0, 1));
    unknown("pidfd_getfd", syscall(SYS_pidfd_getfd, 0, 1, 0));
    kill(child, SIGKILL);
    waitpid(child, 0, 0);
    return verdict();
}
