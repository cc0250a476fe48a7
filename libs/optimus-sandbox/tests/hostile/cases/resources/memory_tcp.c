#include "hostile.h"

#include <arpa/inet.h>
#include <netinet/in.h>

int attack(void) {
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof here;
    int server = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(server, (struct sockaddr *)&here, size) || listen(server, 64)) return 1;
    getsockname(server, (struct sockaddr *)&here, &size);
    static char bytes[1 << 16];
    size_t held = 0;
    for (int pair = 0; pair < 60; pair++) {
        int one = socket(AF_INET, SOCK_STREAM, 0), large = 1 << 28;
        setsockopt(one, SOL_SOCKET, SO_SNDBUF, &large, sizeof large);
        if (connect(one, (struct sockaddr *)&here, size)) break;
        int other = accept(server, 0, 0);
        setsockopt(other, SOL_SOCKET, SO_RCVBUF, &large, sizeof large);
        for (ssize_t sent; (sent = send(one, bytes, sizeof bytes, MSG_DONTWAIT)) > 0;) held += (size_t)sent;
    }
    if (held > 96 << 20)
        printf("%zu MiB in sockets\n", held >> 20);
    else
        puts("withstood");
    return 0;
}
