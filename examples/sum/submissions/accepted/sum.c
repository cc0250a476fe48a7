#include <inttypes.h>
#include <stdio.h>

int main(void) {
    int count;
    if (scanf("%d", &count) != 1) {
        return 1;
    }
    int64_t sum = 0;
    for (int i = 0; i < count; i++) {
        int64_t number;
        if (scanf("%" SCNd64, &number) != 1) {
            return 1;
        }
        sum += number;
    }
    printf("%" PRId64 "\n", sum);
    return 0;
}
