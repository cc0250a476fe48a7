#include "hostile.h"
#include "refused.h"
#include <fcntl.h>

int attack(void) {
    unknown("shmget", syscall(SYS_shmget, 77, 4096, 01666));
    unknown("semget", syscall(SYS_semget, 77, 1, 01666));
    unknown("msgget", syscall(SYS_msgget, 77, 01666));
    unknown("mq_open", syscall(SYS_mq_open, "bit", O_CREAT | O_RDWR, 0666, 0));
    return verdict();
}
