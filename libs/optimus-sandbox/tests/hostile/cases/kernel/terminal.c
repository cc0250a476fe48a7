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
        unknown("TIOCSTI", ioctl(files[i], TIOCSTI, &key));
        unknown("TIOCLINUX", ioctl(files[i], TIOCLINUX, &key));
        unknown("TIOCSETD", ioctl(files[i], TIOCSETD, &discipline));
    }
    refused("/dev/tty", files[3]);
    return verdict();
}
