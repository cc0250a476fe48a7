#include "hostile.h"

int attack(void) {
    const char *places[] = {"/box", "/tmp", "/dev/shm", "/usr", "/proc"};
    char path[300];
    for (long number = 0; number < 100000; number++) {
        snprintf(path, sizeof path, "%s/%0200ld", places[number % 5], number);
        if (!access(path, F_OK)) puts("it is there");
    }
    puts("withstood");
    return 0;
}
