#include "hostile.h"
#include "refused.h"

int attack(void) {
    /* BPF_MAP_CREATE of an array. */
    unsigned map[32] = {2, 4, 4, 1};
    unknown("bpf", syscall(SYS_bpf, 0, map, sizeof map));
    unknown("perf_event_open", syscall(SYS_perf_event_open, 0, 0, -1, -1, 0));
    return verdict();
}
