#include "hostile.h"
#include "refused.h"

int attack(void) {
#ifdef __x86_64__
    unknown("iopl", syscall(SYS_iopl, 3));
    unknown("ioperm", syscall(SYS_ioperm, 0x80, 1, 1));
    unknown("modify_ldt", syscall(SYS_modify_ldt, 0, 0, 0));
#endif
    unknown("vm86 and friends", syscall(SYS_lookup_dcookie, 0, 0, 0));
    return verdict();
}
