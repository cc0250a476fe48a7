#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT = 4 << 20, SLOTS = 1 << 19 };

struct entry {
    const char *word;
    int count;
};

static char text[TEXT + 1];
static struct entry slots[SLOTS];

static void count(const char *word) {
    uint32_t hash = 2166136261u;
    for (const char *c = word; *c != '\0'; c++) {
        hash = (hash ^ (unsigned char)*c) * 16777619u;
    }
    size_t slot = hash % SLOTS;
    while (slots[slot].word != NULL && strcmp(slots[slot].word, word) != 0) {
        slot = (slot + 1) % SLOTS;
    }
    slots[slot].word = word;
    slots[slot].count++;
}

static int by_rank(const void *left, const void *right) {
    const struct entry *a = left;
    const struct entry *b = right;
    if (a->count != b->count) {
        return a->count < b->count ? 1 : -1;
    }
    return strcmp(a->word, b->word);
}

int main(void) {
    int limit;
    if (scanf("%d", &limit) != 1) {
        return 1;
    }
    size_t length = fread(text, 1, TEXT, stdin);
    const char *word = NULL;
    for (size_t i = 0; i <= length; i++) {
        if (i < length && isalpha((unsigned char)text[i])) {
            text[i] = (char)tolower((unsigned char)text[i]);
            if (word == NULL) {
                word = &text[i];
            }
        } else if (word != NULL) {
            text[i] = '\0';
            count(word);
            word = NULL;
        }
    }

    int words = 0;
    for (int i = 0; i < SLOTS; i++) {
        if (slots[i].word != NULL) {
            slots[words++] = slots[i];
        }
    }
    qsort(slots, (size_t)words, sizeof slots[0], by_rank);
    for (int i = 0; i < words && i < limit; i++) {
        printf("%s %d\n", slots[i].word, slots[i].count);
    }
    return 0;
}
