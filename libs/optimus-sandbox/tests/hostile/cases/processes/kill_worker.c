#include "hostile.h"

int attack(void) {
    for (int number = 0; number < 65; number++) if (!kill(@WORKER_PID@, number)) printf("signal %d\n", number);
    for (int process = 2; process < 70000; process++)
        if (process != getpid() && !kill(process, 0)) printf("process %d is there\n", process);
    puts("withstood");
    return 0;
}
