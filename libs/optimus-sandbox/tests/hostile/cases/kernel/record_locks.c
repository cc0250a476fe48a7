#include "hostile.h"

/* Each lock is kernel memory that nobody is charged for: in 40 processes, on different bytes of many files. */
enum { PROCESSES = 40, FILES = 100, LOCKS = 50 };

int attack(void) {
    int count = 0, told[2];
    if (pipe(told)) return 1;
    for (int process = 0; process < PROCESSES; process++) {
        if (fork()) continue;
        close(told[0]);
        int made = 0;
        for (int file = 0; file < FILES; file++) {
            char name[64];
            snprintf(name, sizeof name, "/tmp/%d-%d", process, file);
            int descriptor = open(name, O_CREAT | O_RDWR, 0600);
            for (long at = 0; descriptor >= 0 && at < LOCKS; at++) {
                struct flock lock = {.l_type = F_WRLCK, .l_start = 2 * at, .l_len = 1};
                fcntl(descriptor, F_SETLK, &lock);
                /* Another way to the same. */
                lock.l_start += 1000;
                fcntl(descriptor, F_OFD_SETLK, &lock);
            }
            /* Whether there is one is asked by somebody else, of another open file. */
            struct flock asked = {.l_type = F_WRLCK, .l_start = 1000, .l_len = 1};
            int other = open(name, O_RDWR);
            made += !fcntl(other, F_OFD_GETLK, &asked) && asked.l_type != F_UNLCK;
            close(other);
        }
        if (write(told[1], &made, sizeof made)) pause();
    }
    for (int process = 0; process < PROCESSES; process++) {
        int made = 0;
        if (read(told[0], &made, sizeof made) == sizeof made) count += made;
    }
    if (count) printf("locks are held on %d files\n", count);
    else puts("withstood");
    return 0;
}
