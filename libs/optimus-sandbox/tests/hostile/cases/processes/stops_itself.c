#include "hostile.h"

int attack(void) {
    for (;;) raise(SIGSTOP);
}
