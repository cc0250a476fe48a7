#include "hostile.h"

int attack(void) {
    /* The thread's, the process', the session's, the user's, the user's session's. */
    for (int ring = -1; ring >= -5; ring--) {
        if (attack_number == 1) {
            if (syscall(SYS_add_key, "user", "mine", "42", 2, ring) >= 0) printf("a key is in ring %d\n", ring);
        }
        if (syscall(SYS_keyctl, 10, ring, "user", "mine", 0) >= 0) printf("a key is found in ring %d\n", ring);
        if (syscall(SYS_keyctl, 0, ring, 1) >= 0) printf("ring %d is there\n", ring);
    }
    if (syscall(SYS_request_key, "user", "mine", 0, -3) >= 0) puts("a key is found");
    puts("withstood");
    return 0;
}
