#include "hostile.h"
#include <errno.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

/* Packets of one's own making, and echo requests, which need no rights where the host says so. */
int attack(void) {
    struct { int family, type, protocol; } kinds[] = {
        {AF_INET, SOCK_RAW, IPPROTO_ICMP}, {AF_INET, SOCK_RAW, IPPROTO_RAW}, {AF_INET, SOCK_RAW, IPPROTO_TCP},
        {AF_INET6, SOCK_RAW, IPPROTO_ICMPV6}, {17, SOCK_RAW, 0x300}, {17, SOCK_DGRAM, 0x300}};
    int through = 0;
    for (int i = 0; i < 6; i++)
        if (socket(kinds[i].family, kinds[i].type, kinds[i].protocol) != -1) printf("raw socket %d\n", i), through = 1;
    int echo = socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x08080808)};
    if (echo != -1 && sendto(echo, "\x08\0\0\0\0\0\0\0", 8, 0, (void *)&to, sizeof to) != -1) puts("an echo request"), through = 1;
    if (!through) puts("withstood");
    return 0;
}
