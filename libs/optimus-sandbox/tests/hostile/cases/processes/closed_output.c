#include "hostile.h"

int attack(void) {
    close(1);
    close(2);
    usleep(50000);
    return 0;
}
