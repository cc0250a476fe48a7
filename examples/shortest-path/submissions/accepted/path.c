#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { PLACES = 100000, ROADS = 100000 };

struct reached {
    int64_t distance;
    int place;
};

/* The roads from a place: a list that starts at first[place] and goes on at next[road]; 0 ends it. */
static int first[PLACES + 1], next[ROADS + 1], end[ROADS + 1], length[ROADS + 1];
static int64_t distances[PLACES + 1];

static struct reached heap[ROADS + 2];
static int heap_size;

static void push(struct reached item) {
    int at = heap_size++;
    while (at > 0 && heap[(at - 1) / 2].distance > item.distance) {
        heap[at] = heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    heap[at] = item;
}

static struct reached pop(void) {
    struct reached top = heap[0];
    struct reached item = heap[--heap_size];
    int at = 0;
    for (int child = 1; child < heap_size; child = 2 * at + 1) {
        if (child + 1 < heap_size && heap[child + 1].distance < heap[child].distance) {
            child++;
        }
        if (heap[child].distance >= item.distance) {
            break;
        }
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = item;
    return top;
}

int main(void) {
    int places, roads;
    if (scanf("%d %d", &places, &roads) != 2) {
        return 1;
    }
    for (int road = 1; road <= roads; road++) {
        int start;
        if (scanf("%d %d %d", &start, &end[road], &length[road]) != 3) {
            return 1;
        }
        next[road] = first[start];
        first[start] = road;
    }

    for (int place = 1; place <= places; place++) {
        distances[place] = -1;
    }
    push((struct reached){.distance = 0, .place = 1});
    while (heap_size > 0) {
        struct reached reached = pop();
        if (distances[reached.place] >= 0) {
            continue;
        }
        distances[reached.place] = reached.distance;
        for (int road = first[reached.place]; road != 0; road = next[road]) {
            if (distances[end[road]] < 0) {
                push((struct reached){reached.distance + length[road], end[road]});
            }
        }
    }

    for (int place = 1; place <= places; place++) {
        printf("%" PRId64 "\n", distances[place]);
    }
    return 0;
}
