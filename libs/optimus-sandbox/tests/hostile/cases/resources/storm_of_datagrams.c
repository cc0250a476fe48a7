#include "storm.h"
#include <arpa/inet.h>
#include <netinet/in.h>

/* What is sent and never read, and connections that are made and left. */
static void once(int child) {
    static char block[1400];
    struct sockaddr_in self = {0};
    socklen_t size = sizeof self;
    self.sin_family = AF_INET;
    self.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    (void)child;
    int here = socket(AF_INET, SOCK_DGRAM, 0);
    if (here >= 0 && !bind(here, (struct sockaddr *)&self, size) && !getsockname(here, (struct sockaddr *)&self, &size))
        for (int i = 0; i < 256; i++) sendto(here, block, sizeof block, MSG_DONTWAIT, (struct sockaddr *)&self, size);
    close(here);
    int door = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    self.sin_port = 0;
    if (door >= 0 && !bind(door, (struct sockaddr *)&self, size) && !listen(door, 64) &&
        !getsockname(door, (struct sockaddr *)&self, &size))
        for (int i = 0; i < 32; i++) {
            int guest = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
            connect(guest, (struct sockaddr *)&self, size);
            for (int j = 0; j < 16; j++) send(guest, block, sizeof block, MSG_DONTWAIT | MSG_NOSIGNAL);
            close(guest);
        }
    close(door);
}

int attack(void) { return storm(4, once); }
