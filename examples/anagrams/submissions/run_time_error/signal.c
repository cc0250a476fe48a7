/* Dies by SIGSEGV: writes to address 0. */
#include <stdio.h>

int main(void) {
    char *volatile word = NULL;
    *word = 'a';
    puts(word);
    return 0;
}
