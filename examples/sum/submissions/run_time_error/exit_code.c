/* Exits with the code that a shell shows for SIGKILL; nobody killed it, and it is not out of memory. */
#include <stdlib.h>

int main(void) {
    exit(137);
}
