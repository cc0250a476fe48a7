#include "storm.h"

static void nothing(int signal) { (void)signal; }

/* Everybody who may be signalled is: all that have this user, and their group. */
static void once(int child) {
    union sigval value = {0};
    (void)child;
    signal(SIGUSR1, nothing);
    signal(SIGRTMIN, nothing);
    for (int i = 0; i < 64; i++) {
        kill(0, SIGUSR1);
        sigqueue(getpid(), SIGRTMIN, value);
        pid_t stopped = fork();
        if (!stopped) for (;;) pause();
        if (stopped > 0) {
            kill(stopped, SIGSTOP);
            kill(stopped, SIGCONT);
            kill(stopped, SIGKILL);
            waitpid(stopped, 0, 0);
        }
    }
}

int attack(void) {
    signal(SIGUSR1, SIG_IGN);
    return storm(4, once);
}
