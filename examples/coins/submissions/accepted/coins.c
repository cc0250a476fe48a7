#include <stdio.h>

enum { AMOUNT = 100000, MODULUS = 1000000007 };

static int ways[AMOUNT + 1];

int main(void) {
    int amount, kinds;
    if (scanf("%d %d", &amount, &kinds) != 2) {
        return 1;
    }
    ways[0] = 1;
    while (kinds-- > 0) {
        int coin;
        if (scanf("%d", &coin) != 1) {
            return 1;
        }
        for (int i = coin; i <= amount; i++) {
            ways[i] = (ways[i] + ways[i - coin]) % MODULUS;
        }
    }
    printf("%d\n", ways[amount]);
    return 0;
}
