#include "hostile.h"

static void *on(void *nothing) {
    for (;;) usleep(1000);
    return nothing;
}

int attack(void) {
    pthread_t thread;
    pthread_create(&thread, 0, on, 0);
    pthread_exit(0);
}
