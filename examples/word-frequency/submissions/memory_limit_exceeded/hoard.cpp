// Keeps much more than it needs: up to 1 GiB.
#include <iostream>
#include <string>
#include <vector>

int main() {
    std::vector<std::string> hoard;
    for (int i = 0; i < 64; ++i) {
        hoard.emplace_back(std::size_t{16} << 20, static_cast<char>('a' + i % 26));
    }
    std::cout << hoard.size() << hoard.back()[0] << '\n';
}
