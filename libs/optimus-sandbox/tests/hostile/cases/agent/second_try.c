#include "hostile.h"

int attack(void) {
    // What all who have this file share.
    struct flock note = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 1L << 40, .l_len = 1}, found = note;
    int input = open("/proc/self/fd/0", O_RDONLY);
    int flags = fcntl(0, F_GETFL);
    if ((input >= 0 && fcntl(input, F_OFD_GETLK, &found) == 0 && found.l_type != F_UNLCK) || (flags & O_NONBLOCK)) {
        puts("the second try knows of the first");
        return 0;
    }
    found = note;
    found.l_type = F_RDLCK;
    fcntl(0, F_OFD_SETLK, &found);
    fcntl(0, F_OFD_SETLK, &note);
    fcntl(0, F_SETFL, flags | O_NONBLOCK);
    // A little too late, so that it is tried once more.
    burn(1030);
    puts("withstood");
    return 0;
}
