#include "hostile.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/timerfd.h>

int attack(void) {
    int number = 0;
    union sigval nothing = {0};
    timer_t timer;
    struct sigevent silent = {0};
    int watch = inotify_init1(IN_NONBLOCK);
    const char *places[] = {"/tmp", "/box", "/dev/shm"};
    for (int i = 0; i < 3000; i++) {
        char path[64];
        snprintf(path, sizeof path, "%s/%d", places[i % 3], i);
        mknod(path, S_IFREG | 0600, 0);
        inotify_add_watch(watch, path, IN_ALL_EVENTS);
    }
    while (eventfd(0, 0) >= 0 && timerfd_create(CLOCK_MONOTONIC, 0) >= 0 && epoll_create1(0) >= 0) number++;
    signal(SIGRTMIN, SIG_IGN);
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, 0);
    for (int i = 0; i < 200000 && !sigqueue(getpid(), SIGRTMIN + 1, nothing); i++) number++;
    silent.sigev_notify = SIGEV_NONE;
    for (int i = 0; i < 200000 && !timer_create(CLOCK_MONOTONIC, &silent, &timer); i++) number++;
    puts(number < 250000 ? "withstood" : "too many");
    return 0;
}
