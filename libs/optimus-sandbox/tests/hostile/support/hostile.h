/* Comes along with every hostile program in C and C++: reads what is asked for and does all but the attack. */
#ifndef HOSTILE_H
#define HOSTILE_H
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Prints "withstood" where it was stopped as it should be, and anything else where it was not. */
int attack(void);

/* Which attack of its job this is, from 1 on. */
static int attack_number;

/* Keeps a CPU busy until this process has used so many milliseconds of it. */
static inline void burn(long ms) {
    struct timespec used;
    do {
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    } while (used.tv_sec * 1000 + used.tv_nsec / 1000000 < ms);
}

/* Returns in a few children that ask for the lowest priority, all on one CPU beside many that are busy. */
static inline void starve(void) {
    struct sched_param least = {0};
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(sched_getcpu(), &one);
    sched_setaffinity(0, sizeof one, &one);
    for (int child = 0; child < 48; child++) {
        if (fork()) continue;
        while (child % 5) {}
        burn(3);
        sched_setscheduler(0, SCHED_IDLE, &least);
        setpriority(PRIO_PROCESS, 0, 19);
        return;
    }
    for (;;) {}
}

/* Memory that is really there. */
static inline char *touch(size_t bytes) {
    char *memory = (char *)mmap(0, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) exit(99);
    for (size_t at = 0; at < bytes; at += 4096) memory[at] = 1;
    return memory;
}

static void spoiled(const char *what, const char *which) {
    printf("spoiled: %s %s\n", what, which);
    exit(0);
}

/* Whether there is an entry of mine in a folder. */
static void nothing_of_mine(const char *place, const char *except) {
    char path[PATH_MAX];
    struct dirent *entry;
    struct stat data;
    DIR *folder = opendir(place);
    if (!folder) spoiled("cannot open", place);
    while ((entry = readdir(folder))) {
        snprintf(path, sizeof path, "%s/%s", place, entry->d_name);
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..") || !strcmp(entry->d_name, except)) continue;
        if (!lstat(path, &data) && data.st_uid == getuid()) spoiled("there is already", path);
    }
    closedir(folder);
}

static void room_for_a_file(const char *place) {
    static char block[1 << 20];
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/honest", place);
    int file = open(path, O_CREAT | O_EXCL | O_RDWR, 0600);
    if (file < 0 || write(file, block, sizeof block) != sizeof block) spoiled("no room in", place);
    close(file);
    unlink(path);
}

static void honest(const char *number) {
    char self[16];
    struct rlimit files;
    struct sigaction action;
    sigset_t blocked;
    const char *places[] = {"/box", "/tmp", "/dev/shm"};
    for (int i = 0; i < 3; i++) {
        nothing_of_mine(places[i], "");
        room_for_a_file(places[i]);
    }
    snprintf(self, sizeof self, "%d", getpid());
    nothing_of_mine("/proc", self);
    if (fcntl(3, F_GETFD) >= 0) spoiled("a descriptor is", "open");
    sigprocmask(SIG_SETMASK, 0, &blocked);
    for (int number = 1; number < 32; number++) {
        if (sigismember(&blocked, number)) spoiled("a signal is", "blocked");
        if (!sigaction(number, 0, &action) && action.sa_handler != SIG_DFL) spoiled("a signal is", "not handled by default");
    }
    if (getpriority(PRIO_PROCESS, 0) != 0) spoiled("the priority is", "not the usual one");
    if (getrlimit(RLIMIT_NOFILE, &files) || files.rlim_cur < 64) spoiled("files are", "few");
    for (int i = 0; i < 8; i++) {
        pid_t child = fork();
        if (child < 0) spoiled("no room for", "a process");
        if (child == 0) _exit(0);
    }
    while (wait(0) > 0) {}
    touch(8 << 20);
    printf("honest %s\n", number);
}

int main(void) {
    /* Byte by byte: what follows is left to the attack. */
    char line[256], *number;
    size_t length = 0;
    while (length < sizeof line - 1 && read(0, line + length, 1) == 1 && line[length] != '\n') length++;
    line[length] = 0;
    number = strchr(line, ' ');
    if (!number) return 0;
    *number++ = 0;
    attack_number = atoi(number);
    if (!strcmp(line, "attack")) return attack();
    number[strcspn(number, " ")] = 0;
    honest(number);
    return 0;
}
#endif
