#include "hostile.h"
#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#endif

/* Names of maps are kernel memory that nobody is charged for: 80 bytes for each of thousands. */
enum { PROCESSES = 20, MAPS = 1000 };

int attack(void) {
    int named = 0, told[2];
    if (pipe(told)) return 1;
    for (int process = 0; process < PROCESSES; process++) {
        if (fork()) continue;
        int own = 0;
        for (int map = 0; map < MAPS; map++) {
            char name[80];
            memset(name, 'x', sizeof name - 1);
            snprintf(name, sizeof name, "%070d", map);
            void *memory = mmap(0, 4096, map % 2 ? PROT_READ : PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            if (memory == MAP_FAILED) break;
            own += !prctl(PR_SET_VMA, 0, memory, 4096, name);
        }
        if (write(told[1], &own, sizeof own)) pause();
    }
    for (int process = 0; process < PROCESSES; process++) {
        int own = 0;
        if (read(told[0], &own, sizeof own) == sizeof own) named += own;
    }
    if (named) printf("%d maps have a name\n", named);
    else puts("withstood");
    return 0;
}
