/* Takes no CPU time, and no end; signals that it can ignore do not end it either. */
#include <signal.h>
#include <unistd.h>

int main(void) {
    for (int number = 1; number < 32; number++) {
        signal(number, SIG_IGN);
    }
    sleep(600);
    return 0;
}
