/* Uses what it is told to: the first word of its input says what, the numbers after it how much. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Keeps a CPU busy until this thread has used so much of it. The clock of the whole process would be up to a tick late where
   its CPU time is limited. */
static void burn(long ms) {
    struct timespec used;
    do clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    while (used.tv_sec * 1000 + used.tv_nsec / 1000000 < ms);
}

static void pause_for(long ms) {
    struct timespec time = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&time, 0);
}

static void touch(volatile char *memory, size_t bytes) {
    for (size_t at = 0; at < bytes; at += 4096) memory[at] = 1;
}

static char *map(size_t bytes, int how) {
    char *memory = mmap(0, bytes, PROT_READ | PROT_WRITE, how | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) exit(99);
    return memory;
}

static void *burn_in_thread(void *ms) {
    burn((long)ms);
    return 0;
}

static void *touch_a_stack(void *bytes) {
    /* Below this frame, and no more than it was made for. */
    char *stack = alloca((size_t)bytes);
    touch(stack, (size_t)bytes);
    return 0;
}

/* Reads a whole file that nobody has read yet: by calls (1), by touching it (2), or by a child that does the first (3). */
static int read_cold(long way) {
    if (way == 3) {
        pid_t child = fork();
        int status = 1;
        if (!child) _exit(read_cold(1));
        waitpid(child, &status, 0);
        return status;
    }
    int file = open("/cold", O_RDONLY);
    off_t bytes = lseek(file, 0, SEEK_END);
    if (file < 0 || bytes <= 0) return 1;
    if (way == 2) {
        const volatile char *data = mmap(0, bytes, PROT_READ, MAP_PRIVATE, file, 0);
        if (data == MAP_FAILED) return 1;
        for (off_t at = 0; at < bytes; at += 4096) (void)data[at];
        return 0;
    }
    static char buffer[1 << 16];
    off_t seen = 0;
    ssize_t got;
    lseek(file, 0, SEEK_SET);
    while ((got = read(file, buffer, sizeof buffer)) > 0) seen += got;
    return seen != bytes;
}

static void *lock_memory(void *memory) {
    for (int flip = 0;; flip ^= 1) mprotect(memory, 1UL << 30, flip ? PROT_READ : PROT_READ | PROT_WRITE);
    return 0;
}

static void *wait_for_lock(void *memory) {
    char entry[8];
    int pages = open("/proc/self/pagemap", O_RDONLY);
    while (pread(pages, entry, sizeof entry, (unsigned long)memory / 4096 * sizeof entry) >= 0) ;
    return 0;
}

/* One thread locks the memory of the process, all the time, and another waits for that. */
static void wait_for_each_other(long ms) {
    pthread_t threads[2];
    volatile char *memory = mmap(0, 1UL << 30, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) exit(99);
    for (size_t at = 0; at < 1UL << 30; at += 4096) (void)memory[at];
    pthread_create(threads, 0, lock_memory, (void *)memory);
    pthread_create(threads + 1, 0, wait_for_lock, (void *)memory);
    pause_for(ms);
}

static int is(const char *a, const char *b) { return strcmp(a, b) == 0; }

int main(void) {
    char what[32];
    long n = 0, much = 0, hold = 0;
    if (scanf("%31s %ld %ld %ld", what, &n, &much, &hold) < 2) return 98;
    size_t bytes = (size_t)much << 10;

    if (is(what, "process")) burn(much);
    else if (is(what, "threads")) {
        pthread_t threads[64];
        for (long i = 0; i < n; i++) pthread_create(threads + i, 0, burn_in_thread, (void *)much);
        for (long i = 0; i < n; i++) pthread_join(threads[i], 0);
    } else if (is(what, "children")) {
        for (long i = 0; i < n; i++)
            if (!fork()) { burn(much); _exit(0); }
        while (wait(0) > 0) ;
    } else if (is(what, "unwaited")) {
        /* Children that the kernel buries without telling anybody what they have used. */
        signal(SIGCHLD, SIG_IGN);
        for (long i = 0; i < n; i++)
            if (!fork()) { burn(much); _exit(0); }
        while (wait(0) > 0) ;
    } else if (is(what, "sleep")) pause_for(much);
    else if (is(what, "vfork")) {
        /* No signal reaches who waits for it. */
        if (!vfork()) { pause_for(much); _exit(0); }
    }
    else if (is(what, "locked")) wait_for_each_other(much);
    else if (is(what, "cold")) {
        if (read_cold(n)) return 92;
    } else if (is(what, "print")) {
        char *text = malloc(much);
        memset(text, 'x', much);
        for (long at = 0; at < much;) {
            ssize_t written = write(n, text + at, much - at);
            if (written <= 0) return 97;
            at += written;
        }
    } else if (is(what, "heap")) touch(malloc(bytes), bytes);
    else if (is(what, "mmap")) touch(map(bytes, MAP_PRIVATE), bytes);
    else if (is(what, "shared")) touch(map(bytes, MAP_SHARED), bytes);
    else if (is(what, "stack")) touch_a_stack((void *)bytes);
    else if (is(what, "file")) {
        int file = open("/tmp/file", O_CREAT | O_RDWR, 0600);
        char *data = calloc(1, 1 << 16);
        for (size_t at = 0; at < bytes; at += 1 << 16)
            if (write(file, data, 1 << 16) != 1 << 16) return 96;
    } else if (is(what, "freed")) {
        /* A peak that is gone long before the end. */
        char *memory = map(bytes, MAP_PRIVATE);
        touch(memory, bytes);
        munmap(memory, bytes);
    } else if (is(what, "family")) {
        /* All at the same time: each ends when all have touched their part. */
        int ready[2], go[2];
        if (pipe(ready) || pipe(go)) return 95;
        for (long i = 0; i < n; i++)
            if (!fork()) {
                char byte;
                close(go[1]);
                touch(map(bytes / n, MAP_PRIVATE), bytes / n);
                if (write(ready[1], "x", 1) != 1) _exit(1);
                _exit(read(go[0], &byte, 1) != 0);
            }
        char byte;
        for (long i = 0; i < n; i++)
            if (read(ready[0], &byte, 1) != 1) return 94;
        pause_for(hold);
        close(go[1]);
        while (wait(0) > 0) ;
        return 0;
    } else return 93;
    pause_for(hold);
    return 0;
}
