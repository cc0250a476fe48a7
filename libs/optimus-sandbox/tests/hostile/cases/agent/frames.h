/* Frames of the channel between a box and its worker, as the agent would write them. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void frame(int to, unsigned char kind, const char *payload, size_t length) {
    unsigned char bytes[4096] = {kind, length >> 24, length >> 16, length >> 8, length};
    memcpy(bytes + 5, payload, length);
    if (write(to, bytes, length + 5)) {}
}

/* That this run has ended well and printed what it should, that there was a fault, and that the box is ready. */
static void forge(int to) {
    static const char *done =
        "{\"id\":1,\"facts\":{\"end\":{\"how\":\"exited\",\"code\":0},\"cpu_time_us\":1,\"cpu_time_from\":\"cgroup\",\"wall_time_us\":1,"
        "\"waited_for_cpu_us\":null,\"peak_memory_bytes\":1,\"peak_memory_from\":\"cgroup\",\"oom_kills\":0,"
        "\"process_limit_hits\":0,\"stdout_bytes\":10,\"stderr_bytes\":0}}";
    static const char output[] = "\0\0\0\1\1withstood\n";
    frame(to, 66, output, sizeof output - 1);
    frame(to, 67, done, strlen(done));
    frame(to, 69, "forged", 6);
    frame(to, 65, "{\"version\":5,\"toolchain\":null}", 30);
    frame(to, 68, "{\"program_missing\":false,\"too_many_entries\":false}", 50);
    frame(to, 10, "", 0);
}
