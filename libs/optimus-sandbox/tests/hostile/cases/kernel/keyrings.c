#include "hostile.h"
#include "refused.h"

enum { SESSION = -3, USER = -4, GET_ID = 0, DESCRIBE = 6 };

int attack(void) {
    unknown("add_key", syscall(SYS_add_key, "user", "bit", "1", 1, USER));
    unknown("request_key", syscall(SYS_request_key, "user", "bit", 0, SESSION));
    unknown("keyctl", syscall(SYS_keyctl, GET_ID, SESSION, 1, 0, 0));
    unknown("keyctl", syscall(SYS_keyctl, DESCRIBE, USER, 0, 0, 0));
    return verdict();
}
