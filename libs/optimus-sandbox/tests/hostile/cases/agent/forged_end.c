#include "hostile.h"
#include "frames.h"

/* What it prints is output, whatever it looks like; how it ends is what counts. */
int attack(void) {
    forge(1);
    forge(2);
    return 3;
}
