#include "hostile.h"
#include "refused.h"
#include <fcntl.h>
#include <sched.h>
#include <signal.h>

int attack(void) {
    int kinds[] = {CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWIPC, CLONE_NEWUTS, CLONE_NEWCGROUP};
    for (int i = 0; i < 7; i++) {
        unknown("unshare", unshare(kinds[i]));
        long child = syscall(SYS_clone, kinds[i] | CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);
        if (child == 0) _exit(0);
        unknown("clone", child);
    }
    struct { unsigned long long fields[11]; } arguments = {{CLONE_NEWUSER, 0, 0, 0, SIGCHLD}};
    long child = syscall(SYS_clone3, &arguments, sizeof arguments);
    if (child == 0) _exit(0);
    unknown("clone3", child);
    int own = open("/proc/self/ns/net", O_RDONLY);
    unknown("setns", setns(own, 0));
    return verdict();
}
