#include "hostile.h"

int attack(void) {
    char buffer[65536];
    int back = open("/proc/self/fd/1", O_RDONLY | O_NONBLOCK);
    for (int i = 0; i < 2000; i++) {
        write(1, "x", 1);
        read(back, buffer, sizeof buffer);
    }
    puts("\nwithstood");
    return 0;
}
