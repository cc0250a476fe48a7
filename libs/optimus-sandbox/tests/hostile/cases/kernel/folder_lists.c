#include "hostile.h"

/* A file system that is made of others may keep a list of a folder's entries for whoever has it open, and another one after
   every change: kernel memory that nobody is charged for. What others make the kernel take meanwhile is told from that by
   closing all of them, again and again: the kernel's memory would follow every time. */
enum { FILES = 2000, OPEN = 200, ROUNDS = 8, MOST_KIB = 16 << 10 };

static const char *PLACES[] = {"/box", "/box/here", "/tmp", "/dev/shm", "/", "/box/.optimus", "/dev", "/etc", "/usr", "/usr/bin", "/usr/lib"};
enum { COUNT = sizeof PLACES / sizeof *PLACES };

static long uncharged(void) {
    char line[256];
    long kib = 0, sum = 0;
    FILE *file = fopen("/proc/meminfo", "r");
    while (file && fgets(line, sizeof line, file)) {
        if (sscanf(line, "SUnreclaim: %ld", &kib) == 1 || sscanf(line, "VmallocUsed: %ld", &kib) == 1) sum += kib;
    }
    if (file) fclose(file);
    return sum;
}

/* Opens a folder so many times, lists it, and changes it in between where that is possible. */
static void open_all(const char *place, DIR **folders) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/changed", place);
    for (int i = 0; i < OPEN; i++) {
        int changed = i % 2 ? unlink(path) : mknod(path, S_IFREG | 0600, 0);
        (void)changed;
        folders[i] = opendir(place);
        while (folders[i] && readdir(folders[i])) {}
    }
}

int attack(void) {
    static DIR *folders[OPEN];
    mkdir("/box/here", 0700);
    for (int place = 0; place < 4; place++) {
        for (int i = 0; i < FILES; i++) {
            char path[PATH_MAX];
            snprintf(path, sizeof path, "%s/a-file-with-a-long-name-%d", PLACES[place], i);
            if (mknod(path, S_IFREG | 0600, 0)) break;
        }
    }
    for (int place = 0; place < COUNT; place++) {
        long least = LONG_MAX;
        for (int round = 0; round < ROUNDS && least > MOST_KIB; round++) {
            long before = uncharged();
            open_all(PLACES[place], folders);
            long more = uncharged() - before;
            for (int i = 0; i < OPEN; i++) if (folders[i]) closedir(folders[i]);
            if (more < least) least = more;
        }
        if (least > MOST_KIB) {
            printf("who has %s open makes the kernel hold %ld KiB\n", PLACES[place], least);
            return 0;
        }
    }
    puts("withstood");
    return 0;
}
