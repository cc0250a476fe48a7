#include <cstdint>
#include <iostream>

int main() {
    std::ios::sync_with_stdio(false);
    std::cin.tie(nullptr);
    int count;
    std::cin >> count;
    std::int64_t sum = 0;
    for (std::int64_t number; count-- > 0 && std::cin >> number;) {
        sum += number;
    }
    std::cout << sum << '\n';
}
