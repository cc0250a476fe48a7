#include "hostile.h"
#include "refused.h"
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>

/* A program that lies in no file system is confined like any other. */
int attack(void) {
    int own = open("/proc/self/exe", O_RDONLY), copy = memfd_create("copy", 0);
    if (own == -1 || copy == -1) return 1;
    char block[4096];
    for (ssize_t got; (got = read(own, block, sizeof block)) > 0;)
        if (write(copy, block, got) != got) return 1;
    char *arguments[] = {"copy", 0}, *environment[] = {"COPY=1", 0};
    fexecve(copy, arguments, environment);
    puts("it was not executed");
    return 0;
}

/* Before `main` asks which test this is: its standard input has been read by the first program. */
__attribute__((constructor)) static void second(void) {
    if (!getenv("COPY")) return;
    unknown("unshare", unshare(CLONE_NEWUSER));
    refused("a call of the mount family", syscall(SYS_fsopen, "tmpfs", 0));
    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1) got_through = 1;
    verdict();
    fflush(stdout);
    _exit(0);
}
