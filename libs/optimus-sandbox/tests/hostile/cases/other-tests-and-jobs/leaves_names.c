#include "hostile.h"

/* The kernel remembers names that were looked for in vain, and says sooner of them that they are not there: notes for the next
   test and for a second try, which a clock reads. */

enum { BITS = 64, TRIES = 7 };

static const char *const places[] = {"/", "/etc", "/usr/lib", "/dev", "/proc/sys/kernel", "/tmp", "/box"};

static const unsigned long long note = 0x5eed0f0ddba11ad5ull;

static long look(const char *place, int bit, int number) {
    char path[PATH_MAX];
    struct stat data;
    struct timespec before, after;
    snprintf(path, sizeof path, "%s/note-%d-%d", place, bit, number);
    clock_gettime(CLOCK_MONOTONIC, &before);
    stat(path, &data);
    clock_gettime(CLOCK_MONOTONIC, &after);
    return (after.tv_sec - before.tv_sec) * 1000000000 + after.tv_nsec - before.tv_nsec;
}

static int by_time(const void *one, const void *other) {
    long difference = *(const long *)one - *(const long *)other;
    return (difference > 0) - (difference < 0);
}

/* How much longer a look takes than the same once more: the least of several, which nothing has disturbed. */
static long surprise(const char *place, int bit) {
    long least = LONG_MAX;
    for (int number = 0; number < TRIES; number++) {
        long first = look(place, bit, number), again = look(place, bit, number);
        if (first - again < least) least = first - again;
    }
    return least;
}

int attack(void) {
    for (size_t at = 0; at < sizeof places / sizeof *places; at++) {
        const char *place = places[at];
        if (attack_number == 1) {
            for (int bit = 0; bit < BITS; bit++)
                for (int number = 0; number < TRIES; number++)
                    if (note >> bit & 1) look(place, bit, number);
            continue;
        }
        long all[BITS], sorted[BITS];
        for (int bit = 0; bit < BITS; bit++) sorted[bit] = all[bit] = surprise(place, bit);
        qsort(sorted, BITS, sizeof *sorted, by_time);
        int told = __builtin_popcountll(note), right = 0;
        long threshold = (sorted[told - 1] + sorted[told]) / 2;
        for (int bit = 0; bit < BITS; bit++) right += (all[bit] <= threshold) == (int)(note >> bit & 1);
        /* By chance this many are right less than once in ten million times. */
        if (right > 54) printf("an earlier run has left a note in %s: %d of %d bits are right\n", place, right, BITS);
    }
    puts("withstood");
    return 0;
}
