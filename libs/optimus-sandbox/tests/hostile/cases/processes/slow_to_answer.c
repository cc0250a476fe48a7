#include "hostile.h"

int attack(void) {
    starve();
    for (;;) close(open("/dev/stdout", O_WRONLY | O_NONBLOCK));
}
