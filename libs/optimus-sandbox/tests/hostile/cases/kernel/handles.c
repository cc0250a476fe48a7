#include "hostile.h"
#include "refused.h"
#include <fcntl.h>

int attack(void) {
    struct { unsigned bytes; int type; unsigned char handle[128]; } handle = {128, 0, {0}};
    int mount;
    /* The way out of a container that only its capabilities closed, in 2014. */
    unknown("name_to_handle_at", syscall(SYS_name_to_handle_at, AT_FDCWD, "/box", &handle, &mount, 0));
    handle.bytes = 8;
    handle.handle[0] = 2;
    unknown("open_by_handle_at", syscall(SYS_open_by_handle_at, AT_FDCWD, &handle, O_RDONLY));
    /* Of a kind that is open to everybody. */
    unknown("fanotify_init", syscall(SYS_fanotify_init, 0x200, O_RDONLY));
    unknown("fanotify_mark", syscall(SYS_fanotify_mark, -1, 1, 1ull, AT_FDCWD, "/"));
    return verdict();
}
