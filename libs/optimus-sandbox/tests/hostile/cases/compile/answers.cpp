#include "hostile.h"
/* Wherever somebody might keep them. */
#if __has_include("/box/answer.txt") || __has_include("/box/tests/1.out") || __has_include("/tmp/expected_output") || \
    __has_include("@SECRET_FILE@") || __has_include("/proc/@WORKER_PID@/environ") || __has_include("/etc/ssh/ssh_host_rsa_key")
#define FOUND 1
#else
#define FOUND 0
#endif
int attack() { puts(FOUND ? "found something at compile time" : "withstood"); return 0; }
