/* For attacks that are a list of system calls, each of which is to be refused. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int got_through;

/* Says which call was not refused. */
__attribute__((unused)) static void refused(const char *what, long result) {
    if (result != -1) {
        printf("%s got through\n", what);
        got_through = 1;
    }
}

/* The filter answers as a kernel without the call; whatever else refuses it has let it in. */
__attribute__((unused)) static void unknown(const char *what, long result) {
    if (result != -1 || errno != ENOSYS) {
        printf("%s reached the kernel: %ld %s\n", what, result, strerror(errno));
        got_through = 1;
    }
}

/* The filter answers with this error what the kernel, asked with such arguments, would answer with another one or do. */
__attribute__((unused)) static void answered(const char *what, long result, int error) {
    if ((error ? result != -1 || errno != error : result != 0)) {
        printf("%s reached the kernel: %ld %s\n", what, result, strerror(errno));
        got_through = 1;
    }
}

static int verdict(void) {
    if (!got_through) puts("withstood");
    return 0;
}
