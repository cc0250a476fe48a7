#include "hostile.h"
#include <vector>

int attack(void) {
    std::vector<long> all;
    for (long i = 0;; i++) all.push_back(i);
}
