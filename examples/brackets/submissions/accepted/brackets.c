#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { LONGEST = 2000000 };

static const char OPENING[] = "([{";
static const char CLOSING[] = ")]}";

static char line[LONGEST + 1];

/* The brackets still open are kept in the part of the line that has been read. */
static bool is_balanced(void) {
    size_t depth = 0;
    for (size_t i = 0; line[i] != '\0'; i++) {
        const char *kind = strchr(CLOSING, line[i]);
        if (kind == NULL) {
            line[depth++] = line[i];
        } else if (depth == 0 || line[--depth] != OPENING[kind - CLOSING]) {
            return false;
        }
    }
    return depth == 0;
}

int main(void) {
    int count;
    if (scanf("%d", &count) != 1) {
        return 1;
    }
    while (count-- > 0) {
        if (scanf("%2000000s", line) != 1) {
            return 1;
        }
        puts(is_balanced() ? "Yes" : "No");
    }
    return 0;
}
