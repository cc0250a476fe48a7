#include "hostile.h"
#include "refused.h"
#include <stdint.h>

int attack(void) {
    /* The instructions of this very process: what an unprivileged user may count by default. */
    struct { uint32_t type, size; uint64_t config, period, sample, read, flags; char rest[96]; } event = {0};
    event.type = 1;
    event.size = sizeof event;
    event.flags = 1 << 5 | 1 << 6;
    unknown("perf_event_open", syscall(SYS_perf_event_open, &event, 0, -1, -1, 0));
    return verdict();
}
