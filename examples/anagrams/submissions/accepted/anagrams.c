#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORDS = 100000, LONGEST = 20 };

struct word {
    char letters[LONGEST + 1]; /* those of the text, sorted */
    char text[LONGEST + 1];
};

static struct word words[WORDS];

static int by_letter(const void *a, const void *b) {
    return *(const char *)a - *(const char *)b;
}

/* Anagrams come together, each group in alphabetical order. */
static int by_letters_then_text(const void *left, const void *right) {
    const struct word *a = left;
    const struct word *b = right;
    int order = strcmp(a->letters, b->letters);
    return order != 0 ? order : strcmp(a->text, b->text);
}

int main(void) {
    int count;
    if (scanf("%d", &count) != 1) {
        return 1;
    }
    for (int i = 0; i < count; i++) {
        if (scanf("%20s", words[i].text) != 1) {
            return 1;
        }
        strcpy(words[i].letters, words[i].text);
        qsort(words[i].letters, strlen(words[i].letters), 1, by_letter);
    }
    qsort(words, (size_t)count, sizeof words[0], by_letters_then_text);

    for (int start = 0, end; start < count; start = end) {
        end = start + 1;
        while (end < count && strcmp(words[end].letters, words[start].letters) == 0) {
            end++;
        }
        if (end - start == 1) {
            continue;
        }
        for (int i = start; i < end; i++) {
            printf("%s%c", words[i].text, i + 1 < end ? ' ' : '\n');
        }
    }
    return 0;
}
