/* The sum does not fit 32 bits. */
#include <stdint.h>
#include <stdio.h>

int main(void) {
    int count, number;
    if (scanf("%d", &count) != 1) {
        return 1;
    }
    uint32_t sum = 0;
    while (count-- > 0 && scanf("%d", &number) == 1) {
        sum += (uint32_t)number;
    }
    printf("%d\n", (int32_t)sum);
    return 0;
}
