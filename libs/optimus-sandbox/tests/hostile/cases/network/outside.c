#include "hostile.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

/* Where there is no route, the kernel says so at once. Any other answer has asked somebody. */
int attack(void) {
    const char *hosts[] = {"172.17.0.1", "172.18.0.1", "10.0.0.1", "10.0.2.2", "192.168.0.1", "192.168.65.2", "100.100.100.200",
                           "169.254.169.254", "169.254.170.2", "8.8.8.8", "1.1.1.1", "224.0.0.1", "255.255.255.255"};
    int ports[] = {80, 53, 2375, 6379};
    int through = 0;
    for (unsigned host = 0; host < sizeof hosts / sizeof *hosts; host++)
        for (int port = 0; port < 4; port++)
            for (int type = SOCK_STREAM; type <= SOCK_DGRAM; type++) {
                struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(ports[port])};
                inet_pton(AF_INET, hosts[host], &to.sin_addr);
                int yes = 1, out = socket(AF_INET, type | SOCK_NONBLOCK, 0);
                setsockopt(out, SOL_SOCKET, SO_BROADCAST, &yes, sizeof yes);
                long sent = type == SOCK_STREAM ? connect(out, (void *)&to, sizeof to) : sendto(out, "out", 3, 0, (void *)&to, sizeof to);
                if (sent != -1 || errno != ENETUNREACH) {
                    printf("%s %d: %s\n", hosts[host], ports[port], sent == -1 ? strerror(errno) : "sent");
                    through = 1;
                }
                close(out);
            }
    if (!through) puts("withstood");
    return 0;
}
