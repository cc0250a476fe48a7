#include "hostile.h"

/* One thread holds the lock of its memory, for as long as it takes to walk through all of it, and again. Another waits for that
 * lock where no signal reaches it, in a function whose name sounds like pages of files; the program sleeps. */

#define BYTES (2UL << 30)
#define PAGE 4096UL
#define WALL 1.0

static char *memory;

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

/* What was granted for waiting for CPUs is rightly so. */
static double waited_for_cpus(void) {
    char path[64], text[128];
    double all = 0, ran, waited;
    struct dirent *entry;
    DIR *threads = opendir("/proc/self/task");
    while (threads && (entry = readdir(threads))) {
        snprintf(path, sizeof path, "/proc/self/task/%.16s/schedstat", entry->d_name);
        int file = open(path, O_RDONLY);
        ssize_t length = file < 0 ? -1 : read(file, text, sizeof text - 1);
        if (length > 0) {
            text[length] = 0;
            if (sscanf(text, "%lf %lf", &ran, &waited) == 2) all += waited / 1e9;
        }
        close(file);
    }
    closedir(threads);
    return all;
}

static void *hold(void *nothing) {
    for (int flip = 0;; flip ^= 1) mprotect(memory, BYTES, flip ? PROT_READ : PROT_READ | PROT_WRITE);
    return nothing;
}

static void *wait_for_it(void *nothing) {
    char entry[8];
    int pages = open("/proc/self/pagemap", O_RDONLY);
    while (pread(pages, entry, sizeof entry, (unsigned long)memory / PAGE * sizeof entry) >= 0) {}
    return nothing;
}

int attack(void) {
    pthread_t thread;
    double began = now();
    memory = (char *)mmap(0, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) return 1;
    madvise(memory, BYTES, MADV_NOHUGEPAGE);
    for (size_t at = 0; at < BYTES; at += PAGE) (void)*(volatile char *)(memory + at);
    pthread_create(&thread, 0, hold, 0);
    pthread_create(&thread, 0, wait_for_it, 0);
    while (now() < began + WALL + waited_for_cpus() + 1) usleep(50000);
    puts("was granted time to sleep");
    return 0;
}
