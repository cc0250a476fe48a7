#include "hostile.h"

/* The input, which the agent has made: changed, enlarged, unsealed, mapped. */
int attack(void) {
    int through = 0;
    if (write(0, "forged", 6) != -1) puts("written"), through = 1;
    if (ftruncate(0, 0) != -1 || ftruncate(0, 1 << 20) != -1) puts("resized"), through = 1;
    if (fcntl(0, 1033 /* F_ADD_SEALS */, 0) != -1) puts("sealed"), through = 1;
    if (mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, 0, 0) != MAP_FAILED) puts("mapped"), through = 1;
    int again = open("/proc/self/fd/0", O_RDWR);
    if (again != -1 && write(again, "forged", 6) != -1) puts("written again"), through = 1;
    if (fallocate(0, 0, 0, 1 << 20) != -1) puts("allocated"), through = 1;
    if (fchmod(0, 0777) != -1 && open("/proc/self/fd/0", O_RDWR | O_TRUNC) != -1) puts("opened"), through = 1;
    if (!through) puts("withstood");
    return 0;
}
