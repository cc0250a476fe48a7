/* Keeps much more than it needs: up to 1 GiB. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 16 << 20, BLOCKS = 64 };

static char *volatile hoard[BLOCKS];

int main(void) {
    for (int i = 0; i < BLOCKS; i++) {
        hoard[i] = malloc(BLOCK);
        if (hoard[i] == NULL) {
            return 1;
        }
        memset(hoard[i], 'x', BLOCK);
    }
    printf("%c\n", hoard[BLOCKS - 1][BLOCK - 1]);
    return 0;
}
