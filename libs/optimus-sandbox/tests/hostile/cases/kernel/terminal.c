#include "hostile.h"
#include "refused.h"
#include <fcntl.h>
#include <sys/ioctl.h>
#include <termios.h>

int attack(void) {
    char key = 'x';
    int discipline = 0;
    int files[] = {0, 1, 2, open("/dev/tty", O_RDWR), open("/dev/ptmx", O_RDWR)};
    for (int i = 0; i < 5; i++) {
        if (files[i] == -1) continue;
        refused("TIOCSTI", ioctl(files[i], TIOCSTI, &key));
        refused("TIOCLINUX", ioctl(files[i], TIOCLINUX, &key));
        refused("TIOCSETD", ioctl(files[i], TIOCSETD, &discipline));
    }
    refused("/dev/tty", files[3]);
    /* The kernel would say that there is no such descriptor. */
    answered("TIOCSTI", ioctl(-1, TIOCSTI, &key), ENOTTY);
    answered("TIOCLINUX", ioctl(-1, TIOCLINUX, &key), ENOTTY);
    answered("TIOCSETD", ioctl(-1, TIOCSETD, &discipline), ENOTTY);
    return verdict();
}
