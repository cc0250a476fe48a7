/* Goes through all roads until nothing gets shorter: right, but up to 10^10 steps. */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>

enum { PLACES = 100000, ROADS = 100000 };

static const int64_t UNREACHED = INT64_MAX / 2;
static int start[ROADS], end[ROADS], length[ROADS];
static int64_t distances[PLACES + 1];

int main(void) {
    int places, roads;
    if (scanf("%d %d", &places, &roads) != 2) {
        return 1;
    }
    for (int road = 0; road < roads; road++) {
        if (scanf("%d %d %d", &start[road], &end[road], &length[road]) != 3) {
            return 1;
        }
    }

    for (int place = 2; place <= places; place++) {
        distances[place] = UNREACHED;
    }
    for (bool changed = true; changed;) {
        changed = false;
        for (int road = 0; road < roads; road++) {
            int64_t distance = distances[start[road]] + length[road];
            if (distances[start[road]] < UNREACHED && distance < distances[end[road]]) {
                distances[end[road]] = distance;
                changed = true;
            }
        }
    }
    for (int place = 1; place <= places; place++) {
        printf("%" PRId64 "\n", distances[place] < UNREACHED ? distances[place] : -1);
    }
    return 0;
}
