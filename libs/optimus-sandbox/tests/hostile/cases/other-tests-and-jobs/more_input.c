#include "hostile.h"

int attack(void) {
    char text[4096] = {0};
    const char *mine = "attack 1\n";
    off_t size = lseek(0, 0, SEEK_END);
    if (size >= 0 && size != (off_t)strlen(mine)) printf("it is %ld bytes long\n", (long)size);
    lseek(0, 0, SEEK_SET);
    ssize_t got = read(0, text, sizeof text - 1);
    if (got > 0 && strcmp(text, mine)) puts("there is more of it");
    memset(text, 0, sizeof text);
    if (pread(0, text, sizeof text - 1, strlen(mine)) > 0) puts("there is something behind it");
    char *mapped = mmap(0, 4096, PROT_READ, MAP_PRIVATE, 0, 0);
    if (mapped != MAP_FAILED) for (int i = strlen(mine); i < 4096; i++) if (mapped[i]) { puts("there is something in its page"); break; }
    lseek(0, 0, SEEK_SET);
    snprintf(text, sizeof text, "/proc/%d/fd/0", getppid());
    if (open(text, O_RDONLY) >= 0) puts("the input of its parent is open");
    if (open("/proc/1/fd/0", O_RDONLY) >= 0) puts("the input of the agent is open");
    puts("withstood");
    return 0;
}
