#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { CORNERS = 100010 };

static int64_t x[CORNERS], y[CORNERS];

int main(void) {
    int count;
    if (scanf("%d", &count) != 1) {
        return 1;
    }
    for (int i = 0; i < count; i++) {
        if (scanf("%" SCNd64 " %" SCNd64, &x[i], &y[i]) != 2) {
            return 1;
        }
    }

    int64_t doubled_area = 0;
    double perimeter = 0;
    for (int i = 0, last = count - 1; i < count; last = i++) {
        doubled_area += x[last] * y[i] - x[i] * y[last];
        perimeter += hypot((double)(x[i] - x[last]), (double)(y[i] - y[last]));
    }
    printf("%.1f %.9f\n", (double)llabs(doubled_area) / 2, perimeter);
    return 0;
}
