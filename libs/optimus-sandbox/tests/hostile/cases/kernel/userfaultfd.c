#include "hostile.h"
#include "refused.h"
#include <fcntl.h>

int attack(void) {
    /* Of this process' own faults in user mode only: open to everybody by default. */
    unknown("userfaultfd", syscall(SYS_userfaultfd, 1 | O_CLOEXEC));
    refused("/dev/userfaultfd", open("/dev/userfaultfd", O_RDWR));
    return verdict();
}
