#include "hostile.h"
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

/* Changing the network there is: addresses, interfaces, routes, tunnels, firewalls. */
int attack(void) {
    int through = 0, any = socket(AF_INET, SOCK_DGRAM, 0), yes = 1;
    struct ifreq request = {.ifr_name = "lo"};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x0a000001)};
    memcpy(&request.ifr_addr, &address, sizeof address);
    unsigned long requests[] = {SIOCSIFADDR, SIOCSIFFLAGS, SIOCADDRT, SIOCSIFNAME, SIOCSIFHWADDR, SIOCADDMULTI, 0x89f1, 0x89a0};
    for (int i = 0; i < 8; i++)
        if (ioctl(any, requests[i], &request) != -1) printf("ioctl %lx\n", requests[i]), through = 1;
    if (setsockopt(any, SOL_SOCKET, SO_BINDTODEVICE, "eth0", 5) != -1) puts("bound to a device"), through = 1;
    if (setsockopt(any, SOL_SOCKET, SO_MARK, &yes, sizeof yes) != -1) puts("marked"), through = 1;
    if (setsockopt(any, SOL_IP, 19, &yes, sizeof yes) != -1) puts("transparent"), through = 1;
    char rules[128] = {0};
    if (setsockopt(any, SOL_IP, 64, rules, sizeof rules) != -1) puts("iptables"), through = 1;
    if (!through) puts("withstood");
    return 0;
}
