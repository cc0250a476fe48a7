#include <stdio.h>

int main(void) {
    printf("%d\n", ways[amount]);
    return 0;
}
