#include "hostile.h"

/* By every way in which signals are sent, to whoever is not this process. */
int attack(void) {
    int through = 0;
    pid_t others[] = {1, getppid()};
    siginfo_t info = {.si_signo = SIGSTOP, .si_code = SI_QUEUE};
    for (int i = 0; i < 2; i++)
        for (int signal = 1; signal < 65; signal++) {
            if (others[i] == getpid() || others[i] == 0) continue;
            info.si_signo = signal;
            if (kill(others[i], signal) != -1) through = 1;
            if (syscall(SYS_tgkill, others[i], others[i], signal) != -1) through = 1;
            if (syscall(SYS_rt_sigqueueinfo, others[i], signal, &info) != -1) through = 1;
            int other = syscall(SYS_pidfd_open, others[i], 0);
            if (other != -1 && syscall(SYS_pidfd_send_signal, other, signal, 0, 0) != -1) through = 1;
            if (other != -1) close(other);
        }
    signal(SIGTERM, SIG_IGN);
    kill(-1, SIGSTOP);
    kill(-1, SIGKILL);
    puts(through ? "a signal was sent" : "withstood");
    return 0;
}
