#include "hostile.h"

static void *other(void *nothing) {
    execl("/bin/sh", "sh", "-c", "echo withstood", (char *)0);
    return nothing;
}

int attack(void) {
    pthread_t thread;
    pthread_create(&thread, 0, other, 0);
    for (;;) pause();
}
