#include "hostile.h"
#include "refused.h"

int attack(void) {
    unsigned long context = 0;
    unknown("io_setup", syscall(SYS_io_setup, 8, &context));
    unknown("io_submit", syscall(SYS_io_submit, context, 0, 0));
    return verdict();
}
