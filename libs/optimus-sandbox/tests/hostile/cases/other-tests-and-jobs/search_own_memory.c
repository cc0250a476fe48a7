#include "hostile.h"

/* Built up from parts, so that the program does not find itself. */
static char wanted[8];

int attack(void) {
    unsigned long from, to;
    char line[512], rights[8];
    memcpy(wanted, "cana", 4);
    memcpy(wanted + 4, "ry-", 3);
    FILE *maps = fopen("/proc/self/maps", "r");
    int memory = open("/proc/self/mem", O_RDONLY);
    char *block = malloc(1 << 20);
    while (fgets(line, sizeof line, maps)) {
        if (sscanf(line, "%lx-%lx %7s", &from, &to, rights) != 3 || rights[0] != 'r') continue;
        for (unsigned long at = from; at < to && to - from < 1UL << 28; at += (1 << 20) - 64) {
            ssize_t got = pread(memory, block, to - at < 1 << 20 ? to - at : 1 << 20, at);
            for (char *found = block; got > 0 && (found = memmem(found, block + got - found, wanted, 7)); found++) {
                int hex = 0;
                while (hex < 32 && strchr("0123456789abcdef", found[7 + hex]) && found[7 + hex]) hex++;
                if (hex == 32) printf("at %lx: %.60s\n", at, found);
            }
        }
    }
    puts("withstood");
    return 0;
}
