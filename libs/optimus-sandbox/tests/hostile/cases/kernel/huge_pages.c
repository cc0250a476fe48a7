#include "hostile.h"
#include "refused.h"

/* Pages out of a pool of the host's, which no limit counts: by maps, by files in memory, of each size. */
int attack(void) {
    static const unsigned sizes[] = {0, 16, 21, 25, 30, 34};
    for (int i = 0; i < 6; i++) {
        unsigned size = sizes[i] << 26;
        answered("a map", syscall(SYS_mmap, 0, 2 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | size, -1, 0), EINVAL);
        answered("a shared map", syscall(SYS_mmap, 0, 2 << 20, PROT_READ, MAP_SHARED | MAP_ANONYMOUS | MAP_HUGETLB | size, -1, 0), EINVAL);
        answered("a file", syscall(SYS_memfd_create, 0, MFD_HUGETLB | size), EINVAL);
        answered("a file, with junk above", syscall(SYS_memfd_create, 0, 1ul << 40 | MFD_HUGETLB | size), EINVAL);
    }
    answered("a segment", syscall(SYS_shmget, 0, 2 << 20, 04000 | 0600), ENOSYS);
    return verdict();
}
