#include "hostile.h"

/* Not a bomb: so many processes that wait, and no more. */
int attack(void) {
    for (int i = 0; i < 400; i++) {
        pid_t child = fork();
        if (child == -1) {
            puts("withstood");
            return 0;
        }
        if (child == 0) for (;;) pause();
    }
    puts("there are 400 processes");
    return 0;
}
