#include "hostile.h"

int attack(void) {
    static char block[1 << 20];
    for (;;) {
        int file = memfd_create("more", 0);
        if (file < 0) file = open("/tmp", O_TMPFILE | O_RDWR, 0600);
        for (int i = 0; i < 8; i++) if (write(file, block, sizeof block) < 0) pause();
    }
}
