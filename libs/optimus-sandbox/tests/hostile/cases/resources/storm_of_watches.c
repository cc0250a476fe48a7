#include "storm.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/timerfd.h>

static void once(int child) {
    char path[64];
    int watch = inotify_init1(IN_NONBLOCK), poll = epoll_create1(0);
    for (int i = 0; i < 64; i++) {
        snprintf(path, sizeof path, "/tmp/%d-%d", child, i);
        close(open(path, O_CREAT | O_RDWR, 0600));
        inotify_add_watch(watch, path, IN_ALL_EVENTS);
        unlink(path);
        struct epoll_event event = {EPOLLIN | EPOLLET, {0}};
        struct itimerspec often = {{0, 1000}, {0, 1000}};
        int timer = timerfd_create(CLOCK_MONOTONIC, 0), counter = eventfd(1, 0);
        timerfd_settime(timer, 0, &often, 0);
        epoll_ctl(poll, EPOLL_CTL_ADD, timer, &event);
        epoll_ctl(poll, EPOLL_CTL_ADD, counter, &event);
        epoll_wait(poll, &event, 1, 0);
        close(counter);
        close(timer);
    }
    close(poll);
    close(watch);
}

int attack(void) { return storm(4, once); }
