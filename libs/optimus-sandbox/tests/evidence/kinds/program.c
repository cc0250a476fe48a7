/* Uses memory in the way that the first word of its input names, and then waits as many milliseconds as the second one says. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB (1L << 20)

static void *touched(size_t bytes) {
    volatile char *all = (volatile char *)malloc(bytes);
    for (size_t at = 0; at < bytes; at += 4096) all[at] = 1;
    return (void *)all;
}

static pthread_barrier_t all_there;

static void *thread(void *unused) {
    void *part = touched(2 * MIB);
    pthread_barrier_wait(&all_there);
    free(part);
    return unused;
}

static void threads(void) {
    pthread_t made[4];
    pthread_barrier_init(&all_there, 0, 4);
    for (int i = 0; i < 4; i++) pthread_create(made + i, 0, thread, 0);
    for (int i = 0; i < 4; i++) pthread_join(made[i], 0);
}

/* All at the same time: each ends when all have touched their part. */
static void children(void) {
    int ready[2], go[2];
    char byte;
    if (pipe(ready) || pipe(go)) exit(91);
    for (int i = 0; i < 4; i++)
        if (!fork()) {
            close(go[1]);
            touched(2 * MIB);
            if (write(ready[1], "x", 1) != 1) _exit(1);
            _exit(read(go[0], &byte, 1) != 0);
        }
    for (int i = 0; i < 4; i++)
        if (read(ready[0], &byte, 1) != 1) exit(92);
    usleep(30000);
    close(go[1]);
    while (wait(0) > 0) ;
}

static void write_file(const char *path, long bytes) {
    int file = open(path, O_CREAT | O_TRUNC | O_RDWR, 0600);
    char *data = (char *)calloc(1, 1 << 16);
    for (long at = 0; at < bytes; at += 1 << 16)
        if (write(file, data, 1 << 16) != 1 << 16) exit(93);
    free(data);
    close(file);
}

static void mapped(void) {
    write_file("/tmp/file", 8 * MIB);
    int file = open("/tmp/file", O_RDWR);
    char *all = (char *)mmap(0, 8 * MIB, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    memset(all, 2, 8 * MIB);
}

static long deeper(long depth) {
    volatile char frame[1024];
    frame[depth % 1024] = 1;
    return depth == 0 ? frame[0] : deeper(depth - 1) + frame[depth % 1024];
}

static void small(void) {
    void **last = 0;
    for (int i = 0; i < 200000; i++) {
        void **next = (void **)malloc(32);
        *next = last;
        last = next;
    }
}

static void output(void) {
    for (long at = 0; at < 8 * MIB; at += 64) puts("123456789012345678901234567890123456789012345678901234567890123");
}

static void input(void) {
    static char all[8 * MIB];
    if (fread(all, 1, sizeof all, stdin) != sizeof all) exit(94);
}

int main(void) {
    char kind[32];
    int hold;
    if (scanf("%31s %d", kind, &hold) != 2) return 90;
    getchar();
    if (!strcmp(kind, "hello")) puts("hello");
    else if (!strcmp(kind, "array")) touched(20 * MIB);
    else if (!strcmp(kind, "freed")) free(touched(20 * MIB));
    else if (!strcmp(kind, "small")) small();
    else if (!strcmp(kind, "threads")) threads();
    else if (!strcmp(kind, "children")) children();
    else if (!strcmp(kind, "file")) write_file("/dev/shm/file", 8 * MIB);
    else if (!strcmp(kind, "mapped")) mapped();
    else if (!strcmp(kind, "recursion")) deeper(4000);
    else if (!strcmp(kind, "output")) output();
    else if (!strcmp(kind, "input")) input();
    else if (!strcmp(kind, "fill")) { write_file("/tmp/fill", 48 * MIB); write_file("/dev/shm/fill", 48 * MIB); }
    else if (strcmp(kind, "nothing")) return 95;
    fflush(stdout);
    usleep(hold * 1000);
    return 0;
}
