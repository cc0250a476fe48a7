#include "hostile.h"
#include "refused.h"

int attack(void) {
    char parameters[256] = {0};
    unknown("io_uring_setup", syscall(SYS_io_uring_setup, 8, parameters));
    unknown("io_uring_enter", syscall(SYS_io_uring_enter, 0, 0, 0, 0, 0, 0));
    unknown("io_uring_register", syscall(SYS_io_uring_register, 0, 0, 0, 0));
    return verdict();
}
