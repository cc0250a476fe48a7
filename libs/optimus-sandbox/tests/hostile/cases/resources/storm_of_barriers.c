#include "storm.h"
#include <linux/membarrier.h>

/* Memory that two threads use and that changes all the time: each change interrupts the CPUs. */
static volatile char *shared;

static void *touch_it(void *nothing) {
    for (;;) shared[4096 * (rand() % 64)] = 1;
    return nothing;
}

static void once(int child) {
    (void)child;
    if (!shared) {
        pthread_t other;
        shared = touch(64 * 4096);
        pthread_create(&other, 0, touch_it, 0);
        syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0);
    }
    syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
    syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0);
    madvise((void *)shared, 64 * 4096, MADV_DONTNEED);
    void *more = mmap(0, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (more == MAP_FAILED) return;
    mprotect(more, 1 << 20, PROT_READ);
    munmap(more, 1 << 20);
}

int attack(void) { return storm(4, once); }
