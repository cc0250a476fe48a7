#include "hostile.h"
#include "refused.h"
#include <fcntl.h>

int attack(void) {
    unknown("init_module", syscall(SYS_init_module, "x", 1, ""));
    unknown("finit_module", syscall(SYS_finit_module, open(".optimus/main", O_RDONLY), "", 0));
    unknown("delete_module", syscall(SYS_delete_module, "none", 0));
    unknown("kexec_load", syscall(SYS_kexec_load, 0, 0, 0, 0));
    unknown("kexec_file_load", syscall(SYS_kexec_file_load, -1, -1, 0, "", 0));
    return verdict();
}
