#include "hostile.h"

/* A crowd that is called as the agent is. */
int attack(void) {
    const char *names[] = {"optimus-runner", "runner.sh", "optimus-worker", "native-spawner"};
    for (int i = 0; i < 12; i++)
        if (fork() == 0) {
            prctl(PR_SET_NAME, names[i % 4]);
            prctl(PR_SET_CHILD_SUBREAPER, 1);
            setsid();
            for (int file = 0; file < 3; file++) close(file);
            for (;;) pause();
        }
    puts("withstood");
    return 0;
}
