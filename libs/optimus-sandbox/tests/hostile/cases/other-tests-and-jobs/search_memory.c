#include "hostile.h"
#include <sys/ptrace.h>
#include <sys/uio.h>

int attack(void) {
    char path[64], buffer[64];
    struct iovec mine = {buffer, sizeof buffer}, theirs = {(void *)0x400000, sizeof buffer};
    for (int process = 1; process < 1000; process++) {
        if (process == getpid()) continue;
        snprintf(path, sizeof path, "/proc/%d/mem", process);
        if (open(path, O_RDONLY) >= 0 || open(path, O_RDWR) >= 0) printf("%s is open\n", path);
        if (syscall(SYS_process_vm_readv, process, &mine, 1, &theirs, 1, 0) >= 0) printf("%d is read\n", process);
        if (syscall(SYS_process_vm_writev, process, &mine, 1, &theirs, 1, 0) >= 0) printf("%d is written\n", process);
        if (!ptrace(PTRACE_SEIZE, process, 0, 0) || !ptrace(PTRACE_ATTACH, process, 0, 0)) printf("%d is traced\n", process);
        if (!syscall(SYS_kcmp, getpid(), process, 0, 0, 0)) printf("%d is compared\n", process);
    }
    if (open("/dev/mem", O_RDONLY) >= 0 || open("/proc/kcore", O_RDONLY) >= 0) {
        char first[16];
        int file = open("/proc/kcore", O_RDONLY);
        if (file < 0 || read(file, first, sizeof first) > 0) puts("the memory of the machine is open");
    }
    puts("withstood");
    return 0;
}
