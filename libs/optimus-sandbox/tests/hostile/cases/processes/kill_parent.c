#include "hostile.h"

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#define SYS_pidfd_send_signal 424
#endif

int attack(void) {
    pid_t targets[] = {getppid(), 1, -getppid(), -1};
    union sigval nothing = {0};
    for (int i = 0; i < 3; i++) {
        for (int number = 0; number < 65; number++) {
            if (targets[i] == 0) continue;
            if (!kill(targets[i], number)) printf("signal %d reaches %d\n", number, targets[i]);
            if (targets[i] > 0 && number && !sigqueue(targets[i], number, nothing)) puts("a queued signal arrives");
            if (targets[i] > 0 && !syscall(SYS_tgkill, targets[i], targets[i], number)) puts("a thread is reached");
        }
        int process = targets[i] > 0 ? syscall(SYS_pidfd_open, targets[i], 0) : -1;
        if (process >= 0 && !syscall(SYS_pidfd_send_signal, process, SIGSTOP, 0, 0)) puts("a descriptor's signal arrives");
    }
    puts("withstood");
    return 0;
}
