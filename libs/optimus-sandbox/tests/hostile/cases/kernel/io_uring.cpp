#include "hostile.h"
#include <cerrno>
#include <sys/syscall.h>
#include <thread>
#include <vector>
#include <atomic>

/* From many threads at once: a filter holds for every one of them. */
int attack() {
    std::atomic<int> through{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; i++)
        threads.emplace_back([&] {
            char parameters[256] = {};
            if (syscall(SYS_io_uring_setup, 8, parameters) != -1 || errno != ENOSYS) through++;
            if (syscall(SYS_seccomp, 1, 1, 0) != -1 || errno != ENOSYS) through++;
        });
    for (auto &thread : threads) thread.join();
    if (through) printf("%d calls got through\n", through.load());
    else puts("withstood");
    return 0;
}
