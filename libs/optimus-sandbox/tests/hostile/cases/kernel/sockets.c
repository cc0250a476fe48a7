#include "hostile.h"
#include "refused.h"
#include <sys/socket.h>

int attack(void) {
    struct { const char *name; int family, type, protocol; } sockets[] = {
        {"AF_NETLINK route", 16, SOCK_RAW, 0}, {"AF_NETLINK audit", 16, SOCK_RAW, 9}, {"AF_NETLINK generic", 16, SOCK_RAW, 16},
        {"AF_NETLINK sock_diag", 16, SOCK_DGRAM, 4}, {"AF_NETLINK uevent", 16, SOCK_DGRAM, 15}, {"AF_PACKET", 17, SOCK_RAW, 0x300},
        {"AF_PACKET datagram", 17, SOCK_DGRAM, 0x300}, {"AF_ALG", 38, SOCK_SEQPACKET, 0}, {"AF_VSOCK", 40, SOCK_STREAM, 0},
        {"AF_KEY", 15, SOCK_RAW, 2}, {"AF_CAN", 29, SOCK_RAW, 1}, {"AF_TIPC", 30, SOCK_RDM, 0}, {"AF_BLUETOOTH", 31, SOCK_RAW, 1},
        {"AF_RDS", 21, SOCK_SEQPACKET, 0}, {"AF_KCM", 41, SOCK_DGRAM, 0}, {"AF_QIPCRTR", 42, SOCK_DGRAM, 0}, {"AF_SMC", 43, SOCK_STREAM, 0},
        {"AF_XDP", 44, SOCK_RAW, 0}, {"raw ICMP", AF_INET, SOCK_RAW, 1}, {"raw IPv6", AF_INET6, SOCK_RAW, 58},
        {"SCTP", AF_INET, SOCK_STREAM, 132}, {"MPTCP", AF_INET, SOCK_STREAM, 262}, {"DCCP", AF_INET, 6, 33},
        {"UDP lite", AF_INET, SOCK_DGRAM, 136}, {"sequenced Unix", AF_UNIX, SOCK_SEQPACKET, 0},
    };
    for (unsigned i = 0; i < sizeof sockets / sizeof *sockets; i++)
        unknown(sockets[i].name, socket(sockets[i].family, sockets[i].type, sockets[i].protocol));
    int pair[2];
    unknown("pair of sequenced sockets of another family", socketpair(AF_INET, SOCK_STREAM, 0, pair));
    return verdict();
}
