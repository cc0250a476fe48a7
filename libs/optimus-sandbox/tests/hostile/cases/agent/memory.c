#include "hostile.h"
#include <sys/ptrace.h>
#include <sys/uio.h>

static int through;

static void look_into(pid_t process) {
    char path[64], byte = 0;
    struct iovec here = {&byte, 1}, there = {(void *)0x400000, 1};
    snprintf(path, sizeof path, "/proc/%d/mem", process);
    if (open(path, O_RDWR) != -1 || open(path, O_RDONLY) != -1) printf("opened %s\n", path), through = 1;
    if (process_vm_readv(process, &here, 1, &there, 1, 0) != -1) printf("read %d\n", process), through = 1;
    if (process_vm_writev(process, &here, 1, &there, 1, 0) != -1) printf("wrote %d\n", process), through = 1;
    if (ptrace(PTRACE_ATTACH, process, 0, 0) != -1) printf("traced %d\n", process), through = 1;
    if (ptrace(PTRACE_SEIZE, process, 0, 0) != -1) printf("seized %d\n", process), through = 1;
}

int attack(void) {
    look_into(1);
    look_into(getppid());
    for (pid_t process = 2; process < 64; process++)
        if (process != getpid()) look_into(process);
    if (!through) puts("withstood");
    return 0;
}
