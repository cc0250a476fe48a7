#include "hostile.h"

int attack(void) {
    struct { struct file_handle head; unsigned char more[128]; } handle;
    int mount, root = open("/", O_RDONLY | O_DIRECTORY);
    const char *names[] = {"/", "/usr", "/bin/sh", "/proc", "/box", "/tmp"};
    for (int i = 0; i < 6; i++) {
        handle.head.handle_bytes = sizeof handle.more;
        if (name_to_handle_at(AT_FDCWD, names[i], &handle.head, &mount, 0)) continue;
        if (open_by_handle_at(root, &handle.head, O_RDONLY) >= 0) printf("%s is open by a handle\n", names[i]);
    }
    /* The root of an ext4 file system. */
    handle.head.handle_bytes = 8;
    handle.head.handle_type = 1;
    memset(handle.head.f_handle, 0, 8);
    handle.head.f_handle[0] = 2;
    if (open_by_handle_at(root, &handle.head, O_RDONLY) >= 0) puts("the root of the host is open");
    puts("withstood");
    return 0;
}
