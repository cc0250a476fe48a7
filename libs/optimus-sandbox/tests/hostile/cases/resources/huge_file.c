#include "hostile.h"

int attack(void) {
    static char block[1 << 20];
    const char *places[] = {"/box/large", "/tmp/large", "/dev/shm/large"};
    signal(SIGXFSZ, SIG_IGN);
    for (int i = 0; i < 3; i++) {
        int file = open(places[i], O_CREAT | O_WRONLY, 0600);
        int blocks = 0;
        while (blocks < 1000 && write(file, block, sizeof block) > 0) blocks++;
        if (blocks > 100) printf("%d MiB in %s\n", blocks, places[i]);
    }
    puts("withstood");
    return 0;
}
