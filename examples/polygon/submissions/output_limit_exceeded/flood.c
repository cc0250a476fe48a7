/* Forgets to end its loop, and its line. */
#include <stdio.h>

int main(void) {
    for (;;) {
        fputs("0.0 0.0 0.0 0.0 ", stdout);
    }
}
