#include "hostile.h"
#include "refused.h"
#include <signal.h>
#include <sys/ptrace.h>

int attack(void) {
    pid_t child = fork();
    if (child == 0) for (;;) pause();
    unknown("ptrace of a child", ptrace(PTRACE_SEIZE, child, 0, 0));
    unknown("ptrace of the parent", ptrace(PTRACE_ATTACH, getppid(), 0, 0));
    unknown("ptrace of the first process", ptrace(PTRACE_ATTACH, 1, 0, 0));
    unknown("asking to be traced", ptrace(PTRACE_TRACEME, 0, 0, 0));
    kill(child, SIGKILL);
    waitpid(child, 0, 0);
    return verdict();
}
