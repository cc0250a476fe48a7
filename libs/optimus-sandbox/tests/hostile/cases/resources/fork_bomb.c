#include "hostile.h"

int attack(void) {
    for (;;) fork();
}
