#include "hostile.h"
#include <dlfcn.h>
#include <string>

int attack(void) {
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[4096];
    std::string last;
    while (fgets(line, sizeof line, maps)) {
        char *path = strchr(line, '/');
        if (!path || last == path) continue;
        last = path;
        path[strcspn(path, "\n")] = 0;
        if (open(path, O_RDWR) >= 0 || !truncate(path, 1 << 20)) printf("%s is open to be written\n", path);
        int file = open(path, O_RDONLY);
        void *mapped = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        if (mapped != MAP_FAILED) printf("%s is mapped to be written\n", path);
        mapped = mmap(0, 4096, PROT_READ, MAP_SHARED, file, 0);
        if (mapped != MAP_FAILED && !mprotect(mapped, 4096, PROT_READ | PROT_WRITE)) printf("%s becomes writable\n", path);
    }
    puts("withstood");
    return 0;
}
