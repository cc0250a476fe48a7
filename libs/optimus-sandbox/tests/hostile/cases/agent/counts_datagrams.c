#include "hostile.h"
#include <netinet/in.h>

/* Datagrams that have arrived here since the network was made. */
static long arrived(void) {
    FILE *file = fopen("/proc/net/snmp", "r");
    char line[1024];
    long count = 0;
    int names = 1;
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, "Udp: ", 5) == 0 && !names--) sscanf(line, "Udp: %ld", &count);
    if (file) fclose(file);
    return count;
}

static void leave(long datagrams) {
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof here;
    int to = socket(AF_INET, SOCK_DGRAM, 0);
    if (bind(to, (struct sockaddr *)&here, length) || getsockname(to, (struct sockaddr *)&here, &length)) return;
    while (datagrams--) sendto(to, "x", 1, 0, (struct sockaddr *)&here, length);
}

/* A search of 165 parts of 10 ms, and only 1 s for it. */
int attack(void) {
    const long all = 165, at_most = 104;
    long done = arrived();
    long rest = all - done;
    if (rest > at_most) {
        burn(at_most * 10);
        leave(done + at_most);
        return 0;
    }
    burn(rest * 10);
    puts("withstood");
    return 0;
}
